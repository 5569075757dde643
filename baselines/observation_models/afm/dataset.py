"""Simulated lines for training and evaluation: random surfaces, tips, dials and instruments.

Frames are scanned as `AFM-v0` scans them, with its instrument, line by line.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgym.envs.afm.config import RATES_HZ, AFMConfig
from microgym.envs.core.config import LEVELS
from microgym.instruments.afm.instrument import AFMInstrument
from microgym.instruments.afm.kernels import LEAD
from microgym.instruments.afm.settings import CANTILEVERS
from microgym.random import episode_key
from microgym.reconstruction.topography.convnet_kernels import LINES, SETTINGS
from microgym.reconstruction.topography.observation_model import PITCH_NM, PIXEL_NM, Raster
from microgym.specimens.splits import HELD_OUT_SURFACES, SURFACES
from microgym.state import Bool, Float32, Float64, Int64

LEARNT = tuple(name for name in SURFACES if name not in HELD_OUT_SURFACES)
"""Families of the training: all but those held out."""
GAIN_SHARES = (0.08, 0.9)
"""Integral gains over the one at which the loop begins to ring, logarithmic (design choice)."""
SETPOINTS = (0.4, 0.95)
"""Setpoints, parts of the free amplitude (design choice)."""
WIDEST_NM = 45.0
"""Radius of the bluntest tips, nm (design choice: a tip after one crash)."""
SPLIT_TIPS = 0.2
"""Part of the tips that have a second apex (design choice)."""


@dataclass(frozen=True)
class Conditions:
    """Conditions of frames.

    Attributes:
        family, split: of the surfaces.
        field_nm: edge of a frame, nm.
        lines: of a frame.
        rates_hz: slowest and fastest line rate.
        radii_nm: radii of the sharpest and the bluntest tip.
        split_tips: part of the tips that have a second apex.
        drift, tip, loop, scanner: switches, as in AFM-v0.
    """

    family: str = "mixed"
    split: str = "train"
    field_nm: float = 1000.0
    lines: int = 64
    rates_hz: tuple[float, float] = (2.0, RATES_HZ[1])
    radii_nm: tuple[float, float] = (6.0, WIDEST_NM)
    split_tips: float = SPLIT_TIPS
    drift: str = "easy"
    tip: str = "easy"
    loop: str = "easy"
    scanner: str = "off"

    def arguments(self) -> AFMConfig:
        """The arguments of AFM-v0 that ask for the same."""
        names = ("split", "field_nm", "lines", "drift", "tip", "loop", "scanner")
        shared: dict[str, Any] = {name: getattr(self, name) for name in names}
        return AFMConfig(specimen=self.family, **shared)


@dataclass(frozen=True)
class Frames:
    """Scanned frames, line by line.

    Attributes:
        signals: (F, lines, 5, P) float32: trace, retrace, error and error of the retrace, nm, and
            cosine of the phase.
        truth: (F, lines, P) float32, image of a new tip on the trace's path, nm.
        dials: (F, lines, 4) float64, see `microgym.instruments.afm.kernels.DIALS`.
        radius_nm: (F,) of the tips at the start.
        conditions: of the scans.
    """

    signals: Float32
    truth: Float32
    dials: Float64
    radius_nm: Float64
    conditions: Conditions

    @property
    def raster(self) -> Raster:
        """Raster of the scans."""
        return self.conditions.arguments().raster


def scan_frames(conditions: Conditions, seeds: Int64, chance: int) -> Frames:
    """Scan one frame of each surface.

    The dials change now and then. The tips are as after some use: sharp, worn, broken or double.

    Args:
        conditions: of the frames.
        seeds: (F,) of the surfaces and instruments.
        chance: seed of tips and dials.

    Returns:
        The frames.
    """
    chosen, count = conditions.arguments(), len(seeds)
    instrument = AFMInstrument(count, chosen.settings)
    generator = np.random.default_rng([chance, count])
    rows = np.arange(count)
    keys = np.stack([episode_key(int(seed)) for seed in seeds])
    instrument.reset(rows, keys, conditions.family, conditions.split, 0.7)
    radius = _between(generator, conditions.radii_nm, count)
    double = generator.random(count) < conditions.split_tips
    far, turn = generator.uniform(15.0, 45.0, count), generator.uniform(0.0, 2.0 * np.pi, count)
    tip, line = instrument.state.tip, instrument.state.line
    tip.second_y_nm[double] = (far * np.sin(turn))[double]
    tip.second_x_nm[double] = (far * np.cos(turn))[double]
    tip.second_z_nm[double] = generator.uniform(0.0, 6.0, count)[double]
    instrument.set_radius(rows, radius)
    limits = instrument.state.hidden.gain_limit
    pixels = instrument.settings.pixels
    signals = np.empty((count, conditions.lines, 5, pixels), np.float32)
    truth = np.empty((count, conditions.lines, pixels), np.float32)
    dials = np.empty((count, conditions.lines, 4))
    for number in range(conditions.lines):
        drawn = np.stack(
            [
                generator.uniform(*SETPOINTS, count),
                limits * _between(generator, GAIN_SHARES, count),
                np.where(generator.random(count) < 0.3, generator.uniform(0.0, 0.2, count), 0.0),
                _between(generator, conditions.rates_hz, count),
            ],
            axis=1,
        )
        again = generator.random(count) < (1.0 if number == 0 else 0.15)
        dials[:, number] = np.where(again[:, None], drawn, dials[:, number - 1])
        instrument.scan(rows, np.ascontiguousarray(dials[:, number]))
        planes = (line.trace, line.retrace, line.error, line.error_back, line.phase)
        signals[:, number] = np.stack(planes, axis=1)
        truth[:, number] = line.truth
    return Frames(signals, truth, dials, radius, conditions)


def _between(generator: np.random.Generator, ends: tuple[float, float], count: int) -> Float64:
    """Numbers between two ends, evenly on a logarithmic scale."""
    return np.exp(generator.uniform(np.log(ends[0]), np.log(ends[1]), count))


def random_conditions(generator: np.random.Generator, split: str) -> Conditions:
    """Conditions of the training (all ranges are design choices)."""
    levels = LEVELS[:3]
    return Conditions(
        family=str(generator.choice(LEARNT, p=[0.3 if n == "mixed" else 0.14 for n in LEARNT])),
        split=split,
        field_nm=float(1000.0 * 2.0 ** generator.uniform(-1.0, 1.0)),
        lines=int(generator.choice((32, 64, 128), p=(0.3, 0.5, 0.2))),
        drift=str(generator.choice(levels)),
        tip=str(generator.choice(levels)),
        loop=str(generator.choice(levels)),
        scanner=str(generator.choice(("off", "easy"))),
    )


def random_frames(seed: int, groups: int, split: str, *, family: str | None = None) -> list[Frames]:
    """Scan frames under random conditions, four under each set of them.

    Args:
        seed: of everything random.
        groups: sets of conditions.
        split: of the surfaces.
        family: of all surfaces; None draws one of `LEARNT` for each set of conditions.

    Returns:
        The frames, one item for each set.
    """
    generator = np.random.default_rng([seed, groups])
    found: list[Frames] = []
    for _ in range(groups):
        chosen = random_conditions(generator, split)
        chosen = chosen if family is None else replace(chosen, family=family)
        seeds = generator.integers(1 << 60, size=4)
        found.append(scan_frames(chosen, seeds, int(generator.integers(1 << 60))))
    return found


# --- inputs of the network in NumPy, as its kernels form them -------------------------------------


class Inputs(NamedTuple):
    """L lines, each with those before it.

    Attributes:
        signals: (S, 5, P) float32, all lines, heights less a constant of the line.
        place: (L, LINES) int64, numbers of these lines, the newest first; -1 for none.
        settings: (L, SETTING_INPUTS) float32, settings of the lines and size of the frame.
        lag_px: (L, LINES) float32.
        truth: (L, P) float32, less the line's mean, nm.
    """

    signals: Float32
    place: Int64
    settings: Float32
    lag_px: Float32
    truth: Float32

    def some(self, chosen: NDArray[np.integer]) -> "Inputs":
        """The listed ones."""
        rest: Any = self[1:]
        return Inputs(self.signals, *(one[chosen] for one in rest))

    def hide(self, hidden: Bool) -> None:
        """Hide earlier lines where `hidden`, (L, LINES) bool, is true; never the newest line."""
        for n in range(1, LINES):
            gone = hidden[:, n]
            self.place[gone, n] = -1
            self.lag_px[gone, n] = 0.0
            self.settings[gone, n * len(SETTINGS) : (n + 1) * len(SETTINGS)] = 0.0

    def arrays(self) -> tuple[Float32, Float32, Float32]:
        """Lines (L, LINES, 5, P), settings and lags, as the network takes them."""
        lines = self.signals[self.place]
        lines[self.place < 0] = 0.0
        return lines, self.settings, self.lag_px


def make_inputs(frames: Sequence[Frames]) -> Inputs:
    """Inputs of every line of some frames, at least one, in the order of the lines."""
    parts: list[Inputs] = []
    for one in frames:
        parts.append(_inputs_of(one, sum(len(part.truth) for part in parts)))
    columns: Any = zip(*parts, strict=True)
    return Inputs(*map(np.concatenate, columns))


def _inputs_of(frames: Frames, first: int) -> Inputs:
    """Inputs of every line of frames whose lines begin at number `first`."""
    count, lines, _, pixels = frames.signals.shape
    signals = frames.signals.copy()
    signals[:, :, :2] -= signals[:, :, :1].mean(axis=-1, keepdims=True)
    truth = frames.truth - frames.truth.mean(axis=-1, keepdims=True)
    number = np.arange(lines)[:, None] - np.arange(LINES)
    start = first + lines * np.arange(count)[:, None, None]
    place = np.where(number >= 0, start + number, -1)
    scaled, lag = line_settings(frames)
    before, there = np.maximum(number, 0), number >= 0
    history = np.where(there[None, :, :, None], scaled[:, before], 0.0)
    field = frames.conditions.field_nm
    size = np.log([field / pixels / PIXEL_NM, field / lines / PITCH_NM])
    settings = [history.reshape(count * lines, -1), np.tile(size, (count * lines, 1))]
    return Inputs(
        signals.reshape(count * lines, 5, pixels),
        place.reshape(-1, LINES),
        np.concatenate(settings, axis=1).astype(np.float32),
        np.where(there, lag[:, before], 0.0).reshape(-1, LINES).astype(np.float32),
        truth.reshape(-1, pixels),
    )


def line_settings(frames: Frames) -> tuple[Float64, Float64]:
    """Scaled settings of each line, (F, lines, 5), and lags, px; see `enter_settings`."""
    setpoint, gain, proportional, rate = np.moveaxis(frames.dials, -1, 0)
    width = frames.signals.shape[-1] + 2 * LEAD
    pixel_s = 0.5 / (rate * width)
    lag_px = CANTILEVERS["amplitude"].lag_s / pixel_s
    scaled = (
        (setpoint - 0.65) / 0.3,
        0.5 * np.log(gain * pixel_s),
        5.0 * proportional,
        np.log(lag_px),
        np.ones_like(setpoint),
    )
    return np.stack(scaled, axis=-1), lag_px
