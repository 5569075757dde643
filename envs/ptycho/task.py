"""Task of Ptycho-v0: choose positions and exposure times of a ptychographic scan."""

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.envs.core.channels import Channels, Choices
from microgym.envs.core.interventions import drift
from microgym.envs.core.metrics import Latent, Metric
from microgym.envs.core.rewards import Term
from microgym.envs.core.task import Modes, Task
from microgym.envs.ptycho import observation, progress_kernels, render
from microgym.envs.ptycho.config import (
    CELLS,
    DETECTOR_PIXELS,
    DWELL_RANGE_S,
    GRID,
    GRID_DWELLS_S,
    PtychoConfig,
)
from microgym.envs.ptycho.progress_kernels import SEEN_EXPOSURES
from microgym.envs.ptycho.state import PtychoState, ScanConstants
from microgym.instruments.ptychography.instrument import (
    DiffractionMicroscope,
    PtychographyInstrument,
)
from microgym.instruments.ptychography.state import PtychographyState
from microgym.instruments.recorded.replay import ReplayInstrument
from microgym.jit.bound import Bound
from microgym.numerics.libm import exp, log
from microgym.numerics.workspace import workspace
from microgym.physics.probe import intensity
from microgym.reconstruction.ptychography.neural import NeuralImage
from microgym.reconstruction.ptychography.observation_models import (
    ClassicalImage,
    ImageModel,
    RunningScan,
)
from microgym.reconstruction.ptychography.online import OnlineReconstruction
from microgym.reconstruction.ptychography.raw import RawImage
from microgym.specimens.files import load_image, structure_mask
from microgym.specimens.sample import Specimens
from microgym.state import Float32, Float64, Int64, Uint32

_DWELL_SPAN = float(log(DWELL_RANGE_S[1] / DWELL_RANGE_S[0]))
PIECE = 16
"""Microscopes that a thread takes through a step at a time: their arrays, some 6 MB, are still in
the cache when the maps are drawn (design choice; 8 to 16 were fastest)."""

EXPOSURE = {
    "y": "position across the region, from top to bottom; rounded to whole object pixels",
    "x": "the same from left to right",
    "exposure": "exposure time, logarithmic from {:g} s to {:g} s".format(*DWELL_RANGE_S),
}
"""Channels of the action of one probe."""

MODELS: Mapping[str, type[ImageModel]] = {
    "classical": ClassicalImage,
    "neural": NeuralImage,
    "raw": RawImage,
}
"""Observation models by the name that the argument `reconstructor` takes."""


