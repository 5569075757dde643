"""Kernels of the network that restores an image while its scan is running.

Pixels of a cell of 4x4 become channels of the network's input, channels of its output become
pixels. `microgym.baselines.observation_models.ptycho.train` is the same in PyTorch.
"""

import numpy as np

from microgym.jit import inline_kernel, kernel
from microgym.numerics.array_views import view1d
from microgym.numerics.libm import decay32, log32_normal
from microgym.reconstruction.nn.layers import clear_borders, run_on_image

CELL = 4
"""Pixels along an edge of a cell."""
CONTRAST_GAIN = 5.0
"""Factor that brings the contrast of weak specimens to order one (design choice)."""
DETAIL_GAIN = 0.3
"""Factor that brings the network's last layer to the size of contrasts (design choice)."""
LEAST_FLUENCE = 1e-3
"""Fluence below which the input hardly depends on it, photons per pixel (design choice)."""

_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)
_FAR = np.float32(80.0)  # argument of the logistic function from which on it is constant
_PIXELS = CELL * CELL


@inline_kernel
def _put_cell_row(source, start, offset, target, place):
    """Add an offset to a row of a cell, into another place."""
    for j in range(CELL):
        target[place + j] = source[start + j] + offset


@kernel
def _enter(re, im, fluence, top, edge, cells, light):
    """Write contrast, real and imaginary, and light of the region to channels of cells."""
    pitch = edge + 2
    width = re.shape[1]
    scale = np.float32(0.5 / np.log(10.0))
    for y in range(edge * CELL):
        start = (top + y) * width + top
        row = (y // CELL + 1) * pitch + 1
        real, imaginary = view1d(re, start, edge * CELL), view1d(im, start, edge * CELL)
        flux = view1d(fluence, start, edge * CELL)
        for j in range(edge * CELL):
            # light = (log10(fluence + least) + 1) / 2
            light[j] = scale * log32_normal(np.float32(LEAST_FLUENCE) + flux[j]) + np.float32(0.5)
        for x in range(edge):
            place = (row + x) * 3 * _PIXELS + (y % CELL) * CELL
            _put_cell_row(real, x * CELL, -_ONE, cells, place)
            _put_cell_row(imaginary, x * CELL, _ZERO, cells, place + _PIXELS)
            _put_cell_row(light, x * CELL, _ZERO, cells, place + 2 * _PIXELS)


@kernel
def _leave(cells, head, edge, top, trust, re, im, sigma):
    """Write the gated contrast plus detail, and its uncertainty, from channels to pixels."""
    pitch = edge + 2
    width = re.shape[1]
    gain = np.float32(DETAIL_GAIN)
    for y in range(edge):
        for x in range(edge):
            place = (y + 1) * pitch + x + 1
            entered = view1d(cells, place * 3 * _PIXELS, 3 * _PIXELS)
            output = view1d(head, place * 4 * _PIXELS, 4 * _PIXELS)
            for j in range(_PIXELS):
                # contrast = logistic(g) * (estimate - 1) + detail
                gate = _ONE / (_ONE + decay32(min(max(output[j], -_FAR), _FAR))[0])
                output[_PIXELS + j] = gate * entered[j] + gain * output[_PIXELS + j]
                output[2 * _PIXELS + j] = (
                    gate * entered[_PIXELS + j] + gain * output[2 * _PIXELS + j]
                )
                # sigma = trust * exp(log sigma), within bounds
                log_sigma = min(max(output[3 * _PIXELS + j], np.float32(-7.0)), np.float32(1.0))
                output[3 * _PIXELS + j] = trust * decay32(-log_sigma)[0]
            for i in range(CELL):
                start = (top + y * CELL + i) * width + top + x * CELL
                _put_cell_row(output, _PIXELS + i * CELL, _ONE, view1d(re, start, CELL), 0)
                _put_cell_row(output, 2 * _PIXELS + i * CELL, _ZERO, view1d(im, start, CELL), 0)
                _put_cell_row(output, 3 * _PIXELS + i * CELL, _ZERO, view1d(sigma, start, CELL), 0)


@kernel
def restore_rows(rows, scan, region, trust, net, work, restored):
    """Run the network on the listed rows.

    Args:
        rows: (k,) int64.
        scan: `RunningScan`: real part, imaginary part and fluence.
        region: first row and column of the region, px, and its edge, cells.
        trust: factor that calibrates the uncertainty, float32.
        net: `ImageNetwork`.
        work: (`net.size`,) float32.
        restored: `ImageEstimate`, written in the region.
    """
    top, edge = region
    plane = (edge + 2) * (edge + 2)
    cells = view1d(work, net.inputs, plane * 3 * _PIXELS)
    head = view1d(work, net.head, plane * 4 * _PIXELS)
    clear_borders(net, work)
    for b in rows:
        _enter(scan[0][b], scan[1][b], scan[2][b], top, edge, cells, head)
        run_on_image(net, work)
        _leave(cells, head, edge, top, trust, restored.re[b], restored.im[b], restored.sigma[b])
