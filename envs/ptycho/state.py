"""State of the scans of Ptycho-v0, and the constants that their kernels take."""

from typing import Annotated, NamedTuple

import numpy as np

from microgym.envs.ptycho.config import GRID
from microgym.state import Bool, Float32, Float64, Shape, Uint8


class PtychoState(NamedTuple):
    """Arrays of the task, beside those of instrument and reconstruction.

    Attributes:
        fluence: (N, H, W) float32, photons per object pixel by commanded positions.
        signal: (N, 2) float64, latest counts inside and outside the direct beam, over the photons.
        position: (N, 2) float64, latest commanded position, px of the field.
        used: (N, cells) bool, cells of the action grid that were exposed.
        status: (N, H, W) uint8, 0 where a pixel is unseen, 1 seen, 2 destroyed.
        lost: (N, H, W) float32, squared contrast lost to damage.
        agreement: (N, 3) float64, sums over the structure of estimate R and truth O: real and
            imaginary part of sum conj(R) O, and sum |R|^2.
        truth_power, truth_contrast: (N,) float64, sums of the truth, see
            `microgym.metrics.incremental.truth_sums`.
        vacuum_contrast: (N,) float64, squared contrast of the structure to vacuum.
        structure_px: (N,) float64, pixels of the structure.
        snr_db: (N,) float64, signal-to-noise ratio on the structure; 0 for an empty estimate.
        seen_px: (N,) float64, pixels of the structure that have been seen.
        destroyed_px: (N,) float64, pixels that the latest exposure destroyed.
        contrast_lost: (N,) float64, lost part of the specimen's squared contrast.
    """

    fluence: Annotated[Float32, Shape("field_px", "field_px", unit="photons/px")]
    signal: Annotated[Float64, Shape(2)]
    position: Annotated[Float64, Shape(2, unit="px")]
    used: Annotated[Bool, Shape(GRID * GRID)]
    status: Annotated[Uint8, Shape("field_px", "field_px")]
    lost: Annotated[Float32, Shape("field_px", "field_px")]
    agreement: Annotated[Float64, Shape(3)]
    truth_power: Annotated[Float64, Shape()]
    truth_contrast: Annotated[Float64, Shape()]
    vacuum_contrast: Annotated[Float64, Shape()]
    structure_px: Annotated[Float64, Shape(unit="px")]
    snr_db: Annotated[Float64, Shape(unit="dB")]
    seen_px: Annotated[Float64, Shape(unit="px")]
    destroyed_px: Annotated[Float64, Shape(unit="px")]
    contrast_lost: Annotated[Float64, Shape()]


class ScanConstants(NamedTuple):
    """Constants of a scan, as kernels take them.

    Attributes:
        n: edge of a patch of the specimen, px.
        footprint: (n*n,) float32, intensity of the known probe, sum one.
        disk: (n*n,) float32, 1 inside the direct beam on the detector.
        seen: fluence from which a pixel counts as seen, photons/px.
        fatal: fluence from which a pixel counts as destroyed, photons/px.
    """

    n: int
    footprint: Float32
    disk: Float32
    seen: np.float32
    fatal: np.float32
