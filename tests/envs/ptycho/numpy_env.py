"""Ptycho-v0 in NumPy alone: the same steps in the same order, and equal observation, reward, info.

It shares with the package only what happens once an episode: the drawing of a specimen and its
division into bands. Fed with the same draws, both agree within float32 rounding.
"""

import math
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from microgym.baselines.benchmarks.kernels import NumpyMicroscope, Patch
from microgym.envs.ptycho.config import DWELL_RANGE_S, PtychoConfig
from microgym.envs.ptycho.observation import MAPS, NUMBERS
from microgym.envs.ptycho.task import PtychoTask
from microgym.instruments.ptychography.settings import (
    PtychographySettings,
    direct_beam,
)
from microgym.metrics.scan_progress import SEEN_EXPOSURES
from microgym.physics.damage import split_bands
from microgym.physics.drift import DriftParameters
from microgym.random import episode_key
from microgym.reconstruction.ptychography.observation_models import PRIOR_CONTRAST

Array = NDArray[Any]

CELLS = 32
TERMS = tuple(PtychoTask.REWARD)
OFFERED = frozenset(
    {
        "damage",
        "drift",
        "exposures",
        "final_sweeps",
        "photons",
        "reconstructor",
        "specimen",
        "split",
        "time_budget_s",
    }
)
"""Arguments that the environment in NumPy knows."""
_CEILING = 1e-12  # 120 dB as a ratio of powers


class NumpyStage:
    """A stage that drifts, settles, wanders, lags and jitters; see `microgym.physics.drift`.

    Two numbers at a time are no work for arrays: lists of Python's floats, (y, x), px.

    Args:
        parameters: how imperfect it is.
        generator: source of all its draws.
    """

    def __init__(self, parameters: DriftParameters, generator: np.random.Generator) -> None:
        self.parameters = parameters
        self.generator = generator

    def start(self, centre: float) -> None:
        """Come to rest at (centre, centre), px, and draw the drift of an episode."""
        self.play = [centre, centre]
        self.velocity = self._vector(self.parameters.speed)
        self.settling = self._vector(self.parameters.settling)
        self.moved, self.drift = [0.0, 0.0], [0.0, 0.0]
        self.wander = [(0.0, 0.0), (0.0, 0.0)]
        self.clock_s, self.cell = 0.0, -1

    def go(self, target: Sequence[float], before_s: float) -> None:
        """Drive to a command, (y, x), whole px, in the time of motion and dead time."""
        half = 0.5 * self.parameters.backlash
        pairs = zip(self.play, target, strict=True)
        self.play = [min(max(play, at - half), at + half) for play, at in pairs]
        self._advance(before_s)

    def way_px(self, dwell_s: float) -> float:
        """How far the drift goes within an exposure, about."""
        chosen = self.parameters
        pairs = zip(self.velocity, self.settling, strict=True)
        steady = max(abs(speed) + abs(rest) / chosen.settling_time_s for speed, rest in pairs)
        return steady * dwell_s + chosen.wander * math.sqrt(2.0 * dwell_s / chosen.wander_time_s)

    def follow(self, times_s: Sequence[float], dwell_s: float) -> list[list[float]]:
        """Where the beam falls at some times of an exposure, (y, x), px; then it is over."""
        jitter, found, past = self.jitter(), list[list[float]](), 0.0
        for time in times_s:
            self._advance(time - past)
            past = time
            parts = zip(self.play, self.drift, jitter, strict=True)
            found.append([at + off + self.parameters.jitter * one for at, off, one in parts])
        self._advance(dwell_s - past)
        return found

    def jitter(self) -> list[float]:
        """Two normal numbers."""
        return self.generator.standard_normal(2).tolist()

    def steps(self, count: int) -> list[list[float]]:
        """Two normal numbers for each of the next cells of the wandering clock."""
        return self.generator.standard_normal((count, 2)).tolist()

    def _vector(self, mean: float) -> list[float]:
        turn, share = self.generator.random(2).tolist()
        size = mean * (0.5 + share)
        return [size * math.sin(2.0 * math.pi * turn), size * math.cos(2.0 * math.pi * turn)]

    def _advance(self, dt: float) -> None:
        parameters = self.parameters
        kept = math.exp(-dt / parameters.settling_time_s)
        for axis in range(2):
            self.moved[axis] += self.velocity[axis] * dt + self.settling[axis] * (1.0 - kept)
            self.settling[axis] *= kept
        self.clock_s += dt
        cell_s = parameters.cell_time_s
        cell = math.floor(self.clock_s / cell_s)
        if cell > self.cell:
            keep = math.exp(-cell_s / parameters.wander_time_s)
            fresh = math.sqrt(1.0 - keep * keep)
            for draw_y, draw_x in self.steps(cell - self.cell):
                y, x = self.wander[1]
                self.wander = [(y, x), (keep * y + fresh * draw_y, keep * x + fresh * draw_x)]
            self.cell = cell
        part = self.clock_s / cell_s - cell
        for axis in range(2):
            first, second = self.wander[0][axis], self.wander[1][axis]
            level = first + part * (second - first)
            self.drift[axis] = self.moved[axis] + parameters.wander * level


