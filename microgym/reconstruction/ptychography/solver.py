"""Classical ptychographic reconstruction of N microscopes at once.

    solver = PIESolver(probe, shape=(256, 256), settings=PIESettings(alpha=0.1))
    solver.add([0], counts[None], positions[None], photons=1e6)
    solver.flat_start()
    costs = solver.sweep(count=50)
    image = solver.object[0]

Exposures may also come one at a time (`update`), as from a running scan.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from microgym.numerics.fft import plan
from microgym.physics.probe import check_probe
from microgym.random import episode_key
from microgym.reconstruction.ptychography.modes import guess_modes
from microgym.reconstruction.ptychography.settings import PIESettings
from microgym.reconstruction.ptychography.sweeps import (
    Scans,
    Steps,
    misfits,
    refine_newest,
    sweep_rows,
    sweep_work,
)
from microgym.reconstruction.validation import (
    check_counts,
    check_known,
    check_photons,
    check_positions,
    check_rows,
)
from microgym.validation import integer

Complex = NDArray[np.complex64]
Rows = Sequence[int] | NDArray[np.int64] | None


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
        self._plan = plan(given.shape[-1])
        self.n = self._plan.n
        height, width = (integer("shape", edge, self.n, 1 << 15) for edge in shape)
        each = given if given.ndim == 4 else np.broadcast_to(given, (num, *given.shape))
        modes = [guess_modes(check_probe(one, self.n), self.settings.modes) for one in each]
        self._guess = np.stack(modes).reshape(num, self.settings.modes, -1)
        mask = check_known(known, self.n)
        self._mask = mask.ravel()
        per_pattern = capacity if self.settings.saturation is not None else 1
        size = self.n * self.n
        self._key = episode_key(seed)
        self._scans = Scans(
            object_re=np.ones((num, height, width), np.float32),
            object_im=np.zeros((num, height, width), np.float32),
            probe_re=self._guess.real.astype(np.float32),
            probe_im=self._guess.imag.astype(np.float32),
            amplitude=np.zeros((num, capacity, size), np.float32),
            known=np.ascontiguousarray(np.broadcast_to(self._mask, (num, per_pattern, size))),
            photons=np.ones((num, capacity), np.float32),
            positions=np.full((num, capacity, 2), self.n // 2, np.float64),
            stored=np.zeros(num, np.int64),
            sweeps=np.zeros(num, np.int64),
            fft=self._plan,
        )
        self._order = np.zeros(capacity, np.int64)
        self._moves = np.zeros((capacity, 2), np.float64)
        self._work = np.zeros(sweep_work(self.n, self.settings.modes), np.float32)

    @property
    def num(self) -> int:
        """Number of microscopes."""
        return self._scans.object_re.shape[0]

    @property
    def capacity(self) -> int:
        """Most exposures stored per microscope."""
        return self._scans.photons.shape[1]

    @property
    def exposures(self) -> NDArray[np.int64]:
        """(num,) exposures stored, a copy."""
        return self._scans.stored.copy()

    @property
    def object(self) -> Complex:
        """(num, H, W) complex64 transmission functions, a copy."""
        return (self._scans.object_re + 1j * self._scans.object_im).astype(np.complex64)

    @property
    def probe(self) -> Complex:
        """(num, modes, n, n) complex64 probe modes as they are (see `orthogonal_modes`), a copy."""
        probe = (self._scans.probe_re + 1j * self._scans.probe_im).astype(np.complex64)
        return probe.reshape(self.num, -1, self.n, self.n)

    def positions(self, row: int = 0) -> NDArray[np.float64]:
        """Positions of one microscope's stored exposures, refined or as given.

        Args:
            row: which microscope.

        Returns:
            (exposures, 2) float64 centres of the probe (y, x) in px, a copy.

        Raises:
            ValueError: if there is no such row.
        """
        row = int(check_rows([row], self.num)[0])
        return self._scans.positions[row, : self._scans.stored[row]].copy()

    def reset(self, rows: Rows = None, initial: ArrayLike | None = None) -> None:
        """Forget exposures and start again from the guessed probe.

        Args:
            rows: which microscopes; None for all.
            initial: object to start from, complex, broadcast to (k, H, W); None for vacuum, 1.

        Raises:
            ValueError: if a row does not exist or `initial` does not fit or is not finite.
        """
        chosen = check_rows(rows, self.num)
        target = (chosen.size, *self._scans.object_re.shape[1:])
        start = np.ones((1, 1, 1), np.complex64) if initial is None else np.asarray(initial)
        try:
            start = np.broadcast_to(start, target)
        except ValueError:
            raise ValueError(f"initial of shape {start.shape} must fit {target}") from None
        if not np.isfinite(start).all():
            raise ValueError("initial holds NaN or infinite values")
        self._scans.object_re[chosen] = start.real
        self._scans.object_im[chosen] = start.imag
        self._scans.probe_re[chosen] = self._guess[chosen].real
        self._scans.probe_im[chosen] = self._guess[chosen].imag
        self._scans.stored[chosen] = 0
        self._scans.sweeps[chosen] = 0

    def flat_start(self, rows: Rows = None) -> None:
        """Start from the constant object that explains the mean of the stored counts.

        Worth 9 dB after one sweep of a specimen that is far from vacuum.

        Args:
            rows: which microscopes; None for all. Each needs an exposure.

        Raises:
            ValueError: if a row does not exist or has no exposure.
        """
        for row in self._ready(rows):
            stored = int(self._scans.stored[row])
            spectrum = np.fft.fft2(self.probe[row], norm="ortho").reshape(-1, self.n**2)
            bright = (np.abs(spectrum.astype(np.complex128)) ** 2).sum(axis=0)
            expected = measured = 0.0
            for j in range(stored):
                trusted = self._scans.known[row, min(j, self._scans.known.shape[1] - 1)]
                amplitude = self._scans.amplitude[row, j].astype(np.float64)
                photons = float(self._scans.photons[row, j])
                expected += photons * float((trusted * bright).sum())
                measured += photons * float((trusted * amplitude * amplitude).sum())
            self._scans.object_re[row] = np.sqrt(measured / expected) if expected > 0.0 else 1.0
            self._scans.object_im[row] = 0.0

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
        chosen = check_rows(rows, self.num)
        taken = check_counts(counts, chosen.size, self.n)
        each = taken.shape[1]
        field = (self._scans.object_re.shape[1], self._scans.object_re.shape[2])
        places = check_positions(positions, (chosen.size, each), self.n, field)
        incident = check_photons(photons, (chosen.size, each))
        first = self._scans.stored[chosen]
        if first.size and int(first.max()) + each > self.capacity:
            raise ValueError(
                f"counts: {each} more exposures exceed capacity={self.capacity} "
                f"(most stored: {int(first.max())})"
            )
        limit = self.settings.saturation
        for k, row in enumerate(chosen):
            stored = slice(int(first[k]), int(first[k]) + each)
            self._scans.photons[row, stored] = incident[k]
            self._scans.positions[row, stored] = places[k]
            for e in range(each):
                plane = taken[k, e].ravel()
                at = int(first[k]) + e
                amplitude = self._scans.amplitude[row, at]
                np.sqrt(plane / incident[k, e], out=amplitude, casting="same_kind")
                if limit is not None:
                    self._scans.known[row, at] = self._mask * (plane < limit)
            self._scans.stored[row] += each

    def update(
        self,
        rows: Rows,
        counts: ArrayLike,
        positions: ArrayLike,
        photons: ArrayLike,
        iterations: int = 1,
    ) -> NDArray[np.float64]:
        """Store one more exposure per microscope and learn from it alone.

        Args:
            rows: (k,) microscopes, each at most once; None for all.
            counts: (k, n, n) detected photons, zero frequency at [..., 0, 0].
            positions: (k, 2) centres of the probe (y, x), px.
            photons: incident photons, broadcast to (k,).
            iterations: how often to apply the exposure.

        Returns:
            (k,) cost of the exposure before it was learned from (see `evaluate_cost`).

        Raises:
            TypeError: see `add`.
            ValueError: see `add`.
        """
        chosen = check_rows(rows, self.num)
        integer("iterations", iterations, 1, 1 << 20)
        taken, places = np.asarray(counts), np.asarray(positions)
        light = np.asarray(photons)
        if taken.ndim != 3:
            raise ValueError(f"counts of shape {taken.shape} must be (rows, n, n)")
        if places.ndim != 2:
            raise ValueError(f"positions of shape {places.shape} must be (rows, 2)")
        light = light[:, None] if light.ndim else light
        self.add(chosen, taken[:, None], places[:, None], light)
        out = np.zeros(chosen.size)
        refine_newest(
            self._scans, chosen, self.n, self._steps(), iterations, self._order, self._moves,
            self._work, out,
        )  # fmt: skip
        newest = np.minimum(self._scans.stored[chosen], self._scans.known.shape[1]) - 1
        pixels = self._scans.known[chosen, newest].sum(axis=1, dtype=np.float64)
        return out / np.maximum(pixels, 1.0)

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
        for i in range(count):
            sweep_rows(
                self._scans, chosen, self.n, self._steps(), self._key, self._order, self._moves,
                self._work, out[i],
            )  # fmt: skip
        return out / self._all_pixels(chosen)

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
        return np.array([self._misfits(int(r)).sum() for r in chosen]) / self._all_pixels(chosen)

    def exposure_costs(self, row: int = 0) -> NDArray[np.float64]:
        """The cost of `evaluate_cost` for each exposure of one microscope.

        Args:
            row: which microscope.

        Returns:
            (exposures,) float64.

        Raises:
            ValueError: if the row does not exist or has no exposure.
        """
        row = int(self._ready([row])[0])
        known = self._scans.known[row, : self._scans.stored[row]]
        return self._misfits(row) / np.maximum(known.sum(axis=1, dtype=np.float64), 1.0)

    def with_settings(self, **changes: Any) -> None:
        """Go on with other settings; the number of modes and saturation stay.

        Args:
            **changes: fields of `PIESettings`.

        Raises:
            TypeError: if there is no such field.
            ValueError: if a value is out of range, or `modes` or `saturation` is asked to change.
        """
        fixed = {"modes", "saturation"} & changes.keys()
        if fixed:
            raise ValueError(f"{sorted(fixed)} cannot change in a solver that holds exposures")
        self.settings = replace(self.settings, **changes)

    def _steps(self) -> Steps:
        s = self.settings
        return Steps(
            np.float32(s.alpha), float(s.object_step), float(s.probe_step), float(s.position_step),
            float(s.decay), s.probe_after, s.position_after, s.subpixel,
        )  # fmt: skip

    def _ready(self, rows: Rows) -> NDArray[np.int64]:
        chosen = check_rows(rows, self.num)
        empty = chosen[self._scans.stored[chosen] == 0]
        if empty.size:
            raise ValueError(f"rows={empty.tolist()} have no exposure yet: add one first")
        return chosen

    def _misfits(self, row: int) -> NDArray[np.float64]:
        stored = int(self._scans.stored[row])
        order, out = np.arange(stored), np.zeros(stored)
        misfits(self._scans, row, order, self.n, self.settings.subpixel, out, self._work)
        return out

    def _all_pixels(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """(k,) known pixels of all exposures of each row, at least 1."""
        stored, known = self._scans.stored[rows], self._scans.known
        if known.shape[1] == 1:
            return np.maximum(known[rows, 0].sum(axis=1, dtype=np.float64), 1.0) * stored
        sums = [known[r, :k].sum(dtype=np.float64) for r, k in zip(rows, stored, strict=True)]
        return np.maximum(np.array(sums), 1.0)
