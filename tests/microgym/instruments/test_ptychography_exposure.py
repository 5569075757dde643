"""Within an exposure: slicing changes nothing but the noise, and closed forms of fading and motion.

Photons are so many that noise is small. At the defaults of Ptycho-v0 the brightest pixel receives
0.6, 2.6 and 7.7 critical fluences a second at "easy", "real" and "hard".
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from microgym.instruments.ptychography.instrument import PtychographyInstrument
from microgym.instruments.ptychography.settings import STAGE_LEVELS, STAGE_SPEED_PX_S
from microgym.physics.damage import DamageParameters
from microgym.physics.drift import DriftParameters
from tests.microgym import ptychography_reference as reference
from tests.microgym.instruments.test_ptychography import (
    FIELD,
    PROBE,
    SPECIMEN,
    N,
    expose,
    make,
    mount,
)

SENT = 1e10
"""Photons of an exposure of 10 s."""
LIGHT = np.abs(PROBE.astype(complex)) ** 2


def bright(
    fading: float = 0.0, stage: Any = None, probe: NDArray[Any] = PROBE
) -> PtychographyInstrument:
    """A microscope of 1e9 photons a second and no dead time.

    After 10 s the brightest pixel has received `fading` critical fluences of the finest band.
    """
    critical = SENT * LIGHT.max() / fading if fading else np.inf
    return make(
        photons_per_s=0.1 * SENT,
        damage=DamageParameters(critical),
        stage=stage or STAGE_LEVELS["off"],
        probe=probe,
        dead_time_s=0.0,
    )


def counted(
    instrument: PtychographyInstrument, times: int, dwell_s: float, place: float = 30.0
) -> NDArray[np.float64]:
    """Counts (n, n) of the first microscope, summed over equal exposures of a fresh specimen."""
    mount(instrument, SPECIMEN)
    total = np.zeros(N * N)
    for _ in range(times):
        expose(instrument, (place, place), dwell_s)
        total += instrument.state.measurement.counts[0]
    return total.reshape(N, N)


@pytest.mark.parametrize(("fading", "excess"), [(0.6, 1.05), (2.6, 1.2), (7.7, 1.5), (77.0, 3.0)])
def test_slicing_an_exposure_changes_nothing_but_the_noise(fading, excess):
    whole, sliced = bright(fading), bright(fading)
    one, many = counted(whole, 1, 10.0), counted(sliced, 100, 0.1)
    scattered = ~whole.disk.reshape(N, N).astype(bool)
    assert one[scattered].sum() == pytest.approx(many[scattered].sum(), rel=5e-3)
    assert np.abs(one - many).sum() < 2e-3 * many.sum()
    # A specimen that did not fade within the exposure would scatter that much more.
    fresh = counted(bright(), 1, 10.0)
    assert fresh[scattered].sum() > excess * one[scattered].sum()
    assert whole.sample.fluence[0] == pytest.approx(sliced.sample.fluence[0], rel=1e-5)
    for name in ("object_re", "object_im"):
        found, wanted = (getattr(one.sample, name) for one in (whole, sliced))
        assert found == pytest.approx(wanted, abs=2e-6)


@pytest.mark.parametrize("level", ["easy", "real", "hard"])
def test_slicing_a_drifting_exposure(level):
    stage = replace(STAGE_LEVELS[level], jitter=0.0)
    whole, sliced = bright(2.6, stage), bright(2.6, stage)
    one, many = counted(whole, 1, 10.0), counted(sliced, 100, 0.1)
    assert np.abs(one - many).sum() < 0.02 * many.sum()
    assert whole.state.drift.drift == pytest.approx(sliced.state.drift.drift, abs=1e-12)


def test_photons_are_kept_while_specimen_and_probe_change():
    instrument = bright(7.7, STAGE_LEVELS["hard"])
    mount(instrument, np.ones((FIELD, FIELD), complex))
    expose(instrument, (32.0, 32.0), 10.0)
    total = instrument.state.measurement.counts.sum(dtype=np.float64)
    assert total == pytest.approx(SENT, rel=5.0 / np.sqrt(SENT) + 1e-6)
    assert instrument.sample.fluence.sum(dtype=np.float64) == pytest.approx(SENT, rel=1e-6)


@pytest.mark.parametrize("fading", [0.05, 0.6, 2.6, 7.7, 45.0])
def test_transmission_of_a_fading_film(fading):
    # An even film 1 + c has coarse structure only. With F = y t under a light of y critical
    # fluences, |1 + c exp(-y t)|^2 has the mean 1 + 2 Re(c) g(y) + |c|^2 g(2 y) over an exposure.
    c = -0.4 + 0.3j
    instrument = bright(fading)
    mount(instrument, np.full((FIELD, FIELD), 1.0 + c))
    expose(instrument, (32.0, 32.0), 10.0)
    y = fading * LIGHT / (4.0 * LIGHT.max()) + 1e-12

    def g(x: Any) -> Any:
        return -np.expm1(-x) / x

    wanted = np.sum(LIGHT * (1.0 + 2.0 * c.real * g(y) + abs(c) ** 2 * g(2.0 * y)))
    total = instrument.state.measurement.counts.sum(dtype=np.float64)
    assert total == pytest.approx(SENT * wanted, rel=5e-4)


def test_an_exposure_is_smeared_by_the_way_of_the_specimen():
    # Constant speed: the mean of patterns along the way.
    stage = DriftParameters(speed=0.2, length_unit="px")
    instrument = bright(stage=stage)
    smeared = counted(instrument, 1, 10.0)
    velocity = instrument.state.drift.velocity[0]
    way, start = 10.0 * np.hypot(*velocity), np.sqrt(8.0) / STAGE_SPEED_PX_S
    assert 1.0 < way < 3.0
    corner = np.floor(instrument.state.beam[0] + 0.5).astype(int) - N // 2

    def pattern(seconds: float) -> NDArray[np.float64]:
        moved = reference.shift(
            PROBE[None], *(30.0 + (start + seconds) * velocity - corner - N // 2)
        )
        return reference.expected_counts(SPECIMEN, moved, *corner, SENT)

    wanted = np.mean([pattern(second) for second in (np.arange(200) + 0.5) / 20.0], axis=0)
    assert np.abs(smeared - wanted).sum() < 2e-3 * wanted.sum()
    # A pattern taken at half time would be off.
    assert np.abs(pattern(5.0) - wanted).sum() > 5e-3 * wanted.sum()
    assert instrument.state.beam[0] == pytest.approx(30.0 + (start + 5.0) * velocity, abs=1e-5)


def test_counts_are_linear_in_time_without_damage():
    one = counted(bright(), 1, 1.0)
    for dwell in (0.1, 3.0, 10.0):
        longer = counted(bright(), 1, dwell)
        spread = np.sqrt(dwell * one.clip(1.0) * (1.0 + dwell))
        assert np.abs(longer - dwell * one).max() < 6.0 * spread.max()
        assert longer.sum() == pytest.approx(dwell * one.sum(), rel=1e-4)


def test_loss_of_contrast_grows_with_dose():
    # Linear at first, 1 - exp(-F / F_b) throughout; and the patterns follow.
    losses: list[float] = []
    scattered: list[float] = []
    dwells = (0.01, 0.02, 0.1, 1.0, 3.0, 10.0)
    for dwell in dwells:
        instrument = bright(2.6)
        pattern = counted(instrument, 1, dwell)
        sample = instrument.sample
        now = np.hypot(sample.object_re - sample.pristine_re, sample.object_im - sample.pristine_im)
        losses.append(float(now.sum()))
        scattered.append(float(pattern[~instrument.disk.reshape(N, N).astype(bool)].sum() / dwell))
    assert losses[1] / losses[0] == pytest.approx(2.0, rel=5e-3)
    assert np.all(np.diff(losses) > 0.0)
    assert np.all(np.diff(scattered) < 0.0)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_mirrored_specimen_gives_mirrored_patterns(axis):
    # Mirrored about the pixel at the centre of the field, as the probe is about its own centre but
    # for the first line of the patch.
    probe = PROBE.copy().reshape(N, N)
    probe[0] = probe[:, 0] = 0.0
    mirrored = np.roll(np.flip(SPECIMEN, axis), 1, axis)
    patterns: list[Any] = []
    for specimen, place in ((SPECIMEN, 36.0), (mirrored, 28.0)):
        instrument = bright(7.7, probe=probe)
        mount(instrument, specimen)
        at = np.full(2, 36.0)
        at[axis] = place
        expose(instrument, at, 10.0)
        patterns.append(instrument.state.measurement.counts[0].astype(np.float64).reshape(N, N))
    back = np.roll(np.flip(patterns[1], axis), 1, axis)
    assert np.abs(patterns[0] - back).sum() < 1e-3 * back.sum()
    assert np.abs(patterns[0] - patterns[1]).sum() > 0.05 * back.sum()
