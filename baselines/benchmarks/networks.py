"""Benchmarks of the networks of neural observation models."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from microgym.baselines.benchmarks.timing import Alternative, Benchmark, Effort, at_most, benchmark
from microgym.reconstruction.ptychography.neural import NeuralImage
from microgym.reconstruction.ptychography.observation_models import RunningScan
from microgym.reconstruction.ptychography.unet_kernels import CELL
from microgym.reconstruction.topography.convnet_kernels import LINES, SETTING_INPUTS, SIGNALS
from microgym.reconstruction.topography.observation_model import (
    ClassicalTopography,
    NeuralTopography,
    Raster,
    ScanLine,
)

ENVS = 16
"""Number of scans in one call."""
REGION, MARGIN = 128, 32
"""Edge of the region and margin around it, px, as in Ptycho-v0."""


@benchmark
def neural(effort: Effort) -> Iterator[Benchmark]:
    """Restored image and uncertainty of a scan, by compiled code and by PyTorch."""
    import torch

    from microgym.baselines.observation_models.network import read_twin
    from microgym.baselines.observation_models.ptycho.dataset import make_inputs
    from microgym.baselines.observation_models.ptycho.train import PtychoUNet

    generator = np.random.default_rng(0)
    field = REGION + 2 * MARGIN
    planes = generator.uniform(0.0, 1.0, (3, ENVS, field, field)).astype(np.float32)
    probe = np.ones((1, 2 * MARGIN, 2 * MARGIN), np.complex64)
    view = NeuralImage(ENVS, field, probe, (MARGIN, REGION))
    rows = np.arange(ENVS)
    net: Any = read_twin(PtychoUNet)
    net = net.to(memory_format=torch.channels_last)
    inside = slice(MARGIN, MARGIN + REGION)

    def compiled() -> None:
        view.estimate(rows, RunningScan(*planes))

    def pytorch() -> None:
        inputs = make_inputs(*planes[..., inside, inside])
        with torch.inference_mode():
            net(torch.from_numpy(inputs))

    yield Benchmark(
        f"restored image and uncertainty of {REGION}x{REGION} px in cells of {CELL}x{CELL}, "
        f"{ENVS} scans together",
        {"PyTorch": Alternative(pytorch, ENVS), "microgym": Alternative(compiled, ENVS)},
        [at_most("microgym", 600.0)],
        "scan",
    )


@benchmark
def restoration(effort: Effort) -> Iterator[Benchmark]:
    """Restored heights and uncertainty of a line, by compiled code and by PyTorch."""
    import torch

    from microgym.baselines.observation_models.afm.train import TopographyNet
    from microgym.baselines.observation_models.network import read_twin

    generator, raster, rows = np.random.default_rng(0), Raster(), np.arange(ENVS)
    signals = generator.normal(0.0, 1.0, (len(SIGNALS), ENVS, raster.pixels)).astype(np.float32)
    dials = np.tile([0.7, 2000.0, 0.0, 8.0], (ENVS, 1))
    line = ScanLine(tuple(signals), dials, np.ones(ENVS, np.bool_))
    neural, classical = NeuralTopography(ENVS, raster), ClassicalTopography(ENVS, raster)
    net = read_twin(TopographyNet)
    lines = generator.normal(0.0, 1.0, (ENVS, LINES, len(SIGNALS), raster.pixels))
    known, lag_px = generator.normal(0.0, 1.0, (ENVS, SETTING_INPUTS)), np.ones((ENVS, LINES))
    inputs = [torch.from_numpy(one.astype(np.float32)) for one in (lines, known, lag_px)]

    def pytorch() -> None:
        with torch.inference_mode():
            net(*inputs)

    yield Benchmark(
        f"restored heights and uncertainty of a line of {raster.pixels} px, {ENVS} scans together",
        {
            "PyTorch": Alternative(pytorch, ENVS),
            "microgym": Alternative(lambda: neural.estimate(rows, line), ENVS),
            "corrected by the errors": Alternative(lambda: classical.estimate(rows, line), ENVS),
        },
        [at_most("microgym", 600.0)],
        "line",
    )


@benchmark
def adatoms(effort: Effort) -> Iterator[Benchmark]:
    """Adatoms detected in an image by compiled code, by PyTorch and by a matched filter."""
    from microgym.baselines.observation_models.network import read_twin
    from microgym.baselines.observation_models.stm.classical import GEOMETRY
    from microgym.baselines.observation_models.stm.evaluate import BASE, images_of
    from microgym.baselines.observation_models.stm.train import AdatomUNet, infer
    from microgym.reconstruction.adatoms.observation_model import (
        ClassicalDetector,
        NeuralDetector,
    )

    heights = images_of(BASE, ENVS, 0).heights
    rows = np.arange(ENVS)
    net = read_twin(AdatomUNet)
    network = NeuralDetector(ENVS, *GEOMETRY)
    classical = ClassicalDetector(ENVS, *GEOMETRY)
    yield Benchmark(
        f"adatoms of an image of {GEOMETRY[0]}x{GEOMETRY[0]} px, {ENVS} together",
        {
            "PyTorch, without peaks": Alternative(lambda: infer(net, heights), ENVS),
            "matched filter": Alternative(lambda: classical.estimate(rows, heights), ENVS),
            "microgym": Alternative(lambda: network.estimate(rows, heights), ENVS),
        },
        unit="image",
    )
