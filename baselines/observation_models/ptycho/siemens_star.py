"""Network and classical solver on a recorded scan at a tenth of its dose.

The recording is thinned (`microgym.instruments.recorded.replay`); the reference is the
reconstruction from all of its photons. Pixels, probe and specimen are not among those of the
training. Classical settings are the best in hindsight on this very scan.
"""

from dataclasses import asdict
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np

from microgym.agents.ptycho.references import HaltonAgent
from microgym.baselines.observation_models.evaluate import tracked
from microgym.baselines.observation_models.ptycho.classical import (
    INPUT_SWEEPS,
    CompletedScans,
    SolverGridSearch,
)
from microgym.baselines.observation_models.ptycho.dataset import LIT
from microgym.instruments.recorded.replay import ReplayInstrument
from microgym.random import episode_key
from microgym.reconstruction.nn.network import Weights
from microgym.reconstruction.ptychography.neural import NeuralImage
from microgym.reconstruction.ptychography.observation_models import RunningScan
from microgym.reconstruction.ptychography.online import OnlineReconstruction
from microgym.reconstruction.ptychography.unet_kernels import CELL
from microgym.state import Float64, Int64

SHARE = 0.1
"""Share of the recorded photons that is kept."""
EXPOSURES = (24, 100, None)
"""Exposures of the thinned scans; None takes all that were recorded."""
STAR_GRID = tuple(product((0.1, 1.0), (0.5, 1.0), (np.inf,)))
STAR_STOPS = (0, 1, 2, 5, 10)


def spread(places: Float64, exposures: int) -> Int64:
    """Numbers of the recorded exposures, at (K, 2), nearest to Halton's sequence, none twice."""
    low, high = places.min(axis=0), places.max(axis=0)
    free = np.ones(len(places), np.bool_)
    chosen: list[int] = []
    for point in low + 0.5 * (HaltonAgent.pattern(exposures) + 1.0) * (high - low):
        away = np.where(free, np.sum((places - point) ** 2, axis=1), np.inf)
        chosen.append(int(np.argmin(away)))
        free[chosen[-1]] = False
    return np.array(chosen, np.int64)


def scan_star(weights: Weights, path: Path, exposures: int | None, seed: int) -> dict[str, Any]:
    """Take one thinned scan, spread over the recorded exposures or of all, and compare methods.

    Returns:
        E0 without phase ramp, on the lit part of the star, of each method.
    """
    microscope = ReplayInstrument(1, str(path), 16 * CELL, 1.0)
    recorded = len(microscope.places)
    order = np.arange(recorded) if exposures is None else spread(microscope.places, exposures)
    rows, n, side = np.arange(1), microscope.n, microscope.field_px
    measured, sample = microscope.state.measurement, microscope.sample
    microscope.reset(rows, episode_key(seed)[None], "", "")
    running = OnlineReconstruction(1, side, microscope.known_probe, order.size)
    counts = np.empty((1, order.size, n, n), np.float32)
    places = microscope.places[order]
    dwell = np.array([SHARE * microscope.most_photons])  # at one photon a second
    for e, place in enumerate(places):
        microscope.expose(rows, place[None], dwell)
        counts[0, e] = measured.counts.reshape(n, n)
        running.add(rows, *measured)
    scan = CompletedScans(
        counts,
        places[None],
        np.full((1, order.size), measured.photons[0]),
        microscope.known_probe,
        sample.pristine_re + 1j * sample.pristine_im,
        sample.structure.astype(np.bool_) & (sample.fluence >= LIT),
        inputs={},
        margin=0,
        known=measured.known[0].reshape(n, n) > 0,
        ramp=True,
    )
    errors = {"vacuum": float(scan.errors(np.ones_like(scan.truth))[0])}
    model = NeuralImage(1, side, microscope.known_probe, (n // 2, microscope.region_px), weights)
    for before, sweeps in pairwise((0, *INPUT_SWEEPS)):
        running.sweep(rows, sweeps - before)
        re, im = running.state.re, running.state.im
        errors[f"running_{sweeps}"] = float(scan.errors(re + 1j * im)[0])
        found = RunningScan(re, im, sample.fluence)
        re, im, _ = model.estimate(rows, found)
        errors[f"network_{sweeps}"] = float(scan.errors(re + 1j * im)[0])
    classical = SolverGridSearch(scan, STAR_STOPS, STAR_GRID)
    best = classical.best()
    return {
        "exposures": int(order.size),
        "recorded": recorded,
        "photons": float(dwell[0]),
        "pixels": int(scan.lit.sum()),
        "errors": errors | {"tuned": classical.errors[best]},
        "recipe": asdict(best),
    }


def make_star(weights: Weights, path: Path, seed: int) -> dict[str, Any]:
    """Compare on thinned scans of a recording.

    Args:
        weights: the network.
        path: of the recording.
        seed: of the thinning.
    """
    scans = [
        scan_star(weights, path, each, seed)
        for each in tracked(EXPOSURES, f"recorded {path.name}", "scan")
    ]
    return {"recording": path.name, "share": SHARE, "scans": scans}
