"""Benchmarks of the network that restores images."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from microgym.baselines.bench import Effort, Race, Result, Way, measure
from microgym.baselines.bounds import AtMost
from microgym.reconstruct.network import CELL
from microgym.reconstruct.neural import NeuralView, shipped_file

ENVS = 16
"""Scans restored together."""
REGION, MARGIN = 128, 32
"""Edge of their region and what is around it, px, as in Ptycho-v0."""


def neural(effort: Effort) -> Iterator[Result]:
    """Restored image and uncertainty of a scan, by compiled code and by PyTorch."""
    import torch

    from microgym.baselines.eye.looks import look
    from microgym.baselines.eye.model import read_net
    from microgym.baselines.eye.scans import as_cells

    generator = np.random.default_rng(0)
    field = REGION + 2 * MARGIN
    shape = (ENVS, field, field)
    real = generator.normal(1.0, 0.1, shape).astype(np.float32)
    imag = generator.normal(0.0, 0.1, shape).astype(np.float32)
    fluence = generator.uniform(0.0, 100.0, shape).astype(np.float32)
    probe = np.ones((1, 2 * MARGIN, 2 * MARGIN), np.complex64)
    view = NeuralView(ENVS, field, probe, (MARGIN, REGION))
    rows = np.arange(ENVS)
    net: Any = read_net(shipped_file())
    net = net.to(memory_format=torch.channels_last)
    inside = slice(MARGIN, MARGIN + REGION)

    def compiled() -> None:
        view.show(rows, (real, imag), fluence)

    def pytorch() -> None:
        seen = look((real[:, inside, inside], imag[:, inside, inside]), fluence[:, inside, inside])
        with torch.inference_mode():
            cells = torch.from_numpy(as_cells(seen))
            net(cells.to(memory_format=torch.channels_last))

    yield measure(
        Race(
            f"restored image and uncertainty of {REGION}x{REGION} px in cells of {CELL}x{CELL}, "
            f"{ENVS} scans together",
            "PyTorch",
            {"PyTorch": Way(pytorch, ENVS), "microgym": Way(compiled, ENVS)},
            [AtMost("microgym", 600.0)],
            "scan",
        ),
        effort,
    )
