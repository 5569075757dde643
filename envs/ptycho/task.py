"""Task of Ptycho-v0: choose positions and exposure times of a ptychographic scan."""

import functools
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgym.envs.core.channels import Channels, Choices
from microgym.envs.core.declarations import TIME, Latent, Metric, Term, drift
from microgym.envs.core.task import Modes, Task
from microgym.envs.ptycho import observation, render
from microgym.envs.ptycho.config import CELLS, DWELL_RANGE_S, GRID, GRID_DWELLS_S, PtychoConfig
from microgym.envs.ptycho.observation import Scan
from microgym.instruments.ptychography.instrument import PtychographyInstrument
from microgym.instruments.ptychography.state import PtychographyState
from microgym.instruments.recorded.replay import ReplayInstrument
from microgym.jit.bound import Bound
from microgym.metrics import scan_progress
from microgym.metrics.incremental import block_means
from microgym.metrics.scan_progress import SEEN_EXPOSURES, ScanProgress
from microgym.numerics.libm import exp, log
from microgym.numerics.workspace import workspace
from microgym.specimens.files import load_image, structure_mask
from microgym.specimens.sample import Specimens
from microgym.state import Bool, Float64, Int64, Shape, Uint32

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
EXPOSURE_CHOICES = Choices(
    GRID * GRID * len(GRID_DWELLS_S),
    f"cell of a {GRID} x {GRID} grid in reading order, plus {GRID * GRID} for each step up in "
    f"exposure time: {', '.join(f'{one:g}' for one in GRID_DWELLS_S)} s",
)
"""Discrete actions of one probe."""
_MAPS = {"maps": observation.MAPS, "numbers": observation.NUMBERS}


class PtychoState(NamedTuple):
    """Arrays of the task, beside those of instrument and `Scan`.

    Attributes:
        position: latest commanded position, px of the field.
        used: cells of the action grid that were exposed, as each probe knows them.
        progress: against the specimen; hidden.
    """

    position: Annotated[Float64, Shape(2, unit="px")]
    used: Annotated[Bool, Shape("probes", GRID * GRID)]
    progress: ScanProgress


