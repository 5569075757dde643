"""Network and tuned classical restorations on the same lines.

A classical restoration corrects heights by the error signals (the signal's deviation is a height
that the loop has not followed), joins the two directions, smooths, and may take off the tip: grey
erosion by a nominal tip gives the highest surface with that image, and its dilation by a new tip
is the image of a new tip (Villarrubia, J. Res. Natl. Inst. Stand. Technol. 102, 425,
1997). Its settings are the best on validation surfaces scanned the same way.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from microgym.baselines.observation_models.afm.dataset import Frames, line_settings
from microgym.physics.afm_tip import Tip, window_of
from microgym.reconstruction.nn.network import Weights
from microgym.reconstruction.topography.convnet_kernels import LINES
from microgym.reconstruction.topography.observation_model import NeuralTopography, ScanLine
from microgym.state import Float32, Float64

REACH = 20
"""Half width of the windows of nominal tips, px (design choice)."""
NEW_NM = 8.0
"""Radius of a new tip, nm, as in AFM-v0."""


@dataclass(frozen=True)
class RestorationSettings:
    """Settings of a classical restoration.

    Attributes:
        join: "trace", "mean" or "lower" of both directions.
        share: part of the error signal that is taken off.
        lag: part of the signal's lag that is made up for.
        smooth: standard deviation of a Gaussian along the line, px.
        radius_nm: of the nominal tip; 0 leaves the tip on.
    """

    join: str = "trace"
    share: float = 0.0
    lag: float = 0.0
    smooth: float = 0.0
    radius_nm: float = 0.0

    def describe(self) -> str:
        """In a few words."""
        parts = {"trace": "trace", "mean": "mean of both", "lower": "lower of both"}[self.join]
        if self.share:
            parts += f" less {self.share:g} error"
            parts += f" with {self.lag:g} lag" if self.lag else ""
        parts += f", smoothed by {self.smooth:g} px" if self.smooth else ""
        return parts + (f", tip of {self.radius_nm:g} nm off" if self.radius_nm else "")


TRACE = RestorationSettings()
FLATTENED = RestorationSettings("mean")
CORRECTED = RestorationSettings("mean", 1.0)
SMOOTHED = (0.0, 0.7, 1.5, 3.0, 6.0)
"""Smoothings that are tried, px."""
RADII_NM = (0.0, 12.0, 20.0, 32.0, 48.0)
"""Nominal tips that are tried, nm; 0 leaves the tip on."""
GRID = tuple(
    RestorationSettings(join, share, lag, smooth, radius)
    for join, (share, lag), smooth, radius in product(
        ("trace", "mean", "lower"),
        ((0.0, 0.0), (1.0, 0.0), (1.0, 0.5), (1.0, 1.0)),
        SMOOTHED,
        RADII_NM,
    )
)
"""Settings that are tried."""


def relative_error(heights: NDArray[np.floating], truth: Float32) -> Float64:
    """Error of frames (F, lines, P) over their relief, each line's mean apart, as AFM-v0 rewards.

    Returns:
        (F,) root of the summed squared error over the summed variance of the truth.
    """
    true = truth - truth.mean(axis=-1, keepdims=True, dtype=np.float64)
    found = heights - heights.mean(axis=-1, keepdims=True, dtype=np.float64)
    wrong, relief = np.sum((found - true) ** 2, (1, 2)), np.sum(true**2, (1, 2))
    return np.sqrt(wrong / np.maximum(relief, 1e-12))


def restore_classically(
    frames: Frames, chosen: Iterable[RestorationSettings]
) -> Iterator[tuple[RestorationSettings, Float64]]:
    """Restore frames classically with some settings.

    Yields:
        Settings, and heights (F, lines, P), nm; those that share steps come together.
    """
    z, y, e, f = (frames.signals[:, :, i].astype(np.float64) for i in range(4))
    _, lag_px = line_settings(frames)
    change, change_back = np.gradient(e, axis=-1), -np.gradient(f, axis=-1)
    raster = frames.raster
    done: dict[RestorationSettings, Float64] = {}
    for one in sorted(chosen, key=lambda other: other.radius_nm):
        bare = replace(one, radius_nm=0.0)
        if bare not in done:
            ahead = one.lag * lag_px[..., None]
            there = z - one.share * (e + ahead * change)
            back = y - one.share * (f + ahead * change_back)
            joined = {
                "trace": there,
                "mean": 0.5 * (there + back),
                "lower": np.minimum(there, back),
            }
            done[bare] = _smoothed(joined[one.join], one.smooth)
        heights = done[bare]
        if one.radius_nm:
            heights = without_tip(heights, one.radius_nm, raster.pixel_nm, raster.pitch_nm)
        yield one, heights


def without_tip(heights: Float64, radius_nm: float, pixel_nm: float, pitch_nm: float) -> Float64:
    """Take a nominal tip off lines and put a new one on.

    The erosion uses the line and the two before it, as the network does; the dilation goes along
    the line.

    Args:
        heights: (F, lines, P), nm.
        radius_nm: of the nominal tip.
        pixel_nm, pitch_nm: distance of pixels and of lines, nm.

    Returns:
        (F, lines, P), nm.
    """
    worn = window_of(Tip(radius_nm), pixel_nm, REACH).astype(np.float64)
    new = window_of(Tip(NEW_NM), pixel_nm, REACH)[REACH].astype(np.float64)
    pixels = heights.shape[-1]
    padding = ((0, 0), (0, 0), (REACH, REACH))
    wide = np.pad(heights, padding, mode="edge")
    lowest = np.full(heights.shape, np.inf)
    for n in range(LINES):
        row = round(n * pitch_nm / pixel_nm)
        if row > REACH:
            break
        kept = heights.shape[1] - n
        for k, part in enumerate(worn[REACH - row]):
            low = wide[:, :kept, k : k + pixels] + part
            np.minimum(lowest[:, n:], low, out=lowest[:, n:])
    wide = np.pad(lowest, padding, mode="edge")
    highest = np.full(heights.shape, -np.inf)
    for k, part in enumerate(new):
        np.maximum(highest, wide[:, :, k : k + pixels] - part, out=highest)
    return highest


def _smoothed(heights: Float64, sigma: float) -> Float64:
    """Gaussian along the line, ends continued."""
    if sigma == 0.0:
        return heights
    half = int(np.ceil(3.0 * sigma))
    weight = np.exp(-0.5 * (np.arange(-half, half + 1) / sigma) ** 2)
    wide = np.pad(heights, ((0, 0), (0, 0), (half, half)), mode="edge")
    out = np.zeros_like(heights)
    for k, part in enumerate(weight / weight.sum()):
        out += part * wide[..., k : k + heights.shape[-1]]
    return out


def best_settings(validation: Frames) -> RestorationSettings:
    """Settings of `GRID` with the least mean error on validation frames.

    Tips are only taken off the best three of those that leave them on.
    """

    def errors(chosen: Iterable[RestorationSettings]) -> dict[RestorationSettings, float]:
        return {
            one: float(np.mean(relative_error(heights, validation.truth)))
            for one, heights in restore_classically(validation, chosen)
        }

    found = errors(one for one in GRID if not one.radius_nm)
    first = sorted(found, key=lambda one: found[one])[:3]
    found |= errors(replace(one, radius_nm=nm) for one in first for nm in RADII_NM if nm)
    return min(found, key=lambda one: found[one])


def restore(weights: Weights, frames: Frames) -> tuple[Float32, Float32]:
    """Estimate of the neural observation model, line by line, as AFM-v0 shows it.

    Returns:
        (F, lines, P) float32: heights less each line's mean, and their uncertainty, nm.
    """
    count, lines, _, pixels = frames.signals.shape
    view = NeuralTopography(count, frames.raster, weights)
    rows, engaged = np.arange(count), np.ones(count, np.bool_)
    heights = np.empty((count, lines, pixels), np.float32)
    sigma = np.empty_like(heights)
    for n in range(lines):
        images = tuple(np.ascontiguousarray(one) for one in frames.signals[:, n].swapaxes(0, 1))
        line = ScanLine(images, np.ascontiguousarray(frames.dials[:, n]), engaged)
        heights[:, n], sigma[:, n] = view.estimate(rows, line)
    return heights, sigma
