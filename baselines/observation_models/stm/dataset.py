"""Simulated images for training and evaluation: random tips, noises, speeds and drifts.

Images are those of `STM-v0`, made by its instrument. Besides, some adatoms are put closely beside
each other, and the field is shifted, so that some lie at its border.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from microgym.instruments.stm.instrument import STMInstrument
from microgym.instruments.stm.settings import DRIFT_LEVELS, IMAGE_LEVELS, STMSettings
from microgym.instruments.stm.state import BANDS, PIXELS
from microgym.physics.adatoms import LATTICE_NM
from microgym.physics.stm_tip import APEX_LEVELS, STATES, draw_traits
from microgym.random import episode_key
from microgym.reconstruction.adatoms.peak_detection import BACKGROUND, HEIGHT_NM, HIGHEST, LOWEST
from microgym.specimens.adatom_fields import FAMILIES, FIELD_NM, HELD_OUT
from microgym.state import Bool, Float32, Float64, Int64

LEARNT = tuple(name for name in FAMILIES if name not in HELD_OUT)
"""Families of the training: all but those held out."""
SCAN_S = (4.0, 40.0)
"""Shortest and longest time of an image in training, s (design choice)."""
PIXEL_NM = FIELD_NM / PIXELS
GROUP = 32
"""Images under one set of conditions."""


@dataclass(frozen=True)
class Conditions:
    """Conditions of images.

    Attributes:
        family: of the specimens.
        split: of the specimens.
        noise, drift: names of levels.
        loudness: factor of all noise of the heights but the tip's own.
        image_s: time of an image, s.
        state: of the tip, one of `STATES`; None for any.
        paired: share of images in which two adatoms are put closely beside each other.
        shifted_nm: largest shift of the field along each axis, nm.
    """

    family: str
    split: str
    noise: str = "real"
    drift: str = "real"
    loudness: float = 1.0
    image_s: float = 20.0
    state: str | None = None
    paired: float = 0.0
    shifted_nm: float = 0.0

    def settings(self) -> STMSettings:
        """The instrument."""
        level = IMAGE_LEVELS[self.noise]
        louder = {
            name: self.loudness * getattr(level, name)
            for name in ("vibration_nm", "flicker_nm", "mains_nm")
        }
        return STMSettings(
            drift=DRIFT_LEVELS[self.drift],
            tip=APEX_LEVELS["real"],
            noise=replace(level, **louder),
            bent=0.0 if self.state == "sharp" else 0.7,
            image_s=self.image_s,
        )


class LabelledImages(NamedTuple):
    """Images with their adatoms.

    Attributes:
        heights: (N, PIXELS, PIXELS) float32, nm.
        places: (N, ATOMS, 2) float64, places of the adatoms in the image, from its middle, nm.
        present: (N, ATOMS) bool, whether there is such an adatom, inside the image.
        states: (N,) int64, states of the tips.
    """

    heights: Float32
    places: Float64
    present: Bool
    states: Int64


def take(conditions: Conditions, seeds: Int64) -> LabelledImages:
    """Take images; seeds (N,) are of the specimens, tips and noises."""
    count = len(seeds)
    instrument = STMInstrument(count, conditions.settings())
    rows = np.arange(count)
    keys = np.stack([episode_key(int(seed)) for seed in seeds])
    movers, farthest = (1, 3.0) if conditions.family == "stepped" else (3, FIELD_NM)
    instrument.reset(rows, keys, conditions.family, conditions.split, movers, (1.0, farthest))
    if conditions.state is not None:
        _set_tips(instrument, STATES.index(conditions.state), int(seeds[0]))
    generator = np.random.default_rng([int(seeds[0]), count])
    state = instrument.state
    fields = state.field
    for row in np.flatnonzero(generator.random(count) < conditions.paired):
        _put_beside(fields.places[row], fields.present[row], generator)
    fields.places[...] += conditions.shifted_nm * generator.uniform(-1.0, 1.0, (count, 1, 2))
    instrument.look(rows)
    instrument.draw(rows)
    places = _apparent(fields.places, state.bands)
    inside = fields.present & (np.abs(places).max(axis=2) < 0.5 * FIELD_NM)
    return LabelledImages(state.image.copy(), places, inside, state.tip.kind.copy())


def _set_tips(instrument: STMInstrument, state: int, seed: int) -> None:
    """Give every microscope a tip of one state."""
    tip, spread = instrument.state.tip, instrument.parameters.spread
    tip.kind[:] = state
    for row, traits in enumerate(tip.traits):
        low = np.uint32(seed + row & 0xFFFFFFFF)
        draw_traits(low, np.uint32(state), 0, state, spread, traits)


def _put_beside(places: Float64, present: Bool, generator: np.random.Generator) -> None:
    """Put one adatom at one to three lattice constants from another."""
    one, other = generator.choice(np.flatnonzero(present), 2, replace=False)
    angle = generator.uniform(0.0, 2.0 * np.pi)
    way = LATTICE_NM * generator.uniform(1.0, 3.0)
    places[one] = places[other] + way * np.array([np.cos(angle), np.sin(angle)])


def _apparent(places: Float64, bands: Float64) -> Float64:
    """Places of adatoms when their line is written, (N, ATOMS, 2), nm."""
    row = np.arange(len(places))[:, None]
    apparent = places.copy()
    for _ in range(4):
        at = np.clip((apparent[..., 1] / FIELD_NM + 0.5) * BANDS, 0.0, BANDS)
        band = np.minimum(at.astype(np.int64), BANDS - 1)
        part = (at - band)[..., None]
        apparent = places + (1.0 - part) * bands[row, band] + part * bands[row, band + 1]
    return apparent


def levelled(heights: Float32) -> Float32:
    """Inputs of the network from images (N, n, n), nm, as `level_line` forms them."""
    level = np.partition(heights, BACKGROUND, axis=-1)[..., BACKGROUND, None]
    return np.clip(np.float32(1.0 / HEIGHT_NM) * (heights - level), LOWEST, HIGHEST)


def make_dataset(seed: int, groups: int, split: str) -> LabelledImages:
    """Images under random conditions, of which so many sets have `GROUP` images each."""
    generator = np.random.default_rng([seed, ("train", "validation", "test").index(split)])
    parts: list[LabelledImages] = []
    for _ in range(groups):
        conditions = Conditions(
            family=str(generator.choice(LEARNT)),
            split=split,
            noise=str(generator.choice(["easy", "real", "hard"])),
            drift=str(generator.choice(["off", "easy", "real", "hard"])),
            loudness=float(np.exp(generator.uniform(np.log(0.5), np.log(6.0)))),
            image_s=float(np.exp(generator.uniform(*np.log(SCAN_S)))),
            paired=0.5,
            shifted_nm=0.8,
        )
        first = int(generator.integers(1 << 40))
        parts.append(take(conditions, first + np.arange(GROUP)))
    return LabelledImages(*map(np.concatenate, zip(*parts, strict=True)))
