"""Simulated scans for training and evaluation: random optics, doses, places and drifts.

A scan is run as `Ptycho-v0` runs it, with its instrument and its reconstruction; inputs of the
network are taken several times while it goes on.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.envs.ptycho.config import PtychoConfig
from microgym.instruments.ptychography.instrument import PtychographyInstrument
from microgym.instruments.ptychography.settings import (
    DETECTOR_PIXELS,
    LENS,
    OPTICS,
    PtychographySettings,
)
from microgym.physics.diffraction import add_fluence
from microgym.random import episode_key
from microgym.reconstruction.ptychography.online import OnlineReconstruction
from microgym.reconstruction.ptychography.unet_kernels import LEAST_FLUENCE
from microgym.specimens.splits import FAMILIES, HELD_OUT
from microgym.state import Bool, Float32, Float64, Int64

Complex64 = NDArray[np.complex64]

LEARNT = tuple(name for name in FAMILIES if name not in HELD_OUT)
"""Families of the training: all but those held out."""
REGION = 128
"""Edge of the scanned region, px, as in Ptycho-v0."""
MARGIN = DETECTOR_PIXELS // 2
"""Width of the specimen outside the region on each side, px."""
FIELD = REGION + 2 * MARGIN
INSIDE = slice(MARGIN, MARGIN + REGION)
"""Rows, and columns, of the region in a field."""
LIT = 1.0
"""Least photons of a pixel that counts as scanned (design choice)."""


@dataclass(frozen=True)
class Conditions:
    """Conditions of a scan.

    Attributes:
        family, split: of the specimens.
        exposures: number of them.
        photons: of an exposure of one second.
        drift, damage: switches, as in Ptycho-v0.
        aperture, defocus: factors on those of Ptycho-v0, of the true probe.
        aperture_error, defocus_error: relative errors of the known probe.
    """

    family: str = "sparse"
    split: str = "train"
    exposures: int = 24
    photons: float = 1e4
    drift: str = "off"
    damage: str = "off"
    aperture: float = 1.0
    defocus: float = 1.0
    aperture_error: float = 0.0
    defocus_error: float = 0.0

    def settings(self, known: bool = False) -> PtychographySettings:
        """The instrument of Ptycho-v0, with the true or the known probe."""
        errors = (self.aperture_error, self.defocus_error) if known else (0.0, 0.0)
        factors = zip(LENS, (self.aperture, self.defocus), errors, strict=True)
        optics = {name: OPTICS[name] * (one * (1.0 + error)) for name, one, error in factors}
        names = ("split", "photons", "drift", "damage")
        shared: dict[str, Any] = {name: getattr(self, name) for name in names}
        return PtychoConfig(specimen=self.family, optics=optics, **shared).settings


class Scans:
    """Scans of N specimens, one of each seed, under one set of conditions, side by side.

    Attributes:
        instrument: the microscopes.
        estimate: the running reconstructions, as in Ptycho-v0.
        fluence: (N, FIELD, FIELD) float32, photons per pixel by the commanded positions.
        probe, known: (n, n) complex64, the true probe and that assumed by the reconstruction.

    Raises:
        ValueError: an unknown family, or one that is held out from its split.
    """

    def __init__(self, conditions: Conditions, seeds: Int64) -> None:
        count, c = len(seeds), conditions
        self.instrument = PtychographyInstrument(count, c.settings())
        (self.probe,) = self.instrument.settings.probe
        (self.known,) = c.settings(known=True).probe
        self.estimate = OnlineReconstruction(count, FIELD, self.known[None], c.exposures)
        self.fluence = np.zeros((count, FIELD, FIELD), np.float32)
        self._footprint = (np.abs(self.known) ** 2).astype(np.float32).ravel()
        self._rows = np.arange(count)
        keys = np.stack([episode_key(int(seed)) for seed in seeds])
        self.instrument.reset(self._rows, keys, c.family, c.split)
        self.estimate.reset(self._rows)

    def expose(self, places: Float64, dwell_s: Float64) -> None:
        """Expose at places (N, 2), px of the field, for (N,) seconds; update the reconstruction."""
        microscope = self.instrument
        microscope.expose(self._rows, places, dwell_s)
        taken = microscope.state.measurement
        self.estimate.add(self._rows, *taken)
        for row, (top, left) in enumerate(taken.corner):
            photons = np.float32(taken.photons[row])
            add_fluence(self.fluence[row], self._footprint, photons, top, left, DETECTOR_PIXELS)

    def sweep(self, times: int) -> None:
        """Sweep through all exposures so far some times."""
        self.estimate.sweep(self._rows, times)

    def inputs(self) -> Float32:
        """Inputs of the network, (N, 3, REGION, REGION) float32; see `make_inputs`."""
        planes = (self.estimate.state.re, self.estimate.state.im, self.fluence)
        return make_inputs(*(plane[:, INSIDE, INSIDE] for plane in planes))

    def truth(self) -> Complex64:
        """(N, FIELD, FIELD) complex64: the specimens before the first photon."""
        sample = self.instrument.sample
        return (sample.pristine_re + 1j * sample.pristine_im).astype(np.complex64)


def places(generator: np.random.Generator, exposures: int, structure: NDArray[np.uint8]) -> Float64:
    """Places of a scan by a random, a raster or a structure-seeking policy.

    Args:
        generator: source of the choice.
        exposures: number of places.
        structure: (FIELD, FIELD), mask of the specimen.

    Returns:
        (exposures, 2) float64, px of the field, inside the region.
    """
    kind = generator.choice(("random", "raster", "seeking"))
    if kind == "random":
        chosen = generator.uniform(0.0, REGION, (exposures, 2))
    elif kind == "raster":
        edge = int(np.ceil(np.sqrt(exposures)))
        step = min(generator.uniform(8.0, 30.0), (REGION - 1) / max(edge - 1, 1))
        first = generator.uniform(0.0, REGION - step * (edge - 1), 2)
        grid = np.indices((edge, edge)).reshape(2, -1).T[:exposures]
        chosen = first + step * grid + generator.normal(0.0, 0.15 * step, grid.shape)
    else:
        cells = structure[MARGIN:-MARGIN, MARGIN:-MARGIN].astype(np.float64)
        coarse = cells.reshape(16, REGION // 16, 16, REGION // 16).mean(axis=(1, 3)) ** 2 + 1e-3
        picked = generator.choice(coarse.size, exposures, p=(coarse / coarse.sum()).ravel())
        corner = np.stack([picked // 16, picked % 16], axis=1) * (REGION // 16)
        chosen = corner + generator.uniform(0.0, REGION // 16, (exposures, 2))
    if generator.random() < 0.5:
        chosen = generator.permutation(chosen)
    return np.clip(chosen, 0.0, REGION) + MARGIN


def random_conditions(generator: np.random.Generator, split: str) -> Conditions:
    """Conditions of the training (all ranges are design choices)."""
    wrong = generator.random() < 0.4
    return Conditions(
        family=str(generator.choice(LEARNT, p=[0.4 if n == "sparse" else 0.2 for n in LEARNT])),
        split=split,
        exposures=int(generator.integers(8, 49)),
        photons=float(10.0 ** generator.uniform(2.7, 6.0)),
        drift=str(generator.choice(("off", "easy", "real"))),
        damage=str(generator.choice(("off", "easy"))),
        aperture=float(10.0 ** generator.uniform(-0.12, 0.12)),
        defocus=float(10.0 ** generator.uniform(-0.2, 0.2)),
        aperture_error=float(generator.normal(0.0, 0.02)) if wrong else 0.0,
        defocus_error=float(generator.normal(0.0, 0.1)) if wrong else 0.0,
    )


@dataclass(frozen=True)
class Dataset:
    """Inputs of the network from many scans, and their specimens.

    Attributes:
        inputs: (L, 3, REGION, REGION) float16.
        specimen: (L,) number of the specimen of each input.
        truth: (S, FIELD, FIELD) complex64, the specimens.
        optics: (S,) number of the probe of each specimen.
        probes: (P, n, n) complex64.
        conditions: (P,) of the scans with each probe.
    """

    inputs: NDArray[np.float16]
    specimen: Int64
    truth: Complex64
    optics: Int64
    probes: Complex64
    conditions: list[Conditions]


def make_dataset(
    seed: int, groups: int, split: str, group: int = 8, family: str | None = None
) -> Dataset:
    """Run scans under random conditions and take the inputs of each four or five times.

    They are taken twice during the scan, at its end, and after 5 and sometimes 25 final sweeps.

    Args:
        seed: of everything random.
        groups: sets of conditions.
        split: of the specimens.
        group: specimens under each.
        family: of all specimens; None draws one of `LEARNT` for each set of conditions.

    Returns:
        The dataset; float16, since the noise of an estimate is far above its rounding.
    """
    generator = np.random.default_rng([seed, groups])
    parts: list[tuple[Any, ...]] = []
    for number in range(groups):
        chosen = random_conditions(generator, split)
        chosen = chosen if family is None else replace(chosen, family=family)
        scans = Scans(chosen, generator.integers(1 << 60, size=group))
        taken = [one.astype(np.float16) for one in _inputs_during(scans, chosen, generator)]
        specimen = np.tile(number * group + np.arange(group), len(taken))
        parts.append((np.concatenate(taken), specimen, scans.truth(), scans.probe, chosen))
    *arrays, probes, conditions = zip(*parts, strict=True)
    inputs, specimen, truth = map(np.concatenate, arrays)
    optics = np.repeat(np.arange(groups), group)
    return Dataset(inputs, specimen, truth, optics, np.stack(probes), list(conditions))


def _inputs_during(
    scans: Scans, conditions: Conditions, generator: np.random.Generator
) -> Iterator[Float32]:
    """Run scans to their end and yield inputs of the network now and then."""
    exposures, structure = conditions.exposures, scans.instrument.sample.structure
    route = [places(generator, exposures, one) for one in structure]
    dwell = 10.0 ** generator.uniform(-0.5, 0.5, (len(structure), exposures))
    pauses = {*generator.integers(1, exposures, 2).tolist(), exposures}
    for e in range(exposures):
        scans.expose(np.stack([r[e] for r in route]), np.ascontiguousarray(dwell[:, e]))
        if e + 1 in pauses:
            yield scans.inputs()
    scans.sweep(5)
    yield scans.inputs()
    if generator.random() < 0.3:
        scans.sweep(20)
        yield scans.inputs()


# --- inputs of the network in NumPy, as its kernels form them -------------------------------------


def make_inputs(re: Float32, im: Float32, fluence: Float32) -> Float32:
    """Inputs of the network from running reconstruction and photons per object pixel, (L, H, W).

    Returns:
        (L, 3, H, W) float32: real and imaginary contrast, and scaled logarithm of the fluence.
    """
    light = 0.5 * np.log10(np.float32(LEAST_FLUENCE) + fluence) + 0.5
    return np.stack([re - 1.0, im, light], axis=1).astype(np.float32)


def estimate_in(inputs: Float32) -> Complex64:
    """The classical estimate in inputs (..., 3, H, W): (..., H, W) complex64."""
    return (1.0 + inputs[..., 0, :, :] + 1j * inputs[..., 1, :, :]).astype(np.complex64)


def fluence_in(inputs: Float32) -> Float32:
    """Photons per object pixel in inputs (..., 3, H, W): (..., H, W) float32."""
    photons = 10.0 ** (2.0 * inputs[..., 2, :, :] - 1.0) - LEAST_FLUENCE
    return np.maximum(photons, 0.0).astype(np.float32)


def lit_in(inputs: NDArray[np.floating]) -> Bool:
    """Pixels with at least `LIT` photons in inputs (..., 3, H, W): (..., H, W) bool."""
    return inputs[..., 2, :, :].astype(np.float32) > 0.5 + 0.5 * np.log10(LIT)


def aligned_error(image: Complex64, truth: Complex64, mask: Bool) -> Float32:
    """Absolute error of every pixel (H, W), after the complex factor that fits best in a mask."""
    chosen = image[mask]
    power = float(np.sum(np.abs(chosen) ** 2))
    factor = np.vdot(chosen, truth[mask]) / power if power > 0.0 else 1.0
    return np.abs(factor * image - truth).astype(np.float32)
