"""What `microgym bench` times: each function makes a benchmark ready."""

from collections.abc import Callable, Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from microgym.baselines.bench import Benchmark
from microgym.physics.diffraction import diffract, diffraction_work
from microgym.physics.fft import fft2, plan
from microgym.random import POISSON_WORK, fill_poisson
from microgym.reconstruct.pie import object_weight, pie_update, pie_work

Float32 = NDArray[np.float32]

SIDE = 64
"""Detector pixels along an edge."""
FIELD = 160
"""Object pixels along an edge."""
PHOTONS = 1e5
"""Photons of an exposure, as in Ptycho-v0."""
ENVS = 16
"""Environments of the vector benchmark."""


def _scene() -> tuple[NDArray[np.complex64], NDArray[np.complex64]]:
    """A specimen and a probe of power one, some 20 px across, as in Ptycho-v0."""
    generator = np.random.default_rng(0)
    phase = generator.normal(0.0, 0.3, (FIELD, FIELD))
    specimen = (0.9 * np.exp(1j * phase)).astype(np.complex64)
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    radius = np.hypot(y, x)
    probe = np.exp(-((radius / 10.0) ** 4) + 0.03j * radius**2)
    return specimen, (probe / np.sqrt((np.abs(probe) ** 2).sum())).astype(np.complex64)


def _start() -> NDArray[np.complex64]:
    """A first estimate. Not vacuum: behind it most of the detector is dark, its phases rounding."""
    phase = np.random.default_rng(1).normal(0.0, 0.3, (FIELD, FIELD))
    return np.exp(1j * phase).astype(np.complex64)


def _planes(values: NDArray[np.complex64]) -> tuple[Float32, Float32]:
    return values.real.copy(), values.imag.copy()


def exposure() -> Benchmark:
    """One exposure with Poisson counts and one classical (ePIE) update of the object."""
    specimen, probe = _scene()
    reference = _numpy_exposure(specimen, probe)
    return Benchmark(
        f"exposure with Poisson counts and ePIE update, {SIDE}x{SIDE}, {PHOTONS:g} photons",
        "NumPy",
        {"NumPy": reference, "microgym": _compiled_exposure(specimen, probe)},
    )


def _numpy_exposure(
    specimen: NDArray[np.complex64], probe: NDArray[np.complex64]
) -> Callable[[], None]:
    """The step as one writes it with NumPy alone, in single precision where NumPy keeps it."""
    estimate = _start()
    generator = np.random.default_rng(0)
    weight = np.conj(probe) / (np.abs(probe) ** 2).max()
    patch = (slice(40, 40 + SIDE), slice(50, 50 + SIDE))

    def run() -> None:
        far = np.fft.fft2(probe * specimen[patch], norm="ortho")
        counts = generator.poisson(PHOTONS * np.abs(far) ** 2)
        amplitude = np.sqrt(counts / PHOTONS).astype(np.float32)
        wave = probe * estimate[patch]
        guess = np.fft.fft2(wave, norm="ortho")
        guess *= amplitude / np.maximum(np.abs(guess), 1e-12)
        estimate[patch] += weight * (np.fft.ifft2(guess, norm="ortho") - wave)

    return run


def _compiled_exposure(
    specimen: NDArray[np.complex64], probe: NDArray[np.complex64]
) -> Callable[[], None]:
    transform, one, zero = plan(SIDE), np.float32(1), np.float32(0)
    fft = (SIDE, transform.radices, transform.twiddles)
    truth, estimate = _planes(specimen), _planes(_start())
    beam = tuple(part.reshape(1, -1) for part in _planes(probe))
    size = SIDE * SIDE
    weight, mean, counts = np.empty((3, size), np.float32)
    known = np.ones(size, np.float32)
    object_weight(*beam, one, weight)
    length = max(diffraction_work(SIDE), pie_work(SIDE, 1), POISSON_WORK)
    work = np.empty(length, np.float32)
    tick, scale = 0, np.float32(1 / PHOTONS)

    def run() -> None:
        nonlocal tick
        tick += 1
        diffract(*truth, *beam, 40, 50, np.float32(PHOTONS), *fft, mean, work)
        fill_poisson(1, 2, tick, mean, counts, work)
        amplitude = np.sqrt(counts * scale)
        pie_update(
            *estimate, *beam, weight, 40, 50, amplitude, known, one, zero, one, *fft, work
        )  # fmt: skip

    return run


def fft() -> Benchmark:
    """One two-dimensional Fourier transform."""
    _, probe = _scene()
    transform = plan(SIDE)
    planes = tuple(part.reshape(-1) for part in _planes(probe))
    out, work = np.empty((2, SIDE * SIDE), np.float32), np.empty(transform.workspace, np.float32)

    def compiled() -> None:
        fft2(*planes, *out, SIDE, transform.radices, transform.twiddles, work)

    return Benchmark(
        f"Fourier transform, {SIDE}x{SIDE}, complex64",
        "NumPy",
        {"NumPy": lambda: np.fft.fft2(probe, norm="ortho"), "microgym": compiled},
    )


def poisson() -> Benchmark:
    """Poisson counts of one diffraction pattern."""
    specimen, probe = _scene()
    far = np.fft.fft2(probe * specimen[40 : 40 + SIDE, 50 : 50 + SIDE], norm="ortho")
    mean = (PHOTONS * np.abs(far) ** 2).astype(np.float32).reshape(-1)
    out, work = np.empty_like(mean), np.empty(POISSON_WORK, np.float32)
    generator = np.random.default_rng(0)
    return Benchmark(
        f"Poisson counts of one pattern, {SIDE}x{SIDE}, {PHOTONS:g} photons",
        "NumPy",
        {
            "NumPy": lambda: generator.poisson(mean),
            "microgym": lambda: fill_poisson(1, 2, 3, mean, out, work),
        },
    )


def stepping() -> Benchmark:
    """Decisions of Ptycho-v0: one by one, and in a vector environment."""
    single: Any = gym.make("Ptycho-v0", exposures=400, time_budget_s=1e9, final_sweeps=0)
    vector: Any = gym.make_vec(
        "Ptycho-v0", ENVS, exposures=400, time_budget_s=1e9, final_sweeps=0
    )  # fmt: skip
    actions = np.random.default_rng(0).uniform(-1, 1, (ENVS, 3)).astype(np.float32)
    actions[:, 2] = 0
    single.reset(seed=0)
    vector.reset(seed=0)

    def one_by_one() -> None:
        for action in actions:
            *_, terminated, truncated, _ = single.step(action)
            if terminated or truncated:
                single.reset()

    return Benchmark(
        "decision of Ptycho-v0, reconstruction and observation included",
        "gymnasium.make",
        {
            "gymnasium.make": one_by_one,
            f"gymnasium.make_vec({ENVS})": lambda: vector.step(actions),
        },
        units=ENVS,
    )


BENCHMARKS: Mapping[str, Callable[[], Benchmark]] = {
    "exposure": exposure,
    "fft": fft,
    "poisson": poisson,
    "step": stepping,
}
"""Every benchmark by the name that `microgym bench` takes."""