class PtychoTask(Task):
    """N ptychographic scans; see `microgym.envs.ptycho.env.PtychoEnv` for the task itself.

    Attributes:
        instrument: simulated or replayed microscopes.
        estimate: running reconstructions.
        model: observation model.
        start, region: first row and column of the region in the field, and its edge, px.
        probes: probes on each specimen.
        exposures: most exposures of an episode, of all probes.
        budget_photons: nominal photons of an episode.
    """

    Config = PtychoConfig
    config: PtychoConfig
    State = PtychoState
    state: PtychoState
    SIZES = {"field_px": "instrument.field_px", "cells": "cells"}
    probes = 1
    OBSERVATION = Modes(
        compact={"maps": observation.MAPS, "numbers": observation.NUMBERS},
        full={"maps": observation.MAPS, "numbers": observation.NUMBERS},
        features=observation.FEATURES,
    )
    ACTION = Modes(
        continuous=Channels(**EXPOSURE),
        grid=Choices(
            GRID * GRID * len(GRID_DWELLS_S),
            f"cell of a {GRID} x {GRID} grid in reading order, plus {GRID * GRID} for each step up "
            f"in exposure time: {', '.join(f'{one:g}' for one in GRID_DWELLS_S)} s",
        ),
    )
    REWARD = {
        "resolution": Term(
            1.0, "signal-to-noise ratio on the structure, in bel (10 dB)", scale=10.0,
            path="state.snr_db",
        ),
        "discovery": Term(
            1.0, "part of the structure that at least half an exposure fell on", scale="structure",
            path="state.seen_px",
        ),
        "dose": Term(
            0.1, "minus the photons sent, over those of all exposures at 1 s", "lower",
            "budget_photons", "ledger.dose",
        ),
        "damage": Term(
            1.0, "minus the lost part of the specimen's squared contrast", "lower",
            path="state.contrast_lost",
        ),
        "time": Term(
            0.1, "minus the time used, over the limit", "lower", "config.time_limit_s",
            "ledger.time_s",
        ),
    }  # fmt: skip
    BUDGETS = {"ledger.exposures": "config.exposures", "ledger.time_s": "config.time_limit_s"}
    COST = {
        "specimen_destroyed": "part of the structure that this step destroyed: pixels whose "
        "photons have exceeded the critical fluence of even the coarsest detail"
    }
    METRICS = (
        Metric(
            "snr_db", "signal-to-noise ratio", "dB", "higher", gauge=12.0, text="{value:.1f} dB",
            path="state.snr_db",
        ),
        Metric("complex_error", "relative error of the complex image", report=False),
        Metric("found", "of the structure, found", better="higher", gauge=1.0),
        Metric(
            "contrast_lost", "contrast lost to damage", gauge=1.0, text="{value:.1%}",
            path="state.contrast_lost",
        ),
        Metric("exposures", "exposures", "", "", "ledger", report=False, gauge="exposures"),
        Metric(
            "dose", "dose", "photons", "lower", "ledger", gauge="budget_photons",
            text="{value:.2g} photons",
        ),
        Metric("time_s", "time taken", "s", "", "ledger", gauge="config.time_limit_s"),
    )  # fmt: skip
    LATENT = {
        "structure": Latent("part of each cell of a 32 x 32 map that is structure"),
        "drift_px": Latent("drift of the specimen (y, x)", "instrument.state.drift.drift", "px"),
    }
    INTERVENTIONS = drift("px")
    PANELS = (render.specimen, render.reconstruction, render.dose, render.detector)

    def build(self) -> None:
        """Make microscopes, reconstruction and observation model."""
        chosen, count, instrument = self.config, self.num_envs, self.make_instrument()
        self.instrument, self.sample = instrument, instrument.sample
        n, side, probe = instrument.n, instrument.field_px, instrument.known_probe
        self.cells = CELLS[chosen.observation]
        self.start, self.region = area = (n // 2, instrument.region_px)
        self.exposures = chosen.exposures * self.probes
        self.estimate = OnlineReconstruction(count, side, probe, self.exposures)
        self.model = MODELS[chosen.reconstructor](count, side, probe, area)
        light = intensity(probe)
        nominal = min(float(chosen.photons), instrument.most_photons)
        # Mean fluence under the probe of one nominal exposure.
        self.unit = np.float32(nominal * np.sum(light**2))
        self.budget_photons = nominal * self.exposures
        self.maps = observation.Maps(count, self.model, area, self.cells, self.unit)
        self._constants = ScanConstants(
            n=n,
            footprint=light.astype(np.float32).ravel(),
            disk=instrument.disk,
            seen=np.float32(SEEN_EXPOSURES) * self.unit,
            fatal=np.float32(instrument.fatal_fluence),
        )
        self._specimen = _load_specimen(chosen, side) if chosen.is_file else None

    def make_instrument(self) -> DiffractionMicroscope:
        """Simulated microscopes, or a recorded scan."""
        chosen, count = self.config, self.num_envs
        if chosen.recording is None:
            return PtychographyInstrument(count, chosen.settings)
        return ReplayInstrument(count, chosen.recording, CELLS["full"], chosen.photons)

    @functools.cached_property
    def scan(self) -> RunningScan:
        """Running reconstruction and fluence, known without hidden quantities; live arrays."""
        return RunningScan(self.estimate.re, self.estimate.im, self.state.fluence)

    @property
    def microscopes(self) -> PtychographyState:
        """Latest exposure of each scan, as it is entered into the reconstruction."""
        return self.instrument.state

    @functools.cached_property
    def _kernels(self) -> tuple[Bound, Bound, Bound]:
        """Kernels of every step: agreement before, records, and progress after an exposure."""
        microscopes, constants, state = self.microscopes, self._constants, self.state
        taken, known = microscopes.measurement, (self.scan, self.sample, constants)
        return (
            Bound(progress_kernels.subtract_rows, taken, *known, state),
            Bound(observation.record_rows, taken, constants, state),
            Bound(progress_kernels.evaluate_rows, microscopes, *known, state),
        )

    @property
    def structure(self) -> Float64:
        """(N,) pixels of the structure, at least 1."""
        return np.maximum(self.state.structure_px, 1.0)

    def begin(self, rows: Int64, keys: Uint32, options: dict[str, Any]) -> None:
        """Put new specimens in; the estimate starts as vacuum."""
        del options
        self.share(lambda some: self._begin(some, keys[np.searchsorted(rows, some)]), rows, PIECE)

    def _begin(self, rows: Int64, keys: Uint32) -> None:
        """Begin the episodes of a share of the rows."""
        instrument, chosen, state = self.instrument, self.config, self.state
        if self._specimen is not None:
            assert isinstance(instrument, PtychographyInstrument)
            instrument.load(rows, self._specimen)
            instrument.start(rows, keys)
        else:
            instrument.reset(rows, keys, chosen.family, chosen.split)
        self.estimate.reset(rows)
        self.model.reset(rows)
        self.maps.forget(rows)
        state.position[rows] = 0.5 * instrument.field_px
        columns = _columns(4, instrument.field_px)
        progress_kernels.measure_rows(rows, columns, self.sample, state)
        progress_kernels.agree_rows(rows, columns, self.scan, self.sample, state)
        # An empty estimate has 0 dB, without the rounding of its sums.
        state.snr_db[rows] = 0.0
        self.maps.draw(rows, self.scan)

    def advance(self, rows: Int64, actions: Any) -> None:
        """Take one exposure a row and reconstruct; finished scans get their final sweeps."""
        positions, dwell_s = self._decode(rows, actions)
        self.share(lambda some: self._advance(some, positions, dwell_s), rows, PIECE)
        self.state.position[rows] = positions[rows]
        self.costs[rows, 0] = self.state.destroyed_px[rows] / self.structure[rows]

    def _decode(self, rows: Int64, actions: Any) -> tuple[Float64, Float64]:
        """Positions in pixels of the field, (N, 2), and exposure times in seconds, (N,)."""
        if self.config.action == "grid":
            number = np.asarray(actions, np.int64)
            cell, level = number % (GRID * GRID), number // (GRID * GRID)
            self.state.used[rows, cell[rows]] = True
            where = np.stack([cell // GRID, cell % GRID], axis=-1).astype(np.float64)
            positions = (where + 0.5) * (self.region / GRID) + self.start
            return positions, np.asarray(GRID_DWELLS_S, np.float64)[level]
        action = np.asarray(actions, np.float64)
        positions = self.start + 0.5 * (action[:, :2] + 1.0) * float(self.region)
        return positions, self.dwell_times(action[:, 2])

    def dwell_times(self, logarithms: Float64) -> Float64:
        """Exposure times in s, from the action's logarithms in [-1, 1]."""
        return DWELL_RANGE_S[0] * exp(0.5 * (logarithms + 1.0) * _DWELL_SPAN)

    def _advance(self, rows: Int64, positions: Float64, dwell_s: Float64) -> None:
        """Expose, reconstruct and draw a share of the rows."""
        self.instrument.expose(rows, positions, dwell_s)
        self.enter_exposure(rows)
        self.finish(rows)

    def enter_exposure(self, rows: Int64) -> None:
        """Update reconstruction, fluence and progress by the latest exposure of some rows."""
        taken, n = self.microscopes.measurement, self.instrument.n
        subtract, record, evaluate = self._kernels
        subtract(rows, _columns(3, n))
        self.estimate.add(rows, *taken)
        record(rows)
        evaluate(rows, _columns(3, n))
        self.model.add(rows, taken.corner, self.state.signal)
        self.maps.add(rows, taken.corner, n)

    def finish(self, rows: Int64) -> None:
        """Sweep through all exposures of scans that are over, and draw the maps."""
        finished = rows[self.over(rows)]
        if finished.size and self.config.final_sweeps:
            self.estimate.sweep(finished, self.config.final_sweeps)
            self.maps.forget(finished)
            columns = _columns(3, self.instrument.field_px)
            progress_kernels.agree_rows(finished, columns, self.scan, self.sample, self.state)
        self.maps.draw(rows, self.scan)

    def observe(self) -> Any:
        """Maps of the region and a few numbers, or both as one vector."""
        stale = self.maps.stale()
        self.share(lambda some: self.maps.draw(some, self.scan), stale, PIECE)
        images, numbers = self.maps.copy(), self._numbers()
        if self.config.observation == "features":
            contrast = np.abs(images[:, :1] - 0.5) + np.abs(images[:, 1:2])
            flat = np.concatenate([contrast, images[:, 2:3]], axis=1).reshape(self.num_envs, -1)
            return np.concatenate([numbers, flat], axis=1)
        return {"maps": images, "numbers": numbers}

    def _numbers(self) -> Float32:
        """The numbers of the observation."""
        state = self.state
        y, x = (2.0 * (state.position - self.start) / self.region - 1.0).T
        dose = self.ledger.dose / self.budget_photons
        return observation.NUMBERS.pack(
            y=y,
            x=x,
            exposures_left=self.left("ledger.exposures"),
            time_left=self.left("ledger.time_s"),
            dose=dose / (1.0 + dose),
            transmitted=state.signal[:, 0],
            scattered=state.signal[:, 1],
        )

    def metrics(self) -> dict[str, NDArray[Any]]:
        """Also the error of the complex image, and the structure found."""
        state, (a_re, a_im, power) = self.state, self.state.agreement.T
        overlap = (a_re**2 + a_im**2) / np.maximum(power, 1e-12)
        explained = overlap / np.maximum(state.truth_power, 1e-12)
        return {
            **super().metrics(),
            "complex_error": np.sqrt(np.clip(1.0 - explained, 0.0, 1.0)),
            "found": state.seen_px / self.structure,
        }

    def latent(self) -> dict[str, NDArray[Any]]:
        """Also the structure of the specimens."""
        cells = CELLS["compact"]
        inside, edge = slice(self.start, self.start + self.region), self.region // cells
        structure = self.sample.structure[:, inside, inside].astype(np.float32)
        blocks = structure.reshape(self.num_envs, cells, edge, cells, edge)
        return {**super().latent(), "structure": blocks.mean(axis=(2, 4))}

    def action_masks(self) -> NDArray[np.bool_] | None:
        """Cells of the grid that have not been exposed yet, once for every exposure time."""
        if self.config.action != "grid":
            return None
        free = ~self.state.used
        free[free.sum(axis=1) == 0] = True
        return np.tile(free, (1, len(GRID_DWELLS_S)))

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take back a state; the maps are drawn anew."""
        super().restore(state)
        self.maps.forget()

    def intervene(self, rows: Int64, **values: Any) -> None:
        """Set the drift's hidden quantities; a recorded scan has its own drift."""
        if values and self.config.recording is not None:
            raise ValueError(f"{sorted(values)} cannot be set: a recorded scan has its own drift")
        super().intervene(rows, **values)

    def headline(self, row: int) -> str:
        """Progress of the scan."""
        made, most = int(self.estimate.taken[row]), self.config.exposures
        if self.terminated[row]:
            return f"scan finished after {made} exposures"
        return f"exposure {made} of {most}" if made else "before the first exposure"


def _columns(sums: int, width: int) -> Float64:
    """Work memory of kernels that sum over columns: (sums, width) float64."""
    return workspace(2 * sums * width).view(np.float64).reshape(sums, width)


def _load_specimen(chosen: PtychoConfig, side: int) -> Specimens:
    """A user's image as a specimen of the field's size."""
    image = load_image(chosen.specimen, (side, side), margin=DETECTOR_PIXELS // 2)[None]
    return Specimens(
        np.ascontiguousarray(image.real, np.float32),
        np.ascontiguousarray(image.imag, np.float32),
        structure_mask(image[0])[None].astype(np.uint8),
    )
