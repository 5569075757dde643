"""Specimens under a beam, as instruments and probes share them.

Thin specimens multiply the wave that falls on them by a complex transmission function. The photons
that they receive are summed in a map of fluence, and their contrast fades with it
(`microgym.physics.damage`).
"""

from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgym.numerics.workspace import workspace
from microgym.physics.damage import split_bands
from microgym.specimens.families import fill
from microgym.specimens.splits import specimen_key
from microgym.state import Float32, Shape, Uint8


class Specimens(NamedTuple):
    """Transmission functions of k specimens, before any exposure.

    Attributes:
        real, imag: (k, H, W) float32, transmission function; vacuum is 1 + 0i.
        structure: (k, H, W) uint8, 1 where the specimen differs from vacuum.
    """

    real: Float32
    imag: Float32
    structure: Uint8


class Sample(NamedTuple):
    """N specimens and the effects of all exposures so far.

    Several probes or instruments can expose the same rows: fluence and damage are then shared.

    Attributes:
        object_re, object_im: (N, H, W) float32, present transmission function.
        pristine_re, pristine_im: (N, H, W) float32, transmission function before any exposure.
        structure: (N, H, W) uint8, 1 where the specimen differs from vacuum.
        bands: (N, B, 2, H, W) float32, pristine contrast in octave bands of spatial frequency,
            finest first, real and imaginary part; B is 0 for specimens that do not fade.
        fluence: (N, H, W) float32, photons per object pixel so far.
    """

    object_re: Annotated[Float32, Shape("field_px", "field_px")]
    object_im: Annotated[Float32, Shape("field_px", "field_px")]
    pristine_re: Annotated[Float32, Shape("field_px", "field_px")]
    pristine_im: Annotated[Float32, Shape("field_px", "field_px")]
    structure: Annotated[Uint8, Shape("field_px", "field_px")]
    bands: Annotated[Float32, Shape("bands", 2, "field_px", "field_px")]
    fluence: Annotated[Float32, Shape("field_px", "field_px", unit="photons/px")]


def draw_specimens(
    keys: NDArray[np.uint32], family: str, split: str, field_px: int, margin_px: int
) -> Specimens:
    """Draw specimens of a family.

    Args:
        keys: (k, 2) uint32, keys of the episodes.
        family: one of `microgym.specimens.families.FAMILIES`.
        split: one of `microgym.specimens.splits.SPLITS`.
        field_px: edge H = W of the specimens, px.
        margin_px: width of the border in which sparse families put no structure, px.

    Returns:
        The specimens, fresh arrays.

    Raises:
        ValueError: an unknown family or split.
    """
    shape = (len(keys), field_px, field_px)
    drawn = Specimens(
        np.empty(shape, np.float32), np.empty(shape, np.float32), np.empty(shape, np.uint8)
    )
    fill(family, specimen_key(keys, split), *drawn, margin=margin_px)
    return drawn


def load_sample(
    sample: Sample, rows: NDArray[np.int64], specimens: Specimens, fades: bool = True
) -> None:
    """Put unexposed specimens in the place of those in the listed rows.

    Args:
        sample: changed in place.
        rows: (k,) int64.
        specimens: k specimens, or one for all rows (leading axis 1).
        fades: whether the bands in which they fade are needed.
    """
    for real in (sample.pristine_re, sample.object_re):
        real[rows] = specimens.real
    for imag in (sample.pristine_im, sample.object_im):
        imag[rows] = specimens.imag
    sample.structure[rows] = specimens.structure
    sample.fluence[rows] = 0.0
    if sample.bands.size and fades:
        height, width = sample.fluence.shape[1:]
        work = workspace(2 * height * width).reshape(2, height, width)
        for row in rows:
            split_bands(sample.pristine_re[row], sample.pristine_im[row], sample.bands[row], work)
