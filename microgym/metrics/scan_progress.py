"""Progress of a scan against the truth: agreement with the specimen, discovery, damage."""

from typing import Annotated, NamedTuple

import numpy as np

from microgym.jit import kernel
from microgym.metrics.incremental import masked_sums, snr_db, truth_sums
from microgym.numerics.array_views import BLOCK, any_nonzero, view1d
from microgym.specimens.sample import Sample
from microgym.state import Float32, Float64, Int64, Shape, Uint8

SEEN_EXPOSURES = 0.08
"""Fluence from which a pixel counts as seen, as a part of the mean fluence under the probe of one
nominal exposure (design choice: an exposure of 0.08 s, in the disk of the beam)."""


class ScanProgress(NamedTuple):
    """Progress of N scans of fields of H by W pixels.

    Attributes:
        status: (N, H, W) uint8, 0 where a pixel is unseen, 1 seen, 2 destroyed.
        lost: (N, H, W) float32, squared contrast lost to damage.
        agreement: (N, 3) float64, sums over the structure of estimate R and truth O: real and
            imaginary part of sum conj(R) O, and sum |R|^2.
        truth_power, truth_contrast: (N,) float64, sums of the truth, see
            `microgym.metrics.incremental.truth_sums`.
        vacuum_contrast: (N,) float64, squared contrast of the structure to vacuum.
        structure_px: (N,) float64, pixels of the structure, at least 1.
        snr_db: (N,) float64, signal-to-noise ratio on the structure; 0 for an empty estimate.
        seen_px: (N,) float64, pixels of the structure that have been seen.
        destroyed_px: (N,) float64, pixels that the latest step destroyed.
        contrast_lost: (N,) float64, lost part of the specimen's squared contrast.
    """

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


def measure(rows: Int64, sample: Sample, progress: ScanProgress) -> None:
    """Write the constants of each row's specimen that progress is measured by.

    Args:
        rows: (k,).
        sample: unexposed.
        progress: power, contrast, squared contrast to vacuum and pixels of the structure are
            written.
    """
    columns = np.empty((4, sample.structure.shape[2]))
    for b in rows:
        re, im, structure = sample.pristine_re[b], sample.pristine_im[b], sample.structure[b]
        progress.truth_power[b], progress.truth_contrast[b] = truth_sums(re, im, structure, columns)
        # Squared contrast to vacuum, |O - 1|^2, summed pixel by pixel.
        inside = structure != 0
        d_re, d_im = re[inside].astype(np.float64) - 1.0, im[inside].astype(np.float64)
        vacuum = np.cumsum(np.append(0.0, d_re * d_re + d_im * d_im))[-1]
        progress.vacuum_contrast[b] = max(vacuum, 1e-12)
        progress.structure_px[b] = max(d_re.size, 1)


@kernel
def agree_rows(rows, columns, scan, sample, progress):
    """Sum the agreement of each row's estimate with its specimen, and score it.

    Args:
        rows: (k,) int64.
        columns: (3, W) float64, overwritten.
        scan, sample: of all rows.
        progress: updated.
    """
    for b in rows:
        true_re, true_im, inside = sample.pristine_re[b], sample.pristine_im[b], sample.structure[b]
        a_re, a_im, power = masked_sums(scan.re[b], scan.im[b], true_re, true_im, inside, columns)
        sums = progress.agreement[b]
        sums[0], sums[1], sums[2] = a_re, a_im, power
        progress.snr_db[b] = snr_db(
            a_re, a_im, power, progress.truth_power[b], progress.truth_contrast[b]
        )


@kernel
def evaluate_rows(rows, n, beams, enough, fatal, sample, progress):
    """Update discovery and damage of each row after its latest exposure.

    Args:
        rows: (k,) int64.
        n: edge of a patch, px.
        beams: (N, 2) float64, true positions of the probes, px.
        enough: fluence from which a pixel counts as seen, float32, photons/px.
        fatal: fluence from which a pixel counts as destroyed, float32, photons/px.
        sample: of all rows, after the exposure.
        progress: updated.
    """
    height, width = sample.fluence.shape[1], sample.fluence.shape[2]
    for b in rows:
        # Patch on which the beam truly fell.
        beam = beams[b]
        top = min(max(int(np.floor(beam[0] + 0.5)) - n // 2, 0), height - n)
        left = min(max(int(np.floor(beam[1] + 0.5)) - n // 2, 0), height - n)
        seen, destroyed, lost = 0, 0, 0.0
        for i in range(top, top + n):
            for start in range(0, n, BLOCK):
                at, count = (b * height + i) * width + left + start, min(BLOCK, n - start)
                inside = view1d(sample.structure, at, count)
                if not any_nonzero(inside):
                    continue
                status, faded = view1d(progress.status, at, count), view1d(progress.lost, at, count)
                flux = view1d(sample.fluence, at, count)
                o_re = view1d(sample.object_re, at, count)
                o_im = view1d(sample.object_im, at, count)
                p_re = view1d(sample.pristine_re, at, count)
                p_im = view1d(sample.pristine_im, at, count)
                for j in range(count):
                    if inside[j]:
                        # Seen and destroyed pixels are counted once: 0 unseen, 1 seen, 2 destroyed.
                        shows, dies = flux[j] >= enough, flux[j] >= fatal
                        seen += shows and status[j] == 0
                        destroyed += dies and status[j] < 2
                        status[j] = 2 if dies else max(status[j], np.uint8(shows))
                        # Squared contrast lost: |O - O_pristine|^2.
                        d_re, d_im = o_re[j] - p_re[j], o_im[j] - p_im[j]
                        now = d_re * d_re + d_im * d_im
                        lost += now - faded[j]
                        faded[j] = now
        progress.seen_px[b] += seen
        progress.destroyed_px[b] += destroyed
        progress.contrast_lost[b] += lost / progress.vacuum_contrast[b]
