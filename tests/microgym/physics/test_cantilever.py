"""Cantilevers: amplitude against distance, peak force and contact mode, against closed forms."""

import numpy as np
import pytest

from microgym.physics.cantilever import (
    CONTACT_NM,
    HAMAKER_NN_NM,
    MODULI_GPA,
    RADII_NM,
    Cantilever,
    amplitude_table,
    balance,
    branches,
    deflection_table,
    half_cycle,
    hertz_of,
    mean_force,
    peak_force,
    tip_force,
    virial,
)
from tests.microgym.physics.tapping import tap

STANDARD = Cantilever()


def orbit_peak(gap: float, amplitude: float, modulus: float, radius: float = 10.0) -> float:
    """Force at the lower turning point of a harmonic orbit."""
    return tip_force.py_func(gap - amplitude, HAMAKER_NN_NM * radius, hertz_of(modulus, radius))


@pytest.mark.parametrize("ratio", [0.8, 0.9, 0.95])
@pytest.mark.parametrize("radius", [10.0, 20.0])
def test_attraction_alone_has_the_closed_form_gap(ratio, radius):
    # z_c = [A^2 + (Q H R / (3 k sqrt((A0/A)^2 - 1)))^(2/3)]^(1/2), exact for van der Waals' force,
    # which is regularised below a0: only orbits that stay above may be asked for.
    cantilever = Cantilever(quality=2000.0)
    amplitude = np.array([20.0 * ratio])
    term = 2000.0 * 0.1 * radius / (3.0 * 40.0 * np.sqrt(1.0 / ratio**2 - 1.0))
    expected = np.sqrt(amplitude[0] ** 2 + term ** (2.0 / 3.0))
    assert expected - amplitude[0] > CONTACT_NM
    found = balance(cantilever, 0.0001, radius, amplitude, 0.1)[0, 0]
    assert found == pytest.approx(expected, rel=1e-4)


def test_virial_of_van_der_waals_alone():
    # <F z> = H R A^2 / (6 (z^2 - A^2)^(3/2)) for F = -H R / (6 d^2), by the residue theorem.
    gap, amplitude = 21.0, 20.0
    expected = 0.64 * amplitude**2 / (6.0 * (gap**2 - amplitude**2) ** 1.5)
    found = virial(gap, amplitude, 0.64, 1.0, half_cycle())
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("modulus", [1.0, 60.0])
def test_solutions_fulfil_the_harmonic_balance(modulus):
    amplitudes = 20.0 * np.array([0.3, 0.5, 0.7, 0.9, 0.99])
    gaps = balance(STANDARD, modulus, 10.0, amplitudes)[2]
    for a, g in zip(amplitudes, gaps, strict=True):
        v = virial(g, a, 0.64, hertz_of(modulus, 10.0), half_cycle())
        assert a**2 + (2.0 * 400.0 * v / (40.0 * a)) ** 2 == pytest.approx(400.0, rel=1e-6)
        assert v < 0.0


def test_quadrature_is_fine_enough():
    amplitudes = 20.0 * np.linspace(0.2, 0.95, 8)
    for modulus in (0.5, 10.0, 120.0):
        coarse = balance(STANDARD, modulus, 10.0, amplitudes)[2]
        fine = balance(STANDARD, modulus, 10.0, amplitudes, nodes=4096)[2]
        assert np.abs(coarse - fine).max() < 0.003


def test_tables_rise_end_at_the_free_amplitude_and_go_on_below():
    table = amplitude_table(STANDARD)
    values = table.values
    assert values.shape == (len(RADII_NM), 2, len(MODULI_GPA), values.shape[-1])
    assert np.isfinite(values).all()
    # Around its free value the amplitude dips where attraction comes first; below, it rises.
    gaps = table.low_nm + table.step_nm * np.arange(values.shape[-1])
    assert (np.diff(values[:, 1][..., gaps < 15.0], axis=-1) > 0.0).all()
    assert values.max() <= 20.0
    # Beyond the table van der Waals' attraction is what is left, at 4 nm and radii up to 32 nm.
    assert np.abs(values[:4, ..., -1] - 20.0).max() < 0.03
    assert np.diff(values[..., :2]) / table.step_nm == pytest.approx(1.0)
    assert amplitude_table(Cantilever()) is table
    with pytest.raises(ValueError, match="read-only"):
        values[0, 0, 0, 0] = 1.0


def test_two_amplitudes_are_stable_where_they_are_known_to_be():
    gaps = np.linspace(9.0, 13.0, 161)
    stiff = branches(Cantilever(free_amplitude_nm=12.0), 60.0, 20.0, gaps, 0.1)
    both = (gaps > 10.2) & (gaps < 11.6)
    assert (stiff[1, both] - stiff[0, both] > 0.2).all()
    assert np.abs(stiff[1, gaps > 12.1] - stiff[0, gaps > 12.1]).max() < 1e-9
    # A soft surface and a sharp tip: one amplitude only.
    soft = branches(STANDARD, 1.0, 8.0, np.linspace(5.0, 24.0, 300))
    assert np.abs(soft[1] - soft[0]).max() < 0.05


