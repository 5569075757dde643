"""The decision: where to expose next, and for how long."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.envs.core import interventions
from microgym.envs.core.interventions import BoxIntervention
from microgym.envs.core.metrics import Metric
from microgym.envs.core.old_rewards import combine, damage, discovery, dose, resolution, time
from microgym.envs.core.old_task import Task
from microgym.envs.ptycho import observation, progress_kernels
from microgym.envs.ptycho.config import (
    DETECTOR_PIXELS,
    DWELL_RANGE_S,
    GRID,
    GRID_DWELLS_S,
    OBSERVATIONS,
    TERMS,
    PtychoConfig,
)
from microgym.envs.ptycho.render import draw
from microgym.envs.ptycho.spaces import action_space, observation_space
from microgym.instruments.ptychography.instrument import (
    DiffractionMicroscope,
    PtychographyInstrument,
)
from microgym.instruments.recorded.replay import ReplayInstrument
from microgym.numerics.threads import parallel_rows
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
from microgym.state import arrays

Rows = NDArray[np.int64]

PIECE = 16
"""Microscopes that a thread takes through a step at a time: what they touch, some 6 MB, is still in
the cache where the maps are drawn (design choice; 8 to 16 were fastest)."""

VIEWS: Mapping[str, type[ImageModel]] = {
    "classical": ClassicalImage,
    "neural": NeuralImage,
    "raw": RawImage,
}
"""Observation models by the name that the argument `reconstructor` takes."""
OUTCOMES = (
    Metric("snr_db", "signal-to-noise ratio", "dB", "higher", group="metrics"),
    Metric("found", "of the structure, found", "", "higher", group="metrics"),
    Metric("contrast_lost", "contrast lost to damage"),
    Metric("dose", "dose", "photons", group="ledger"),
    Metric("time_s", "time taken", "s", "", group="ledger"),
)
"""Beside the score: what is known of the specimen, and what it cost."""


class PtychoTask(Task):
    """N ptychographic scans; see `microgym.envs.ptycho.PtychoEnv` for the task itself.

    Args:
        num_envs: N.
        **arguments: see `PtychoConfig`.
    """

    outcomes = OUTCOMES

    def __init__(self, num_envs: int, **arguments: Any) -> None:
        self.arguments = PtychoConfig.parse(arguments)
        chosen = self.arguments
        self.instrument = _instrument(num_envs, chosen)
        instrument = self.instrument
        self.region = instrument.region_px
        self.cells = OBSERVATIONS[chosen.observation]
        super().__init__(
            num_envs,
            observation_space=observation_space(chosen.observation),
            action_space=action_space(chosen.action),
            reward_terms=TERMS,
            reward_mode=chosen.reward_mode,
            reward_weights=chosen.weights.vector(TERMS),
            threads=chosen.threads,
        )
        self.estimate = OnlineReconstruction(
            num_envs, instrument.field_px, instrument.known_probe, chosen.exposures
        )
        n, side = instrument.n, instrument.field_px
        self._n = n
        self._start = n // 2
        self.view = VIEWS[chosen.reconstructor](
            num_envs, side, instrument.known_probe, (self._start, self.region)
        )
        light = intensity(instrument.known_probe)
        self._footprint = light.astype(np.float32).ravel()
        nominal = min(float(chosen.photons), instrument.most_photons)
        self._unit = np.float32(nominal * np.sum(light**2))
        self.maps = observation.Maps(
            num_envs, self.view, (self._start, self.region), self.cells, self._unit
        )
        self._budget_photons = nominal * chosen.exposures
        self._limit_s = chosen.time_limit_s
        self._weights = chosen.weights
        shape = (num_envs, side, side)
        self._fluence = np.zeros(shape, np.float32)
        self._lost = np.zeros(shape, np.float32)
        self._status = np.zeros(shape, np.uint8)
        self._sums = np.zeros((num_envs, 3))
        self._scale = np.ones((num_envs, 4))
        self._new = np.zeros((num_envs, 3))
        self._figures = np.zeros((num_envs, 3))
        self._terms = np.zeros((num_envs, len(TERMS)))
        self._cost = np.zeros(num_envs)
        self.returns = np.zeros(num_envs)
        self._position = np.zeros((num_envs, 2))
        self._signal = np.zeros((num_envs, 2))
        self._visited = np.zeros((num_envs, GRID * GRID), np.bool_)
        self._specimen_file = _load_specimen(chosen, side) if chosen.is_file else None

    def _share_out(self, function: Callable[[int, int], object], rows: int) -> None:
        """Do so many rows by pieces, on all threads."""
        parallel_rows(function, rows, self.threads, at_most=PIECE)

    def reset(self, rows: Rows, keys: NDArray[np.uint32], options: dict[str, Any]) -> None:
        """Put new specimens in; the estimate starts as vacuum."""
        self._share_out(
            lambda start, stop: self._begin(rows[start:stop], keys[start:stop]), rows.size
        )

    def _begin(self, rows: Rows, keys: NDArray[np.uint32]) -> None:
        """Begin the episodes of a share of the rows."""
        instrument, chosen = self.instrument, self.arguments
        if self._specimen_file is not None:
            assert isinstance(instrument, PtychographyInstrument)
            instrument.load(rows, self._specimen_file)
            instrument.start(rows, keys)
        else:
            instrument.reset(rows, keys, chosen.family, chosen.split)
        self.estimate.reset(rows)
        self.view.reset(rows)
        self.maps.forget(rows)
        for array in (
            self._fluence,
            self._lost,
            self._status,
            self._terms,
            self._signal,
            self._figures,
            self._cost,
            self.returns,
        ):
            array[rows] = 0
        self._visited[rows] = False
        self._position[rows] = 0.5 * instrument.field_px
        self.reward[rows] = 0.0
        self.terminated[rows] = False
        self.truncated[rows] = False
        sample, columns = instrument.sample, self._columns(4, instrument.field_px)
        progress_kernels.measure_rows(rows, sample, self._scale, columns)
        image = (self.estimate.re, self.estimate.im)
        progress_kernels.resum_rows(rows, image, sample, self._sums, columns)
        self._draw(rows)

    def step(self, rows: Rows, actions: NDArray[Any]) -> None:
        """Take one exposure a row, reconstruct, and pay."""
        positions, dwell_s = self._decode(rows, actions)
        before = self._quantities(rows)
        self._share_out(
            lambda start, stop: self._advance(rows[start:stop], positions, dwell_s), rows.size
        )
        self._position[rows] = positions[rows]
        self._appraise(rows)
        self._pay(rows, before)
        self.truncated[rows] = False

    def _advance(
        self, rows: Rows, positions: NDArray[np.float64], dwell_s: NDArray[np.float64]
    ) -> None:
        """Everything of a step that takes its time, for a share of the rows."""
        self._expose(rows, positions, dwell_s)
        ledger = self.instrument.state.ledger
        spent = (ledger.exposures[rows] >= self.arguments.exposures) | (
            ledger.time_s[rows] >= self._limit_s
        )
        self.terminated[rows] = spent
        if spent.any():
            self._finish(rows[spent])
        self._draw(rows)

    def _decode(
        self, rows: Rows, actions: NDArray[Any]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Positions in pixels of the field, (N, 2), and exposure times in seconds, (N,)."""
        positions: NDArray[np.float64]
        dwell: NDArray[np.float64]
        if self.arguments.action == "grid":
            cell = np.asarray(actions, np.int64) % (GRID * GRID)
            level = np.asarray(actions, np.int64) // (GRID * GRID)
            self._visited[rows, cell[rows]] = True
            where = np.stack([cell // GRID, cell % GRID], axis=-1).astype(np.float64)
            positions = (where + 0.5) * (self.region / GRID) + self._start
            dwell = np.asarray(GRID_DWELLS_S, np.float64)[level]
        else:
            action = np.asarray(actions, np.float64)
            positions = self._start + 0.5 * (action[:, :2] + 1.0) * float(self.region)
            dwell = np.empty(self.num_envs)
            progress_kernels.dwell_rows(np.ascontiguousarray(action[:, 2]), *DWELL_RANGE_S, dwell)
        return positions, dwell

    def _expose(
        self, rows: Rows, positions: NDArray[np.float64], dwell_s: NDArray[np.float64]
    ) -> None:
        """One exposure and the reconstruction's answer to it, for a share of the rows."""
        instrument, estimate = self.instrument, self.estimate
        instrument.expose(rows, positions, dwell_s)
        state, sample = instrument.state, instrument.sample
        counts, known, photons, corner = measurement = state.measurement
        columns = self._columns(3, self._n)
        agreement = (measurement, (estimate.re, estimate.im), sample, self._n)
        progress_kernels.sum_rows(rows, *agreement, -1.0, self._sums, columns)
        estimate.add(rows, counts, known, photons, corner)
        columns = self._columns(3, self._n)
        progress_kernels.sum_rows(rows, *agreement, 1.0, self._sums, columns)
        observation.record_rows(
            rows,
            measurement,
            self._footprint,
            instrument.disk,
            self._fluence,
            self._signal,
            self._n,
        )
        self.view.add(rows, corner, self._signal)
        self.maps.add(rows, corner, self._n)
        progress_kernels.inspect_rows(
            rows,
            state.beam,
            sample,
            self._lost,
            self._status,
            np.float32(progress_kernels.SEEN_EXPOSURES) * self._unit,
            np.float32(instrument.fatal_fluence),
            self._n,
            self._new,
        )

    def _finish(self, rows: Rows) -> None:
        """Sweep through all exposures of finished scans and measure the result afresh."""
        estimate, instrument = self.estimate, self.instrument
        if self.arguments.final_sweeps == 0:
            return
        estimate.sweep(rows, self.arguments.final_sweeps)
        self.maps.forget(rows)
        image, columns = (estimate.re, estimate.im), self._columns(3, instrument.field_px)
        progress_kernels.resum_rows(rows, image, instrument.sample, self._sums, columns)

    def _columns(self, sums: int, width: int) -> NDArray[np.float64]:
        """Work memory of the kernels that sum over columns: (sums, width) float64."""
        return workspace(2 * sums * width).view(np.float64).reshape(sums, width)

    def _quantities(self, rows: Rows) -> tuple[NDArray[np.float64], ...]:
        """What the reward's terms are made of: dB, seen pixels, photons, lost contrast, seconds."""
        ledger = self.instrument.state.ledger
        return (*self._figures[rows].T, ledger.dose[rows], ledger.time_s[rows])

    def _appraise(self, rows: Rows) -> None:
        """Bring the figures of merit of the listed rows up to date."""
        progress_kernels.score_rows(rows, self._sums, self._scale, self._figures)
        new, scale = self._new[rows], self._scale[rows]
        self._figures[rows, 1] += new[:, 0]
        self._figures[rows, 2] += new[:, 2] / scale[:, 2]
        self._cost[rows] = new[:, 1] / np.maximum(scale[:, 3], 1.0)

    def _pay(self, rows: Rows, before: tuple[NDArray[np.float64], ...]) -> None:
        """Set the reward's terms and their sum in the listed rows."""
        after = self._quantities(rows)
        terms = {
            "resolution": resolution(before[0], after[0]),
            "discovery": discovery(before[1], after[1], self._scale[rows, 3]),
            "dose": dose(before[3], after[3], self._budget_photons),
            "damage": damage(before[2], after[2]),
            "time": time(before[4], after[4], self._limit_s),
        }
        paid = combine(terms, self._weights)
        self._terms[rows] = combine(terms, self._weights, vector=True)
        self.reward[rows] = self._terms[rows] if self.reward_mode == "vector" else paid
        self.returns[rows] += paid

    def observe(self) -> Any:
        """Maps of the region and a few numbers; see `microgym.envs.ptycho.observation`."""
        stale = self.maps.stale()
        self._share_out(lambda start, stop: self._draw(stale[start:stop]), stale.size)
        images = self.maps.copy()
        numbers = self._numbers()
        if self.arguments.observation == "features":
            contrast = np.abs(images[:, :1] - 0.5) + np.abs(images[:, 1:2])
            flat = np.concatenate([contrast, images[:, 2:3]], axis=1).reshape(self.num_envs, -1)
            return np.concatenate([numbers, flat], axis=1)
        return {"maps": images, "numbers": numbers}

    def _draw(self, rows: Rows) -> None:
        """Bring the maps of a share of the rows up to date."""
        self.maps.draw(rows, (self.estimate.re, self.estimate.im), self._fluence)

    def _numbers(self) -> NDArray[np.float32]:
        """The numbers of the observation, (N, 7) float32 in [-1, 1]."""
        ledger, chosen = self.instrument.state.ledger, self.arguments
        numbers = np.empty((self.num_envs, len(observation.NUMBERS)))
        numbers[:, :2] = 2.0 * (self._position - self._start) / self.region - 1.0
        numbers[:, 2] = 1.0 - ledger.exposures / chosen.exposures
        numbers[:, 3] = np.maximum(1.0 - ledger.time_s / self._limit_s, 0.0)
        dose = ledger.dose / self._budget_photons
        numbers[:, 4] = dose / (1.0 + dose)
        numbers[:, 5:] = self._signal
        return np.minimum(np.maximum(numbers, -1.0), 1.0).astype(np.float32)

    def info(self) -> dict[str, Any]:
        """Terms, cost, figures of merit and ledger; masks and the hidden state where asked for."""
        sums, power = self._sums, np.maximum(self._scale[:, 0], 1e-12)
        agreement = (sums[:, 0] ** 2 + sums[:, 1] ** 2) / np.maximum(sums[:, 2], 1e-12)
        relative = np.sqrt(np.clip(1.0 - agreement / power, 0.0, 1.0))
        result: dict[str, Any] = {
            "reward_terms": {name: self._terms[:, i].copy() for i, name in enumerate(TERMS)},
            "cost": self._cost.copy(),
            "cost_terms": {"specimen_destroyed": self._cost.copy()},
            "metrics": {
                "snr_db": self._figures[:, 0].copy(),
                "complex_error": relative,
                "found": self._found(),
                "contrast_lost": self._figures[:, 2].copy(),
            },
            "ledger": self.instrument.state.ledger.copy(),
        }
        masks = self.action_masks()
        if masks is not None:
            result["action_mask"] = masks
        if self.arguments.reveal:
            result["latent"] = self._latent()
        return result

    def _found(self) -> NDArray[np.float64]:
        """Part of the structure that has been seen, (N,)."""
        return self._figures[:, 1] / np.maximum(self._scale[:, 3], 1.0)

    def _latent(self) -> dict[str, NDArray[Any]]:
        """What no instrument would know."""
        instrument = self.instrument
        inside = slice(self._start, self._start + self.region)
        cells = OBSERVATIONS["compact"]
        edge = self.region // cells
        structure = instrument.sample.structure[:, inside, inside].astype(np.float32)
        structure = structure.reshape(self.num_envs, cells, edge, cells, edge).mean(axis=(2, 4))
        return {"structure": structure, "drift_px": instrument.state.drift.drift.copy()}

    def action_masks(self) -> NDArray[np.bool_] | None:
        """Cells of the grid that have not been exposed yet, once for every exposure time."""
        if self.arguments.action != "grid":
            return None
        free = ~self._visited
        free[free.sum(axis=1) == 0] = True
        return np.tile(free, (1, len(GRID_DWELLS_S)))

    def render(self, row: int) -> NDArray[np.uint8]:
        """Truth, estimate, dose and path of one microscope."""
        return draw(self, row)

    def dose_map(self, row: int) -> NDArray[np.float32]:
        """Exposures' worth of fluence on the region, as commanded, (region, region) float32."""
        inside = slice(self._start, self._start + self.region)
        return self._fluence[row, inside, inside] / self._unit

    def image(self, row: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What there is to look at for people, (N, H, W) real and imaginary part, valid in a row.

        The reconstruction, and while a scan with a neural view runs, what the network makes of it.
        """
        estimate = (self.estimate.re, self.estimate.im)
        if self.arguments.reconstructor != "neural" or self.terminated[row]:
            return estimate
        return self.view.estimate(np.array([row]), RunningScan(*estimate, self._fluence))[:2]

    def figures(self, row: int) -> list[tuple[str, str, float, bool]]:
        """Name, text, filled part and kind (merit or expense) of what a frame shows as gauges."""
        ledger, chosen = self.instrument.state.ledger, self.arguments
        made, seconds = int(ledger.exposures[row]), float(ledger.time_s[row])
        photons, snr = float(ledger.dose[row]), float(self._figures[row, 0])
        found = float(self._found()[row])
        lost = float(self._figures[row, 2])
        return [
            ("signal to noise", f"{snr:.1f} dB", snr / 12.0, True),
            ("structure seen", f"{found:.0%}", found, True),
            ("exposures", f"{made} of {chosen.exposures}", made / chosen.exposures, False),
            ("time", f"{seconds:.0f} of {self._limit_s:.0f} s", seconds / self._limit_s, False),
            ("dose", f"{photons:.2g} photons", photons / self._budget_photons, False),
            ("contrast lost", f"{lost:.1%}", lost, False),
        ]

    def state_arrays(self) -> dict[str, NDArray[Any]]:
        """Every array that changes."""
        own = self.own_arrays("_footprint")
        instrument, parts = self.instrument, (self.estimate, self.view)
        own |= dict(arrays(instrument.state)) | dict(arrays(instrument.sample, "sample."))
        return own | {name: a for part in parts for name, a in part.state_arrays().items()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take back a state; the maps are drawn anew."""
        super().restore(state)
        self.maps.forget()

    def intervene(self, rows: Rows, **values: Any) -> None:
        """Set the drift's hidden quantities; draws stay as they were.

        Args:
            rows: (k,) int64.
            **values: `drift_velocity_px_s`, `settling_px`: (2,) or (k, 2), (y, x).

        Raises:
            ValueError: an unknown name, a wrong shape or a number that is not finite.
        """
        if values and self.arguments.recording is not None:
            raise ValueError(f"{sorted(values)} cannot be set: a recorded scan has its own drift")
        motion = self.instrument.state.drift
        targets = {"drift_velocity_px_s": motion.velocity, "settling_px": motion.settling}
        ready = interventions.read(
            rows, values, dict.fromkeys(targets, BoxIntervention(shape=(2,)))
        )
        for name, value in ready.items():
            targets[name][rows] = value


def _instrument(num_envs: int, chosen: PtychoConfig) -> DiffractionMicroscope:
    if chosen.recording is not None:
        return ReplayInstrument(num_envs, chosen.recording, OBSERVATIONS["full"], chosen.photons)
    return PtychographyInstrument(num_envs, chosen.settings())


def _load_specimen(chosen: PtychoConfig, side: int) -> Specimens:
    """A user's image as a specimen of the field's size."""
    image = load_image(chosen.specimen, (side, side), margin=DETECTOR_PIXELS // 2)[None]
    return Specimens(
        np.ascontiguousarray(image.real, np.float32),
        np.ascontiguousarray(image.imag, np.float32),
        structure_mask(image[0])[None].astype(np.uint8),
    )
