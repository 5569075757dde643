"""Quality of a reconstruction: errors, signal-to-noise, similarity, ring correlation, overlap.

Everything named here is plain NumPy in float64, and batched over leading axes unless it says
otherwise. The compiled running sums that environments update every step are in
`microgym.metrics.incremental`.
"""

from microgym.metrics.complex_images import (
    CEILING_DB,
    complex_error,
    phase_ramp,
    structure_snr_db,
    without_ramp,
)
from microgym.metrics.fourier_ring_correlation import (
    FEWEST_SAMPLES,
    THRESHOLDS,
    RingCorrelation,
    frc,
)
from microgym.metrics.images import SSIM_WINDOW, mae, npcc, pearson, psnr, ssim
from microgym.metrics.overlap import f1, jaccard
from microgym.metrics.ptychopinn import PAPER_RANGE, PaperMetrics, frc50, paper_metrics

__all__ = [
    "CEILING_DB",
    "FEWEST_SAMPLES",
    "PAPER_RANGE",
    "SSIM_WINDOW",
    "THRESHOLDS",
    "PaperMetrics",
    "RingCorrelation",
    "complex_error",
    "f1",
    "frc",
    "frc50",
    "jaccard",
    "mae",
    "npcc",
    "paper_metrics",
    "pearson",
    "phase_ramp",
    "psnr",
    "ssim",
    "structure_snr_db",
    "without_ramp",
]