@pytest.mark.parametrize("ratio", [0.5, 0.7, 0.9])
@pytest.mark.parametrize("modulus", [1.0, 10.0, 60.0])
def test_peak_force_is_that_of_the_orbit(modulus, ratio):
    amplitude = 20.0 * ratio
    gap = balance(STANDARD, modulus, 10.0, np.array([amplitude]), nodes=4096)[2, 0]
    force, share = peak_force(amplitude, amplitude, modulus, 10.0, 40.0, 400.0, 20.0)
    assert force == pytest.approx(orbit_peak(gap, amplitude, modulus), rel=0.03)
    cosine = (CONTACT_NM - gap) / amplitude
    assert share == pytest.approx(np.arccos(-cosine) / np.pi, rel=0.06)


def test_without_attraction_the_peak_force_is_the_closed_form():
    # F_pk = (4/3) 2^(3/8) (E sqrt(R))^(1/4) (k/Q)^(3/4) A0^(9/8) [s (1 - s^2)]^(3/8).
    for modulus in (1.0, 60.0):
        for s in (0.5, 0.7, 0.9):
            elastic = modulus * np.sqrt(10.0)
            expected = 4 / 3 * 2**0.375 * elastic**0.25 * 0.1**0.75 * 20**1.125
            expected *= (s * (1 - s * s)) ** 0.375
            gap = balance(STANDARD, modulus, 10.0, np.array([20.0 * s]), 0.0, nodes=4096)[2, 0]
            depth = CONTACT_NM - (gap - 20.0 * s)
            force = 4 / 3 * elastic * depth**1.5
            assert force == pytest.approx(expected, rel=0.03)


def test_forces_at_the_defaults_are_of_the_size_that_is_measured():
    for modulus in (1.0, 60.0):
        assert 0.3 < mean_force.py_func(14.0, 0.05, 20.0) < 1.0
        assert 5.0 < peak_force(14.0, 14.0, modulus, 10.0, 40.0, 400.0, 20.0)[0] < 30.0


def test_an_oscillation_that_is_quenched_pushes_like_a_spring():
    calm, _ = peak_force(1.0, 0.0, 60.0, 10.0, 40.0, 400.0, 20.0)
    pushed, share = peak_force(1.0, -10.0, 60.0, 10.0, 40.0, 400.0, 20.0)
    assert share == 1.0
    # In series: k (10 - s) = (4/3) E sqrt(R) s^(3/2).
    depths = np.linspace(0.0, 10.0, 2_000_001)
    contact = hertz_of(60.0, 10.0) * depths**1.5
    force = contact[np.argmin(np.abs(contact - 40.0 * (10.0 - depths)))]
    assert pushed - calm == pytest.approx(force, rel=1e-3)


def test_contact_mode_pushes_holds_on_and_snaps():
    cantilever = Cantilever(0.2, 13e3, 30.0, 0.0)
    table = deflection_table(cantilever)
    gaps = table.low_nm + table.step_nm * np.arange(table.values.shape[-1])
    radius, modulus = 1, 5
    pull = HAMAKER_NN_NM * RADII_NM[radius] / (6.0 * CONTACT_NM**2) / 0.2
    far, near = table.values[radius, :, modulus]
    deep = gaps < -20.0
    # A stiff surface yields nothing: deflection equals push, and force is k times deflection.
    assert np.abs(far[deep] - gaps[deep]).max() < 0.05 * pull
    assert (far[deep] == near[deep]).all()
    # From far, contact begins at 3/2 (H R / 3k)^(1/3): 1.42 nm for 8 nm.
    first = gaps[np.flatnonzero(far)[-1]]
    assert first == pytest.approx(1.42, abs=2 * table.step_nm)
    last = gaps[np.flatnonzero(near)[-1]]
    assert last == pytest.approx(pull, abs=2 * table.step_nm)
    assert far[(gaps > 3.0) & (gaps < pull)] == pytest.approx(0.0)
    assert near[(gaps > 3.0) & (gaps < 0.95 * pull)].min() > 0.0


def test_the_free_oscillation_builds_up_with_the_lag():
    # 1 - exp(-t / tau), tau = 2 Q / w: after tau the amplitude is 1 - 1/e of the free one.
    out = np.empty(6)
    cycles = round(400.0 / np.pi)
    settings = np.array([40.0, 400.0, 20.0, 0.0, 0.0, 0.0])
    tap(100.0, 0.0, 100.0, settings, cycles + 5, 10, 100, out)
    assert out[0] / 20.0 == pytest.approx(1.0 - np.exp(-cycles * np.pi / 400.0), rel=0.005)
    assert STANDARD.lag_s == pytest.approx(400.0 / np.pi / 300e3)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="stiffness_n_m"):
        Cantilever(stiffness_n_m=0.0)
    with pytest.raises(ValueError, match="quality"):
        Cantilever(quality=float("nan"))
    with pytest.raises(TypeError, match="resonance_hz"):
        Cantilever(resonance_hz="fast")