def count_of(value: float, limits: Sequence[float]) -> int:
    """Nodes in time that a value needs: one more for each limit that it exceeds."""
    return 1 + sum(value > limit for limit in limits)


def nodes_of(count: int, fading: float) -> tuple[Array, Array]:
    """Times over the exposure's and weights, (count,): Gauss and Legendre's, crowded at the start.

    See `microgym.physics.exposure`; `fading` is the largest fluence over the smallest critical one.
    """
    places, weights = np.polynomial.legendre.leggauss(count)
    places, half = 0.5 * (places + 1.0), 0.5 * fading
    times = np.expm1(places * math.log1p(half)) / half if half > 0.0 else places
    weights = weights * (1.0 + half * times)
    return times, weights / weights.sum()


class DriftingMicroscope(NumpyMicroscope):
    """Microscope with an imperfect stage and radiation damage, which can sweep again.

    Args:
        settings: of the compiled instrument; one probe mode.
        generator: source of photon noise and drift.
        precision: np.complex64 or np.complex128.

    Attributes:
        pristine: (H, W) complex, transmission before the first photon.
        bands: (B, H, W) complex, contrast by band of spatial frequency, where damage is on.
        history: patch and amplitude of every exposure.
    """

    def __init__(
        self, settings: PtychographySettings, generator: np.random.Generator, *, precision: Any
    ) -> None:
        super().__init__(settings, generator, precision=precision)
        (probe,) = settings.probe
        self.spectrum = np.fft.fft2(probe.astype(np.complex128)).astype(precision)
        self.frequencies = np.fft.fftfreq(self.n)
        self.disk = direct_beam(settings.probe).reshape(self.n, self.n).astype(self.real)
        fading = settings.damage.critical_fluence < math.inf
        rates = settings.damage.inverse_critical()[: None if fading else 0]
        self.rates = rates.astype(self.real)[:, None, None]
        self.fatal = float(1.0 / rates[-1]) if fading else math.inf
        self.stage = NumpyStage(settings.stage, generator)

    def reset(self, key: NDArray[np.uint32], family: str, split: str) -> None:
        super().reset(key, family, split)
        side = self.settings.field_px
        self.pristine = self.specimen.copy()
        re, im = (
            np.ascontiguousarray(one, np.float32)
            for one in (self.pristine.real, self.pristine.imag)
        )
        bands = np.empty((len(self.rates), 2, side, side), np.float32)
        if len(bands):
            split_bands(re, im, bands, np.empty((2, side, side), np.float32))
        self.bands = (bands[:, 0] + 1j * bands[:, 1]).astype(self.precision)
        self.history: list[tuple[Patch, Array]] = []
        self.stage.start(0.5 * side)

    def illuminate(
        self, target: tuple[int, int], before_s: float, dwell_s: float
    ) -> tuple[Array, Array, Patch]:
        self.stage.go(target, before_s)
        photons, peak = self.settings.photons_per_s * dwell_s, float(self.footprint.max())
        fading = photons * peak * float(self.rates.max(initial=0.0))
        smears = count_of(self.stage.way_px(dwell_s), (0.1, 0.5, 1.0))
        times, weights = nodes_of(max(smears, count_of(fading, (0.1, 1.4, 5.8))), fading)
        path = self.stage.follow(times * dwell_s if smears > 1 else [0.5 * dwell_s], dwell_s)
        path = path if smears > 1 else path * len(times)
        beam = weights @ np.asarray(path)
        half, last = self.n // 2, self.settings.field_px - self.n
        top, left = (min(max(math.floor(at + 0.5) - half, 0), last) for at in beam)
        lit = self.patch(top, left)
        mean, light = np.zeros((2, self.n, self.n), self.real)
        for (y, x), time, weight in zip(path, times, weights, strict=True):
            probe, now = self.probe, self.footprint
            off_y, off_x = y - (top + half), x - (left + half)
            if off_y != 0.0 or off_x != 0.0:
                rows = np.exp(-2j * math.pi * off_y * self.frequencies).astype(self.precision)
                columns = np.exp(-2j * math.pi * off_x * self.frequencies).astype(self.precision)
                probe = np.fft.ifft2(self.spectrum * rows[:, None] * columns)
                now = np.abs(probe) ** 2
            under = self.specimen[lit]
            if len(self.rates):
                past = float(weights[times < time].sum())
                under = self.faded(lit, photons * (light + (time - past) * now))
            mean += weight * self.diffract(probe, under)
            light += weight * now
        return mean, light, lit

    def faded(self, lit: Patch, more: Array | float = 0.0) -> Array:
        """A patch of the specimen after its fluence and some more, photons/px."""
        kept = np.exp(-self.rates * (self.fluence[lit] + more))
        return 1.0 + (kept * self.bands[:, lit[0], lit[1]]).sum(axis=0)

    def expose(self, y: float, x: float, dwell_s: float) -> None:
        super().expose(y, x, dwell_s)
        if len(self.rates):
            self.specimen[self.lit] = self.faded(self.lit)

    def improve(self) -> None:
        super().improve()
        amplitude = np.sqrt(self.counts.astype(self.real) / self.photons)
        corner, latest = np.array(self.corner), (self.patch(*self.corner), amplitude)
        apart = [
            (int(np.abs(corner - (rows.start, columns.start)).max()), age)
            for age, ((rows, columns), _) in enumerate(self.history[::-1], 1)
        ]
        near = [self.history[-age] for away, age in sorted(apart)[:3] if away < self.n // 2]
        for patch, earlier in near:
            self.enter(patch, earlier, 1)
        if near:
            self.enter(*latest, 1)
        self.history.append(latest)

    def sweep(self, sweeps: int) -> None:
        """Iterate again over all exposures, with momentum after each half of a sweep."""
        last, velocity = self.estimate.copy(), 0.0 * self.estimate
        for k in range(sweeps):
            weight = self.pie_weight(0.35, 1.9 * (1.0 - k / sweeps))
            for half in (self.history[::2], self.history[1::2]):
                for patch, amplitude in half:
                    self.iterate(patch, amplitude, weight)
                velocity = 0.87 * velocity + self.estimate - last
                self.estimate += 0.87 * velocity
                self.estimate /= np.maximum(np.abs(self.estimate), 1.0)
                last = self.estimate.copy()


class NumpyPtychoEnv(gym.Env[Any, Any]):
    """Ptycho-v0 as it is by default, with classical reconstruction.

    Args:
        precision: np.complex64 or np.complex128.
        **arguments: those of `OFFERED`, as `gymnasium.make("Ptycho-v0")` takes them.

    Raises:
        TypeError: another argument.
        ValueError: a value out of range, or another reconstructor.
    """

    def __init__(self, *, precision: Any = np.complex64, **arguments: Any) -> None:
        foreign = sorted(set(arguments) - OFFERED)
        if foreign:
            raise TypeError(f"{foreign} cannot be chosen here, only {sorted(OFFERED)}")
        if arguments.setdefault("reconstructor", "classical") != "classical":
            raise ValueError(f"reconstructor={arguments['reconstructor']!r} must be 'classical'")
        self.arguments = PtychoConfig(**arguments)
        settings = self.arguments.settings
        self.weights = {name: term.weight for name, term in PtychoTask.REWARD.items()}
        self.microscope = DriftingMicroscope(
            settings, np.random.default_rng(0), precision=precision
        )
        compiled = PtychoTask(1)
        self.observation_space = compiled.single_observation_space
        self.action_space = compiled.single_action_space
        self.region, self.start = settings.region_px, self.microscope.n // 2
        self.unit = self.arguments.photons * float(np.sum(self.microscope.footprint**2))
        self.budget = self.arguments.photons * self.arguments.exposures

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode; the specimen is the one that Ptycho-v0 has for this seed."""
        super().reset(seed=seed)
        raw = self.np_random.bit_generator.random_raw()
        microscope = self.microscope
        microscope.generator = microscope.stage.generator = self.np_random
        key = np.asarray(episode_key(raw & ((1 << 63) - 1)), np.uint32)
        microscope.reset(key, self.arguments.specimen, self.arguments.split)
        inside = microscope.structure
        truth = microscope.pristine[inside].astype(np.complex128)
        self.masked = microscope.pristine * inside
        self.power = float(np.sum(np.abs(truth) ** 2))
        self.contrast = self.power - abs(complex(truth.sum())) ** 2 / max(truth.size, 1)
        self.vacuum = max(float(np.sum(np.abs(truth - 1.0) ** 2)), 1e-12)
        self.pixels = truth.size
        self._agree()
        self.fluence = np.zeros_like(microscope.fluence)
        self.lost = np.zeros_like(microscope.fluence)
        self.status = np.zeros(inside.shape, np.uint8)
        self.seen, self.faded, self.cost, self.snr_db = 0, 0.0, 0.0, 0.0
        self.signal = (0.0, 0.0)
        centre = 0.5 * microscope.settings.field_px
        self.position = (centre, centre)
        self.terms = dict.fromkeys(TERMS, 0.0)
        return self._observe(), self._info()

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Take one exposure, reconstruct, and pay."""
        microscope, chosen = self.microscope, self.arguments
        low, high = DWELL_RANGE_S
        y, x, level = (float(one) for one in action)
        dwell_s = low * (high / low) ** (0.5 * (level + 1.0))
        half = 0.5 * self.region
        self.position = self.start + half * (y + 1.0), self.start + half * (x + 1.0)
        before = self.snr_db, self.seen, self.faded, microscope.dose, microscope.time_s
        microscope.expose(*self.position, dwell_s)
        microscope.improve()
        self._enter(microscope.patch(*microscope.corner))
        self._inspect(microscope.lit)
        spent = microscope.exposures >= chosen.exposures or microscope.time_s >= chosen.time_limit_s
        if spent and chosen.final_sweeps:
            microscope.sweep(chosen.final_sweeps)
        self._agree()
        self.snr_db = self._score()
        area = max(self.pixels, 1)
        self.terms = {
            "resolution": (max(self.snr_db, 0.0) - max(before[0], 0.0)) / 10.0,
            "discovery": (self.seen - before[1]) / area,
            "dose": (before[3] - microscope.dose) / self.budget,
            "damage": before[2] - self.faded,
            "time": (before[4] - microscope.time_s) / chosen.time_limit_s,
        }
        reward = sum(self.weights[name] * term for name, term in self.terms.items())
        return self._observe(), reward, spent, False, self._info()

    def _agree(self) -> None:
        """Take the agreement of estimate and truth over the whole field afresh."""
        estimate, inside = self.microscope.estimate, self.microscope.structure
        self.overlap = complex(np.vdot(estimate, self.masked))
        self.energy = float(np.sum(np.abs(estimate[inside]) ** 2))

    def _score(self) -> float:
        """Signal-to-noise ratio on the structure, dB."""
        if self.contrast <= 1e-13 * self.power:
            return 0.0
        fit = abs(self.overlap) ** 2 / self.energy if self.energy > 0.0 else 0.0
        left = max(self.power - fit, _CEILING * self.contrast)
        return 10.0 * math.log10(self.contrast / left)

    def _enter(self, patch: Patch) -> None:
        """Enter the latest exposure into the operator's books."""
        microscope = self.microscope
        self.fluence[patch] += microscope.photons * microscope.footprint
        total = float(microscope.counts.sum())
        direct = float(np.vdot(microscope.counts, microscope.disk))
        photons = microscope.photons
        self.signal = min(direct / photons, 1.0), min((total - direct) / photons, 1.0)

    def _inspect(self, patch: Patch) -> None:
        """Find what the latest exposure has shown and destroyed."""
        microscope = self.microscope
        inside, fluence = microscope.structure[patch], microscope.fluence[patch]
        status = self.status[patch]
        shows = inside & (fluence >= SEEN_EXPOSURES * self.unit)
        dies = inside & (fluence >= microscope.fatal)
        self.seen += int(np.count_nonzero(shows & (status == 0)))
        destroyed = int(np.count_nonzero(dies & (status < 2)))
        np.maximum(status, shows, out=status)
        status[dies] = 2
        change = microscope.specimen[patch] - microscope.pristine[patch]
        now = np.abs(change) ** 2 * inside
        self.faded += float(np.sum(now - self.lost[patch])) / self.vacuum
        self.lost[patch] = now
        self.cost = destroyed / max(self.pixels, 1)

    def _observe(self) -> dict[str, NDArray[np.float32]]:
        microscope, chosen = self.microscope, self.arguments
        image = self._pooled(microscope.estimate)
        flux = self._pooled(self.fluence) / self.unit
        sigma = 1.0 / np.sqrt(1.0 / PRIOR_CONTRAST**2 + 2.0 * self.fluence)
        maps = MAPS.pack(
            amplitude=0.5 * np.abs(image)[None],
            phase=np.angle(image)[None] / math.pi,
            coverage=1.0 - np.exp(-3.0 * np.minimum(flux, 20.0))[None],
            dose=0.1 * flux[None],
            uncertainty=2.0 * self._pooled(sigma)[None],
        )
        dose = microscope.dose / self.budget
        numbers = [
            *(2.0 * (at - self.start) / self.region - 1.0 for at in self.position),
            1.0 - microscope.exposures / chosen.exposures,
            max(1.0 - microscope.time_s / chosen.time_limit_s, 0.0),
            dose / (1.0 + dose),
            *self.signal,
        ]
        return {"maps": maps[0], "numbers": NUMBERS.scaled(np.array(numbers)[None])[0]}

    def _pooled(self, plane: NDArray[Any]) -> NDArray[Any]:
        """Means over the cells of the region."""
        inside = slice(self.start, self.start + self.region)
        edge = self.region // CELLS
        return plane[inside, inside].reshape(CELLS, edge, CELLS, edge).mean(axis=(1, 3))

    def _info(self) -> dict[str, Any]:
        microscope = self.microscope
        agreement = abs(self.overlap) ** 2 / max(self.energy, 1e-12)
        relative = 1.0 - agreement / max(self.power, 1e-12)
        return {
            "reward_terms": self.terms,
            "cost": self.cost,
            "cost_terms": {"specimen_destroyed": self.cost},
            "metrics": {
                "snr_db": self.snr_db,
                "complex_error": math.sqrt(min(max(relative, 0.0), 1.0)),
                "found": self.seen / max(self.pixels, 1),
                "contrast_lost": self.faded,
            },
            "ledger": {
                "time_s": microscope.time_s,
                "dose": microscope.dose,
                "exposures": microscope.exposures,
                "path_m": microscope.path_m,
            },
        }
