"""How far a scan has come: agreement with the truth, what was seen, what was destroyed."""

import numpy as np

from microgym.jit import kernel
from microgym.metrics.incremental import masked_sums, plane_sums, snr_db, truth_sums
from microgym.numerics.array_views import BLOCK, any_nonzero, view1d
from microgym.numerics.libm import exp64, log64

SEEN_EXPOSURES = 0.5
"""A pixel counts as seen from this part of the mean fluence under the probe of one nominal exposure
(design choice: inside the disk of the beam, not in its skirts)."""


@kernel
def sum_rows(rows, measurement, estimate, sample, n, sign, sums, columns):
    """Add the agreement of estimate and truth over each row's patch to its sums, times `sign`."""
    re, im = estimate
    for k in range(rows.size):
        b = rows[k]
        top, left = measurement.corner[b, 0], measurement.corner[b, 1]
        true_re, true_im = sample.pristine_re[b], sample.pristine_im[b]
        a_re, a_im, power = masked_sums(
            re[b], im[b], true_re, true_im, sample.structure[b], top, left, n, columns
        )
        sums[b, 0] += sign * a_re
        sums[b, 1] += sign * a_im
        sums[b, 2] += sign * power


@kernel
def inspect_rows(rows, beam, sample, lost, status, enough, fatal, n, new):
    """Find what each row's latest exposure has shown and destroyed.

    Args:
        rows: (k,) int64.
        beam: (N, 2) where it fell, px.
        sample: `microgym.specimens.sample.Sample`.
        lost: (N, H, W) squared contrast lost so far, updated.
        status: (N, H, W) uint8: 0 unseen, 1 seen, 2 destroyed; updated.
        enough, fatal: fluences that show and that destroy.
        n: edge of a patch, px.
        new: (N, 3) written: pixels newly seen, pixels newly destroyed, contrast newly lost.
    """
    height, width = sample.fluence.shape[1], sample.fluence.shape[2]
    for k in range(rows.size):
        b = rows[k]
        top = min(max(int(np.floor(beam[b, 0] + 0.5)) - n // 2, 0), height - n)
        left = min(max(int(np.floor(beam[b, 1] + 0.5)) - n // 2, 0), height - n)
        seen, destroyed, gone = 0, 0, 0.0
        for i in range(top, top + n):
            for start in range(0, n, BLOCK):
                at, count = (b * height + i) * width + left + start, min(BLOCK, n - start)
                inside = view1d(sample.structure, at, count)
                if not any_nonzero(inside):
                    continue
                state = view1d(status, at, count)
                flux, faded = view1d(sample.fluence, at, count), view1d(lost, at, count)
                o_re = view1d(sample.object_re, at, count)
                o_im = view1d(sample.object_im, at, count)
                p_re = view1d(sample.pristine_re, at, count)
                p_im = view1d(sample.pristine_im, at, count)
                for j in range(count):
                    if inside[j]:
                        shows, dies = flux[j] >= enough, flux[j] >= fatal
                        seen += shows and state[j] == 0
                        destroyed += dies and state[j] < 2
                        state[j] = 2 if dies else max(state[j], np.uint8(shows))
                        d_re, d_im = o_re[j] - p_re[j], o_im[j] - p_im[j]
                        now = d_re * d_re + d_im * d_im
                        gone += now - faded[j]
                        faded[j] = now
        new[b, 0], new[b, 1], new[b, 2] = seen, destroyed, gone


@kernel
def resum_rows(rows, estimate, sample, sums, columns):
    """Take the agreement of estimate and truth over each listed row's whole field afresh."""
    re, im = estimate
    for k in range(rows.size):
        b = rows[k]
        true_re, true_im = sample.pristine_re[b], sample.pristine_im[b]
        a_re, a_im, power = plane_sums(re[b], im[b], true_re, true_im, sample.structure[b], columns)
        sums[b, 0], sums[b, 1], sums[b, 2] = a_re, a_im, power


@kernel
def measure_rows(rows, sample, scale, columns):
    """Constants of each listed row's specimen: power, contrast, contrast to vacuum, pixels."""
    true_re, true_im, structure = sample.pristine_re, sample.pristine_im, sample.structure
    for k in range(rows.size):
        b = rows[k]
        power, contrast = truth_sums(true_re[b], true_im[b], structure[b], columns)
        pixels, vacuum = 0.0, 0.0
        height, width = structure.shape[1], structure.shape[2]
        for i in range(height):
            for start in range(0, width, BLOCK):
                at, count = (b * height + i) * width + start, min(BLOCK, width - start)
                inside = view1d(structure, at, count)
                if not any_nonzero(inside):
                    continue
                re, im = view1d(true_re, at, count), view1d(true_im, at, count)
                for j in range(count):
                    weight = np.float64(inside[j])
                    d_re = np.float64(re[j]) - 1.0
                    pixels += weight
                    vacuum += weight * (d_re * d_re + np.float64(im[j]) * np.float64(im[j]))
        scale[b, 0], scale[b, 1] = power, contrast
        scale[b, 2], scale[b, 3] = max(vacuum, 1e-12), pixels


@kernel
def score_rows(rows, sums, scale, figures):
    """Signal-to-noise ratio of each listed row, dB, into column 0 of `figures`."""
    for k in range(rows.size):
        b = rows[k]
        figures[b, 0] = snr_db(sums[b, 0], sums[b, 1], sums[b, 2], scale[b, 0], scale[b, 1])


@kernel
def dwell_rows(logarithms, low, high, out):
    """Exposure times from the third action component."""
    span = log64(high / low)
    for k in range(out.size):
        out[k] = low * exp64(0.5 * (logarithms[k] + 1.0) * span)
