"""Force microscope: scans of one parameter, and symmetry of a scan."""

import numpy as np
import pytest

from microgym.instruments.afm.settings import TipParameters
from microgym.physics.cantilever import CONTACT_NM, HAMAKER_NN_NM
from microgym.physics.drift import AMBIENT_DRIFT
from microgym.physics.piezo import PIEZO_LEVELS
from tests.microgym.instruments.test_afm import SIDE, bumps, dials, make, mounted, tally

STIFF_GPA = 60.0


def scanned(height, modulus=STIFF_GPA, lines=4, **changes):
    """An instrument after some lines, and largest force of the last ones, without the first."""
    settings = {name: changes.pop(name) for name in ("rate", "setpoint", "gain") if name in changes}
    instrument, rows = mounted(height, modulus, settings.get("setpoint", 0.7), **changes)
    forces = []
    for _ in range(lines):
        instrument.scan(rows, dials(**settings))
        forces.append(tally(instrument, "peak_nn"))
    return instrument, max(forces[1:])


def test_peak_forces_over_the_setpoint_are_the_harmonic_balance():
    # E sqrt(R A) s^2 / (2 sqrt 2) = k A sqrt(A0^2 - A^2) / (2 Q) + W, W the virial of attraction,
    # sqrt(2 A) H R / (6 pi) times the integral over x of 1 / max(a0 - s + x^2, a0)^2.
    ratios, elastic = np.array([0.5, 0.58, 0.7, 0.8, 0.9]), STIFF_GPA * np.sqrt(8.0)
    amplitude, hamaker = 20.0 * ratios, HAMAKER_NN_NM * 8.0
    depth = np.full(5, 0.2)
    for _ in range(50):
        near = np.sqrt(depth) / CONTACT_NM**2
        x = np.sqrt(depth)[:, None] + np.geomspace(1e-6, 100.0, 20000)
        far = np.trapezoid(1.0 / (CONTACT_NM - depth[:, None] + x * x) ** 2, x, axis=1)
        pull = np.sqrt(2.0 * amplitude) * hamaker / (6.0 * np.pi) * (near + far)
        drive = 40.0 * amplitude * np.sqrt(20.0**2 - amplitude**2) / 800.0
        depth = np.sqrt(2.0 * np.sqrt(2.0) * (drive + pull) / (elastic * np.sqrt(amplitude)))
    wanted = 4.0 / 3.0 * elastic * depth**1.5 - hamaker / (6.0 * CONTACT_NM**2)
    flat = np.zeros((SIDE, SIDE))
    forces = np.array([scanned(flat, setpoint=one, gain=800.0)[1] for one in ratios])
    assert forces == pytest.approx(wanted, rel=0.03)
    # Largest near A0 / sqrt(3), not at the lowest amplitude.
    assert forces.argmax() == 1
    assert (np.diff(forces[1:]) < 0.0).all()


def test_damage_rises_with_the_force_and_falls_with_the_strength():
    rates, strengths = (0.5, 4.0, 12.0), (6.0, 12.0, 18.0, 30.0)
    forces, volumes, broken = [], [], []
    for rate in rates:
        wearing = TipParameters(wear_nm3_nn_nm=1e-3)
        instrument, force = scanned(bumps(SIDE, 80.0, 10.0), rate=rate, gain=800.0, tip=wearing)
        forces.append(force)
        volumes.append(instrument.state.tip.volume_nm3[0])
        fragile = (TipParameters(strength_gpa=strength) for strength in strengths)
        tips = [scanned(bumps(SIDE, 80.0, 10.0), rate=rate, gain=800.0, tip=tip) for tip in fragile]
        broken.append([one.state.tip.crashes[0] > 0 for one, _ in tips])
    assert (np.diff(forces) > 0.0).all()
    assert (np.diff(volumes) > 0.0).all()
    # Broken at a higher rate where at a lower one, and at a lower strength where at a higher one.
    assert (np.diff(np.array(broken).astype(int), axis=0) >= 0).all()
    assert (np.diff(np.array(broken).astype(int), axis=1) <= 0).all()
    assert broken[-1][1]
    assert not broken[0][1]


def test_blunt_tips_and_soft_ground_are_spared():
    fragile = TipParameters(strength_gpa=12.0)
    breaks, force = scanned(bumps(SIDE, 80.0, 10.0), rate=12.0, gain=800.0, tip=fragile)
    assert breaks.state.tip.crashes[0] > 0
    assert force > 159.0  # pi^3 R^2 p^3 / (6 E^2) at 8 nm, 12 GPa and 60 GPa
    soft, force = scanned(bumps(SIDE, 80.0, 10.0), 5.0, rate=12.0, gain=800.0, tip=fragile)
    assert soft.state.tip.crashes[0] == 0
    assert force > 159.0
    blunt = TipParameters(60.0, strength_gpa=12.0)
    bears, _ = scanned(bumps(SIDE, 80.0, 40.0, 100), rate=12.0, gain=800.0, tip=blunt)
    assert bears.state.tip.crashes[0] == 0


def misplaced(**changes):
    """Root mean square distance of pixels from their places in the sixth line of 16 frames, nm."""
    instrument, rows = make(tuple(range(16)), **changes)
    for _ in range(6):
        instrument.scan(rows, dials(16, rate=0.5))
    return float(np.sqrt((instrument.state.line.misplaced_nm**2).mean()))


@pytest.mark.parametrize(("name", "levels"), [("drift", AMBIENT_DRIFT), ("piezo", PIEZO_LEVELS)])
def test_each_level_moves_the_tip_further_from_where_it_should_be(name, levels):
    apart = [misplaced(**{name: level}) for level in levels.values()]
    assert apart[0] == pytest.approx(0.0, abs=1e-9)
    assert (np.diff(apart) > 0.0).all()


def test_distortion_is_the_distance_that_the_specimen_has_drifted():
    instrument, rows = make()
    for _ in range(3):
        instrument.state.drift.velocity[0] = 3.0, 4.0, 0.0
        instrument.scan(rows, dials(rate=0.5))
    # The middle of the third trace is 4.5 s after the start.
    assert instrument.state.line.misplaced_nm[0] == pytest.approx(5.0 * 4.5, rel=1e-6)


def test_the_way_back_over_a_mirrored_surface_is_the_way_there():
    x = np.arange(SIDE, dtype=float)
    saw = np.tile(20.0 * ((x % 64) / 64.0), (SIDE, 1))
    there, rows = mounted(saw, 30.0)
    mirrored, _ = mounted(saw[:, ::-1], 30.0)
    for _ in range(5):
        there.scan(rows, dials(rate=4.0))
        mirrored.scan(rows, dials(rate=4.0))
    trace, retrace = there.state.line.trace[0], mirrored.state.line.retrace[0, ::-1]
    assert np.ptp(trace) > 10.0
    assert np.abs(trace - there.state.line.retrace[0]).max() > 1.0
    assert np.abs(trace - retrace).max() < 0.05
