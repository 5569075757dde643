"""Classical ptychographic reconstruction of N microscopes at once.

    solver = PIESolver(probe, shape=(256, 256), settings=PIESettings(alpha=0.1))
    solver.add([0], counts[None], positions[None], photons=1e6)
    solver.flat_start()
    costs = solver.sweep(count=50)
    image = solver.object[0]

`microgym.reconstruction.ptychography.online` reconstructs while the scan runs.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from microgym.numerics.fft import plan
from microgym.physics.probe import check_probe
from microgym.random import episode_key
from microgym.reconstruction.ptychography.modes import guess_modes
from microgym.reconstruction.ptychography.pie import UNKNOWN, PIESteps
from microgym.reconstruction.ptychography.sweeps import Scans, permute, refine, sweep_work
from microgym.validation import integer, within

Complex = NDArray[np.complex64]
Rows = Sequence[int] | NDArray[np.int64] | None


@dataclass(frozen=True)
class PIESettings:
    """Settings of a `PIESolver`.

    Attributes:
        alpha: regularisation in (0, 1]; 1 is ePIE, less is rPIE, which favours dim parts of the
            probe (0.05 to 0.25 are usual).
        object_step: step length of the object in (0, 2].
        probe_step: step length of the probe in [0, 2]; 0 for a known probe.
        probe_after: sweeps before the probe is touched.
        modes: mutually incoherent probe modes.
        position_step: part of the found position errors corrected in each sweep, in [0, 2]; 0
            trusts the positions.
        position_after: sweeps before positions are touched. While positions are found, a slow
            `decay` (20 or more) helps: the object must be able to follow.
        decay: sweep i (from 1) takes min(1, decay / i) of the step lengths; infinity keeps them.
            Without decay noise keeps the iteration from settling (Konijnenberg, Coene, Pereira and
            Urbach, arXiv 1703.10892); 20 is a design choice: less settles before it arrives where
            specimens are rough or overlap is small, more settles later.
    """

    alpha: float = 1.0
    object_step: float = 1.0
    probe_step: float = 0.0
    probe_after: int = 2
    modes: int = 1
    position_step: float = 0.0
    position_after: int = 5
    decay: float = 20.0

    def __post_init__(self) -> None:
        """Check every setting.

        Raises:
            TypeError: if a number is not a number.
            ValueError: if a setting is out of its range.
        """
        within("alpha", self.alpha, 1e-4, 1.0)
        within("object_step", self.object_step, 1e-6, 2.0)
        within("probe_step", self.probe_step, 0.0, 2.0)
        within("position_step", self.position_step, 0.0, 2.0)
        if self.decay != math.inf:
            within("decay", self.decay, 1.0, 1e9)
        integer("probe_after", self.probe_after, 0, 1 << 30)
        integer("position_after", self.position_after, 0, 1 << 30)
        integer("modes", self.modes, 1, 64)


class PIESolver:
    """Object and probe of N microscopes from their diffraction patterns.

    Float32, deterministic: the same calls give the same bits, and row i of a batch has the bits of
    the same microscope alone.

    Args:
        probe: guess of the illumination, (n, n), (modes, n, n) or (num, modes, n, n), complex, any
            scale; `settings.modes` beyond those given are guessed (`guess_modes`). Each is
            normalised to total power one.
        shape: (H, W) of the object in pixels, at least n each way.
        num: how many microscopes.
        capacity: most exposures stored per microscope.
        settings: how to work.
        known: (n, n) bool, False where the detector does not measure (beam stop, dead pixels); zero
            frequency at [0, 0], like the counts. None for a whole detector.
        seed: of the order in which sweeps take the exposures.

    Raises:
        TypeError: if an argument is of the wrong kind.
        ValueError: if an argument has the wrong shape or value; the message names it.
    """

    def __init__(
        self,
        probe: ArrayLike,
        shape: tuple[int, int],
        *,
        num: int = 1,
        capacity: int = 1024,
        settings: PIESettings | None = None,
        known: ArrayLike | None = None,
        seed: int = 0,
    ) -> None:
        self.settings = settings if settings is not None else PIESettings()
        integer("num", num, 1, 1 << 20)
        integer("capacity", capacity, 1, 1 << 24)
        given = np.asarray(probe)
        if given.ndim not in (2, 3, 4) or (given.ndim == 4 and given.shape[0] != num):
            raise ValueError(
                f"probe of shape {given.shape} must be (n, n), (modes, n, n) or "
                f"(num={num}, modes, n, n)"
            )
        fft = plan(given.shape[-1])
        self.n = fft.n
        height, width = (integer("shape", edge, self.n, 1 << 15) for edge in shape)
        each = given if given.ndim == 4 else np.broadcast_to(given, (num, *given.shape))
        modes = [guess_modes(check_probe(one, self.n), self.settings.modes) for one in each]
        guess = np.stack(modes).reshape(num, self.settings.modes, -1)
        self._key = episode_key(seed)
        self.state = Scans(
            object_re=np.ones((num, height, width), np.float32),
            object_im=np.zeros((num, height, width), np.float32),
            probe_re=guess.real.astype(np.float32),
            probe_im=guess.imag.astype(np.float32),
            amplitude=np.zeros((num, capacity, self.n**2), np.float32),
            known=_checked_mask(known, self.n).ravel(),
            photons=np.ones((num, capacity), np.float32),
            positions=np.full((num, capacity, 2), self.n // 2, np.float64),
            stored=np.zeros(num, np.int64),
            sweeps=np.zeros(num, np.int64),
            fft=fft,
        )
        self._work = sweep_work(self.n, self.settings.modes, capacity)

    @property
    def object(self) -> Complex:
        """(num, H, W) complex64 transmission functions, a copy."""
        return (self.state.object_re + 1j * self.state.object_im).astype(np.complex64)

    @property
    def probe(self) -> Complex:
        """(num, modes, n, n) complex64 probe modes, a copy."""
        probe = (self.state.probe_re + 1j * self.state.probe_im).astype(np.complex64)
        return probe.reshape(*probe.shape[:2], self.n, self.n)

    def positions(self, row: int = 0) -> NDArray[np.float64]:
        """Positions of one microscope's stored exposures, refined or as given.

        Args:
            row: which microscope.

        Returns:
            (exposures, 2) float64 centres of the probe (y, x) in px, a copy.

        Raises:
            ValueError: if there is no such row.
        """
        (row,) = self._checked([row])
        return self.state.positions[row, : self.state.stored[row]].copy()

    def flat_start(self, rows: Rows = None) -> None:
        """Start from the constant object that explains the mean of the stored counts.

        Worth 9 dB after one sweep of a specimen that is far from vacuum.

        Args:
            rows: which microscopes; None for all. Each needs an exposure.

        Raises:
            ValueError: if a row does not exist or has no exposure.
        """
        for row in self._ready(rows):
            stored = int(self.state.stored[row])
            spectrum = np.fft.fft2(self.probe[row], norm="ortho").reshape(-1, self.n**2)
            bright = (np.abs(spectrum.astype(np.complex128)) ** 2).sum(axis=0)
            known = self.state.known
            expected = measured = 0.0
            for j in range(stored):
                amplitude = self.state.amplitude[row, j].astype(np.float64)
                photons = float(self.state.photons[row, j])
                expected += photons * float((known * bright).sum())
                measured += photons * float((known * amplitude * amplitude).sum())
            self.state.object_re[row] = np.sqrt(measured / expected) if expected > 0.0 else 1.0
            self.state.object_im[row] = 0.0

    def add(self, rows: Rows, counts: ArrayLike, positions: ArrayLike, photons: ArrayLike) -> None:
        """Store exposures, without using them yet.

        Args:
            rows: (k,) microscopes, each at most once; None for all.
            counts: (k, e, n, n) detected photons, e exposures each, zero frequency at [..., 0, 0].
            positions: (k, e, 2) centres of the probe (y, x), px; the patches must lie inside.
            photons: incident photons, broadcast to (k, e). Where they are not known, the mean of
                the patterns' sums serves: it only scales the object.

        Raises:
            TypeError: if an array does not hold numbers.
            ValueError: if a shape does not fit, a value is NaN, infinite, negative (counts) or not
                positive (photons), a patch leaves the field, or the store is full.
        """
        chosen = self._checked(rows)
        taken = _checked_counts(counts, chosen.size, self.n)
        shape = (chosen.size, taken.shape[1])
        places = _checked_positions(positions, shape, self.n, self.state.object_re.shape[1:])
        incident = _checked_photons(photons, shape)
        first, capacity = self.state.stored[chosen], self.state.photons.shape[1]
        if first.size and int(first.max()) + shape[1] > capacity:
            raise ValueError(
                f"counts: {shape[1]} more exposures exceed capacity={capacity} "
                f"(most stored: {int(first.max())})"
            )
        untold = self.state.known == 0.0
        for k, row in enumerate(chosen):
            stored = slice(int(first[k]), int(first[k]) + shape[1])
            self.state.photons[row, stored] = incident[k]
            self.state.positions[row, stored] = places[k]
            for e, amplitude in enumerate(self.state.amplitude[row, stored]):
                plane = taken[k, e].ravel()
                np.sqrt(plane / incident[k, e], out=amplitude, casting="same_kind")
                amplitude[untold] = UNKNOWN
            self.state.stored[row] += shape[1]

    def sweep(self, rows: Rows = None, count: int = 1) -> NDArray[np.float64]:
        """Learn from all stored exposures, each sweep in a new order.

        Args:
            rows: (k,) microscopes, each at most once; None for all. Each needs an exposure.
            count: how many sweeps.

        Returns:
            (count, k) running cost of each sweep: as `evaluate_cost`, but each exposure just before
            its update.

        Raises:
            ValueError: if a row does not exist or has no exposure.
        """
        chosen = self._ready(rows)
        integer("count", count, 0, 1 << 30)
        out = np.zeros((count, chosen.size))
        for i, (k, row) in itertools.product(range(count), enumerate(chosen)):
            order = np.empty(self.state.stored[row], np.int64)
            # Equal histories get equal orders, whatever the row.
            permute(self._key, self.state.sweeps[row], order)
            out[i, k] = refine(self.state, row, order, True, *self._lengths(row), self._work)
            self.state.sweeps[row] += 1
        return out / self._known_pixels(chosen)

    def evaluate_cost(self, rows: Rows = None) -> NDArray[np.float64]:
        """Misfit of the measurements with the estimates held fixed.

        The mean over stored exposures and known pixels of (sqrt(I) - sqrt(predicted I))^2, in
        counts. Poisson noise alone leaves 1/4 where counts are many, and the count where few.

        Args:
            rows: (k,) microscopes; None for all. Each needs an exposure.

        Returns:
            (k,) float64.

        Raises:
            ValueError: if a row does not exist or has no exposure.
        """
        chosen = self._ready(rows)
        out = np.zeros(chosen.size)
        for k, row in enumerate(chosen):
            order = np.arange(int(self.state.stored[row]))
            refine(self.state, row, order, False, *self._lengths(row), self._work)
            out[k] = self._work.misfits[: order.size].sum()
        return out / self._known_pixels(chosen)

    def _lengths(self, row: np.int64) -> tuple[PIESteps, float]:
        """Step lengths of object, probe and positions in the next sweep."""
        s, done = self.settings, int(self.state.sweeps[row])
        share = min(1.0, s.decay / (done + 1))
        probe_step = share * s.probe_step if done >= s.probe_after else 0.0
        lengths = (share * s.object_step, probe_step, s.alpha)
        position_step = float(s.position_step) if done >= s.position_after else 0.0
        return PIESteps(*map(np.float32, lengths)), position_step

    def _known_pixels(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """(k,) known pixels of all exposures of each row."""
        return self.state.known.sum(dtype=np.float64) * self.state.stored[rows]

    def _ready(self, rows: Rows) -> NDArray[np.int64]:
        """Rows that have an exposure."""
        chosen = self._checked(rows)
        empty = chosen[self.state.stored[chosen] == 0]
        if empty.size:
            raise ValueError(f"rows={empty.tolist()} have no exposure yet: add one first")
        return chosen

    def _checked(self, rows: Rows) -> NDArray[np.int64]:
        """Rows as an array, each at most once; None means all."""
        num = self.state.stored.size
        if rows is None:
            return np.arange(num)
        chosen = np.atleast_1d(np.asarray(rows))
        if chosen.size == 0:
            return np.zeros(0, np.int64)
        if chosen.ndim != 1 or chosen.dtype.kind not in "iu":
            raise TypeError(f"rows={rows!r} must be a sequence of integers")
        if chosen.min() < 0 or chosen.max() >= num:
            raise ValueError(f"rows={chosen.tolist()} must be from 0 to {num - 1}")
        if np.unique(chosen).size != chosen.size:
            raise ValueError(f"rows={chosen.tolist()} names a row twice")
        return chosen.astype(np.int64)


def _finite(name: str, values: ArrayLike) -> NDArray[np.generic]:
    array = np.asarray(values)
    if array.dtype.kind not in "iufb":
        raise TypeError(f"{name} must hold real numbers, not {array.dtype}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds NaN or infinite values")
    return array


def _checked_counts(counts: ArrayLike, rows: int, n: int) -> NDArray[np.generic]:
    """Counts of shape (rows, any, n, n), finite and not negative."""
    array = _finite("counts", counts)
    if array.ndim != 4 or array.shape[0] != rows or array.shape[2:] != (n, n):
        raise ValueError(f"counts of shape {array.shape} must be ({rows}, exposures, {n}, {n})")
    if array.size and array.min() < 0:
        raise ValueError(f"counts must not be negative; the least is {array.min()}")
    return array


def _checked_positions(
    positions: ArrayLike, shape: tuple[int, int], n: int, field: tuple[int, ...]
) -> NDArray[np.float64]:
    """Positions of shape (*shape, 2) whose patches of edge n lie inside the field."""
    array = _finite("positions", positions).astype(np.float64)
    if array.shape != (*shape, 2):
        raise ValueError(f"positions of shape {array.shape} must be {(*shape, 2)}")
    corner = np.floor(array + 0.5) - n // 2
    outside = (corner < 0) | (corner > np.array(field) - n)
    if outside.any():
        where = array[outside.any(axis=-1)][0]
        raise ValueError(
            f"positions: the patch of {n} px centred at {where.tolist()} leaves the field of "
            f"{field[0]} x {field[1]} px"
        )
    return array


def _checked_photons(photons: ArrayLike, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Positive photon numbers, broadcast to a shape."""
    array = _finite("photons", photons).astype(np.float64)
    try:
        array = np.broadcast_to(array, shape)
    except ValueError:
        raise ValueError(f"photons of shape {array.shape} must fit {shape}") from None
    if array.size and array.min() <= 0.0:
        raise ValueError(f"photons must be above 0; the least is {array.min()}")
    return array


def _checked_mask(known: ArrayLike | None, n: int) -> NDArray[np.float32]:
    """Mask of measured pixels as float32 0 and 1, at least one of them 1."""
    if known is None:
        return np.ones((n, n), np.float32)
    mask = np.asarray(known)
    if mask.dtype != np.bool_:
        raise TypeError(f"known must be boolean, not {mask.dtype}")
    if mask.shape != (n, n):
        raise ValueError(f"known of shape {mask.shape} must be ({n}, {n})")
    if not mask.any():
        raise ValueError("known: no pixel of the detector is known")
    return mask.astype(np.float32)
