"""Network and classical solver on a recorded scan at a tenth of its dose.

The recording is thinned (`microgym.instruments.recorded.replay`); the reference is the
reconstruction from all of its photons. Both methods get the same exposures and the probe of the
whole recording. Pixels, probe and specimen are not among those of the training. Classical settings
are the best in hindsight on this very scan.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.agents.ptycho.references import HaltonAgent
from microgym.baselines.observation_models.evaluate import tracked
from microgym.baselines.observation_models.ptycho.classical import INPUT_SWEEPS, SolverSettings
from microgym.baselines.observation_models.ptycho.inputs import LIT
from microgym.instruments.recorded.replay import ReplayInstrument
from microgym.metrics import complex_error
from microgym.random import episode_key
from microgym.reconstruction.nn.network import Weights
from microgym.reconstruction.ptychography.neural import NeuralImage
from microgym.reconstruction.ptychography.observation_models import RunningScan
from microgym.reconstruction.ptychography.online import OnlineReconstruction
from microgym.reconstruction.ptychography.settings import PIESettings
from microgym.reconstruction.ptychography.solver import PIESolver
from microgym.reconstruction.ptychography.unet_kernels import CELL

SHARE = 0.1
"""Share of the recorded photons that is kept."""
EXPOSURES = (24, 100, None)
"""Exposures of the thinned scans; None takes all that were recorded."""
STAR_GRID = tuple(product((0.1, 1.0), (0.5, 1.0)))
STAR_STOPS = (0, 1, 2, 5, 10)


def spread(places: NDArray[np.float64], exposures: int) -> NDArray[np.int64]:
    """Recorded exposures that are nearest to Halton's sequence, none twice.

    Args:
        places: (K, 2) of the recorded exposures.
        exposures: how many, at most K.

    Returns:
        (exposures,) their numbers.
    """
    low, high = places.min(axis=0), places.max(axis=0)
    free = np.ones(len(places), np.bool_)
    chosen: list[int] = []
    for point in low + 0.5 * (HaltonAgent.pattern(exposures) + 1.0) * (high - low):
        away = np.where(free, np.sum((places - point) ** 2, axis=1), np.inf)
        chosen.append(int(np.argmin(away)))
        free[chosen[-1]] = False
    return np.array(chosen, np.int64)


def scan_star(weights: Weights, path: Path, exposures: int | None, seed: int) -> dict[str, Any]:
    """Take one thinned scan and compare the methods on it.

    Args:
        weights: the network.
        path: of the recording.
        exposures: how many, spread over the scan; None for all.
        seed: of the thinning.

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
    counts = np.empty((order.size, n, n), np.float32)
    places = microscope.places[order]
    dwell = np.array([SHARE * microscope.most_photons])  # at one photon a second
    for e, place in enumerate(places):
        microscope.expose(rows, place[None], dwell)
        counts[e] = measured.counts.reshape(n, n)
        running.add(rows, *measured)
    truth = (sample.pristine_re + 1j * sample.pristine_im)[0]
    mask = sample.structure[0].astype(np.bool_) & (sample.fluence[0] >= LIT)

    def error(image: NDArray[np.complexfloating]) -> float:
        return float(complex_error(image, truth, mask, remove_ramp=True))

    errors = {"vacuum": error(np.ones_like(truth))}
    model = NeuralImage(1, side, microscope.known_probe, (n // 2, microscope.region_px), weights)
    done = 0
    for sweeps in INPUT_SWEEPS:
        running.sweep(rows, sweeps - done)
        done = sweeps
        scan = RunningScan(running.re, running.im, sample.fluence)
        errors[f"running_{sweeps}"] = error(running.re[0] + 1j * running.im[0])
        re, im, _ = model.estimate(rows, scan)
        errors[f"network_{sweeps}"] = error(re[0] + 1j * im[0])
    best, settings = _best(microscope, counts, places, error)
    return {
        "exposures": int(order.size),
        "recorded": recorded,
        "photons": float(dwell[0]),
        "pixels": int(mask.sum()),
        "errors": errors | {"tuned": best},
        "recipe": asdict(settings),
    }


def _best(
    microscope: ReplayInstrument,
    counts: NDArray[np.float32],
    places: NDArray[np.float64],
    error: Callable[[NDArray[np.complex64]], float],
) -> tuple[float, SolverSettings]:
    """Least error of the classical solvers, and its settings."""
    found: dict[SolverSettings, float] = {}
    measured = microscope.state.measurement
    modes, side = len(microscope.known_probe), microscope.field_px
    for alpha, step in STAR_GRID:
        settings = PIESettings(alpha=alpha, object_step=step, decay=np.inf, modes=modes)
        solver = PIESolver(
            microscope.known_probe, (side, side), capacity=len(counts), settings=settings,
            known=measured.known[0].reshape(microscope.n, microscope.n) > 0,
        )  # fmt: skip
        solver.add([0], counts[None], places[None], measured.photons[0])
        done = 0
        for stop in STAR_STOPS:
            solver.sweep(count=stop - done)
            done = stop
            found[SolverSettings(alpha, step, np.inf, stop)] = error(solver.object[0])
    best = min(found, key=lambda one: found[one])
    return found[best], best


def make_star(
    weights: Weights, path: Path, seed: int, exposures: Sequence[int | None] = EXPOSURES
) -> dict[str, Any]:
    """Compare on thinned scans of several lengths.

    Args:
        weights: the network.
        path: of the recording.
        seed: of the thinning.
        exposures: of each scan; None for all that were recorded.

    Returns:
        "recording", "share" and "scans".
    """
    scans = [
        scan_star(weights, path, each, seed)
        for each in tracked(exposures, f"recorded {path.name}", "scan")
    ]
    return {"recording": path.name, "share": SHARE, "scans": scans}