class PtychoTask(Task):
    """N ptychographic scans; see `microgym.envs.ptycho.env` for the task itself.

    Attributes:
        instrument: simulated or replayed microscopes.
        microscopes: state of one probe of each, of which the latest exposure is entered.
        scan: running reconstructions and maps.
        start, region: first row and column of the region in the field, and its edge, px.
        probes: probes on each specimen.
        exposures: most exposures of an episode, of all probes.
        budget_photons: nominal photons of an episode.
    """

    Config = PtychoConfig
    State = PtychoState
    state: PtychoState
    instrument: Any
    microscopes: PtychographyState
    probes = 1
    SIZES = {"field_px": "instrument.field_px", "cells": "scan.cells", "probes": "probes"}
    OBSERVATION = Modes(compact=_MAPS, full=_MAPS, features=observation.FEATURES)
    ACTION = Modes(
        continuous=Channels(**EXPOSURE),
        grid=EXPOSURE_CHOICES,
    )
    REWARD = {
        "resolution": Term(
            1.0, "signal-to-noise ratio on the structure, in bel (10 dB); where it is below that "
            "of an empty image, that: 0", scale=10.0,
        ),
        "discovery": Term(
            0.2, "part of the structure that light of at least 0.08 s fell on",
            scale="state.progress.structure_px", path="state.progress.seen_px",
        ),
        "dose": Term(
            0.1, "minus the photons sent, over those of all exposures at 1 s", "lower",
            "budget_photons", "ledger.dose",
        ),
        "damage": Term(
            1.0, "minus the lost part of the specimen's squared contrast", "lower",
            path="state.progress.contrast_lost",
        ),
        "time": TIME,
    }  # fmt: skip
    COST = {
        "specimen_destroyed": "part of the structure that this step destroyed: pixels whose "
        "photons have exceeded the critical fluence of even the coarsest detail"
    }
    BUDGETS = {"ledger.exposures": "config.exposures", "ledger.time_s": "config.time_limit_s"}
    METRICS = (
        Metric(
            "snr_db", "signal-to-noise ratio", "dB", "higher", gauge=12.0, text="{value:.1f} dB",
            path="state.progress.snr_db",
        ),
        Metric("complex_error", "relative error of the complex image", report=False),
        Metric("found", "of the structure, found", better="higher", gauge=1.0),
        Metric(
            "contrast_lost", "contrast lost to damage", gauge=1.0, text="{value:.1%}",
            path="state.progress.contrast_lost",
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
        chosen, count = self.config, self.num_envs
        self.instrument = instrument = (
            PtychographyInstrument(count, chosen.settings, self.probes)
            if chosen.recording is None
            else ReplayInstrument(count, chosen.recording, CELLS["full"], chosen.photons)
        )
        self.sample, self.microscopes = instrument.sample, instrument.state
        self.start, self.region = instrument.n // 2, instrument.region_px
        self.exposures = chosen.exposures * self.probes
        self.scan = Scan(count, instrument, chosen, self.exposures)
        self.budget_photons = self.scan.photons * self.exposures
        self._specimen: Specimens | None = None
        if chosen.is_file:
            shape, margin = (instrument.field_px,) * 2, self.start
            image = load_image(chosen.specimen, shape, margin=margin)[None]
            structure = structure_mask(image).astype(np.uint8)
            self._specimen = Specimens(image.real, image.imag, structure)

    @functools.cached_property
    def _kernels(self) -> tuple[Bound, Bound]:
        """Kernels of agreement, and of discovery and damage."""
        beams, instrument, progress = self.microscopes.beam, self.instrument, self.state.progress
        shared = (self.sample, progress)
        limits = np.float32(SEEN_EXPOSURES) * self.scan.unit, np.float32(instrument.fatal_fluence)
        return (
            Bound(scan_progress.agree_rows, self.scan.running, *shared),
            Bound(scan_progress.evaluate_rows, instrument.n, beams, *limits, *shared),
        )

    def tune(self) -> None:
        """Also the scan, and kernels, which hold numbers of the instrument."""
        super().tune()
        self.scan = self.scan.tuned(self.instrument)
        vars(self).pop("_kernels", None)

    def potentials(self, rows: Int64) -> dict[str, Float64]:
        """Also the signal-to-noise ratio, floored: an empty image can always be handed in."""
        resolution = np.maximum(self.state.progress.snr_db[rows], 0.0)
        return {"resolution": resolution} | super().potentials(rows)

    def begin(self, rows: Int64, keys: Uint32) -> None:
        """Put new specimens in; the estimate starts as vacuum."""
        self.share(lambda some: self._begin(some, keys[np.searchsorted(rows, some)]), rows, PIECE)

    def _begin(self, rows: Int64, keys: Uint32) -> None:
        """Begin the episodes of a share of the rows."""
        instrument, chosen, state = self.instrument, self.config, self.state
        if self._specimen is not None:
            instrument.load(rows, self._specimen)
            instrument.start(rows, keys)
        else:
            instrument.reset(rows, keys, chosen.specimen, chosen.split)
        self.scan.reset(rows)
        state.position[rows] = 0.5 * instrument.field_px
        scan_progress.measure(rows, self.sample, state.progress)
        self.agree(rows)
        # An empty estimate has 0 dB, without the rounding of its sums.
        state.progress.snr_db[rows] = 0.0
        self.scan.draw(rows)

    def advance(self, rows: Int64, actions: Any) -> None:
        """Take one exposure a row and reconstruct; finished scans get their final sweeps."""
        places, dwell_s = self.decode(actions)
        if self.config.action == "grid":
            self.mark(rows, np.asarray(actions) % (GRID * GRID))
        self.state.progress.destroyed_px[rows] = 0.0
        positions = self.positions(places)

        def expose(some: Int64) -> None:
            self.expose(some, positions, dwell_s)
            self._finish(some)

        self.share(expose, rows, PIECE)
        progress = self.state.progress
        self.costs[rows, 0] = progress.destroyed_px[rows] / progress.structure_px[rows]

    def mark(self, rows: Int64, cells: Int64) -> None:
        """Mark the cells of the action grid, (N,), that are exposed in some rows, (k,)."""
        self.state.used[rows, 0, cells[rows]] = True

    def decode(self, actions: Any) -> tuple[Float64, Float64]:
        """Places in [-1, 1], (N, ..., 2), and exposure times in s, (N, ...)."""
        if self.config.action == "grid":
            level, cell = np.divmod(np.asarray(actions, np.int64), GRID * GRID)
            places = 2.0 * (np.stack(np.divmod(cell, GRID), axis=-1) + 0.5) / GRID - 1.0
            return places, np.asarray(GRID_DWELLS_S)[level]
        action = np.asarray(actions, np.float64)
        return action[..., :2], DWELL_RANGE_S[0] * exp(0.5 * (action[..., 2] + 1.0) * _DWELL_SPAN)

    def positions(self, places: Float64) -> Float64:
        """Positions in pixels of the field, from places in [-1, 1]."""
        return self.start + 0.5 * (places + 1.0) * float(self.region)

    def expose(self, rows: Int64, positions: Float64, dwell_s: Float64) -> None:
        """Take one exposure of a share of the rows, and enter it.

        Args:
            rows: (k,).
            positions: (N, 2), px of the field.
            dwell_s: (N,).
        """
        self.instrument.expose(rows, positions, dwell_s)
        self.state.position[rows] = positions[rows]
        self.enter_exposure(rows)

    def enter_exposure(self, rows: Int64) -> None:
        """Enter the latest exposure of some rows, (k,), into reconstruction and progress."""
        self.scan.add(rows, self.microscopes.measurement)
        self._kernels[1](rows)

    def agree(self, rows: Int64) -> None:
        """Compare the estimates of some rows, (k,), with their specimens."""
        width = self.instrument.field_px
        self._kernels[0](rows, workspace(6 * width).view(np.float64).reshape(3, width))

    def _finish(self, rows: Int64) -> None:
        """Sweep through all exposures of scans that are over, and draw the maps."""
        finished = rows[self.over(rows)]
        if finished.size and self.config.final_sweeps:
            self.scan.estimate.sweep(finished, self.config.final_sweeps)
        self.agree(rows)
        self.scan.draw(rows)

    def observe(self) -> Any:
        """Maps of the region and a few numbers, or both as one vector."""
        images, numbers = self.maps(), self.numbers()
        if self.config.observation == "features":
            contrast = np.abs(images[:, :1] - 0.5) + np.abs(images[:, 1:2])
            flat = np.concatenate([contrast, images[:, 2:3]], axis=1).reshape(self.num_envs, -1)
            return self.observed.scaled(np.column_stack([*numbers.values(), flat]))
        parts = self.observed
        return {"maps": parts["maps"].scaled(images), "numbers": parts["numbers"].pack(**numbers)}

    def maps(self) -> NDArray[np.float32]:
        """Values of the maps of the observation, (N, ..., 5, cells, cells)."""
        return self.scan.maps

    def numbers(self) -> dict[str, Float64]:
        """Values of the numbers of the observation by name, each (N, ...)."""
        y, x = (2.0 * (self.state.position - self.start) / self.region - 1.0).T
        exposures_left, time_left = (self.left(budget) for budget in self.BUDGETS)
        dose = self.ledger.dose / self.budget_photons
        return {
            "y": y,
            "x": x,
            "exposures_left": exposures_left,
            "time_left": time_left,
            "dose": dose / (1.0 + dose),
            "transmitted": self.scan.signal[:, 0],
            "scattered": self.scan.signal[:, 1],
        }

    def metrics(self) -> dict[str, NDArray[Any]]:
        """Also the error of the image, and the structure found."""
        progress = self.state.progress
        a_re, a_im, power = progress.agreement.T
        overlap = (a_re**2 + a_im**2) / np.maximum(power, 1e-12)
        explained = overlap / np.maximum(progress.truth_power, 1e-12)
        return super().metrics() | {
            "complex_error": np.sqrt(np.clip(1.0 - explained, 0.0, 1.0)),
            "found": progress.seen_px / np.maximum(progress.structure_px, 1.0),
        }

    def latent(self) -> dict[str, NDArray[Any]]:
        """Also the structure of the specimens."""
        inside = slice(self.start, self.start + self.region)
        structure = self.sample.structure[:, inside, inside].astype(np.float32)
        return super().latent() | {"structure": block_means(structure, CELLS["compact"])}

    def action_masks(self) -> NDArray[np.bool_] | None:
        """Cells of the grid that have not been exposed yet, once for every exposure time."""
        if self.config.action != "grid":
            return None
        free = ~self.state.used
        free[~free.any(axis=2)] = True
        return np.tile(free, len(GRID_DWELLS_S)).reshape(self.num_envs, -1)

    def intervene(self, rows: Int64, **values: Any) -> None:
        """Set the drift's hidden quantities; a recorded scan has its own drift."""
        if values and self.config.recording is not None:
            raise ValueError(f"{sorted(values)} cannot be set: a recorded scan has its own drift")
        super().intervene(rows, **values)

    def headline(self, row: int) -> str:
        """Progress of the scan."""
        made, most = int(self.scan.estimate.state.taken[row]), self.config.exposures
        if self.terminated[row]:
            return f"scan finished after {made} exposures"
        return f"exposure {made} of {most}" if made else "before the first exposure"
