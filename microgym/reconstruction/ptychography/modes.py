"""First guess of the mutually incoherent modes of a partly coherent illumination.

They do not interfere (Thibault and Menzel, Nature 494, 68, 2013).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Complex = NDArray[np.complex64]

HIGHER_POWER = 0.02
"""Power of each guessed higher mode relative to the main one (design choice)."""


def guess_modes(probe: ArrayLike, modes: int) -> Complex:
    """Extend a probe by higher modes, as for a beam whose direction trembles.

    Mode (a, b) is the probe times y^a x^b about its centre of mass, made orthogonal to those
    before: for a Gaussian beam these are the Hermite-Gaussian modes of the Gaussian Schell model
    (Starikov and Wolf, J. Opt. Soc. Am. 72, 923, 1982).

    Args:
        probe: (n, n), or (given, n, n) with given <= modes, which are kept.
        modes: how many modes to return, 1 to 64.

    Returns:
        (modes, n, n) complex64, total power as of `probe`.

    Raises:
        ValueError: if the shape or the number of modes does not fit, or a mode vanishes.
    """
    given = np.asarray(probe, np.complex128)
    given = given[None] if given.ndim == 2 else given
    if given.ndim != 3 or not given.shape[0] <= modes <= 64:
        raise ValueError(f"modes={modes!r} must be from the {given.shape[0]} given ones up to 64")
    main = given[0]
    density = np.abs(main) ** 2
    total = density.sum()
    if not total > 0.0:
        raise ValueError("probe: its first mode is zero everywhere")
    y, x = (axis - (axis * density).sum() / total for axis in np.indices(main.shape, np.float64))
    width = np.sqrt(((y * y + x * x) * density).sum() / total) + 1e-12
    added: list[NDArray[np.complex128]] = []
    directions: list[NDArray[np.complex128]] = []
    for wave in given:
        _keep_new_part(wave, directions)
    for degree in range(1, 2 * modes):
        for a in range(degree, -1, -1):
            wave = main * (y / width) ** a * (x / width) ** (degree - a)
            if len(given) + len(added) < modes and _keep_new_part(wave, directions):
                added.append(directions[-1] * np.sqrt(HIGHER_POWER * total))
    if len(given) + len(added) < modes:
        raise ValueError(f"modes={modes}: the probe is too narrow to make so many")
    out = np.stack([*given, *added])[:modes]
    out *= np.sqrt(np.vdot(given, given).real / np.vdot(out, out).real)
    return out.astype(np.complex64)


def _keep_new_part(wave: NDArray[np.complex128], directions: list[NDArray[np.complex128]]) -> bool:
    """Add the part of a wave at right angles to the directions so far, unless there is none."""
    power = np.vdot(wave, wave).real
    for direction in directions:
        wave = wave - direction * np.vdot(direction, wave)
    rest = np.vdot(wave, wave).real
    new = bool(rest > 1e-9 * power)
    if new:
        directions.append(wave / np.sqrt(rest))
    return new
