"""The objects of PtychoPINN's test (Hoidn, Mishra and Mehta, Sci. Rep. 13, 22789, 2023)."""

import numpy as np

from microgym.random import episode_key
from microgym.specimens.grf import draw_grf_polar, grf_work
from microgym.specimens.lines import draw_line_amplitude, lines_work


def paper_object(family, size=392, seed=0):
    """`lines` (phase 0) or `grf`, not normalised: (size, size) complex64."""
    key, phase = episode_key(seed), np.zeros((size, size), np.float32)
    amplitude = np.empty_like(phase)
    if family == "lines":
        draw_line_amplitude(key, amplitude, lines_work(size, size, 0))
    else:
        draw_grf_polar(key, amplitude, phase, grf_work(size, size, 0))
    return (amplitude * np.exp(1j * phase)).astype(np.complex64)
