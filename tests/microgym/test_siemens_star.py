"""A recorded experiment: X-ray ptychography of a Siemens star.

The file is test data of the public repository AdvancedPhotonSource/tike (tests/data); its authors'
notebook logs a cost of 0.4543 after 64 sweeps with two modes. It lies beside the project, in
../shared/data, and these tests are skipped where it does not.
"""

import bz2
import io
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from microgym.metrics import frc, without_ramp
from microgym.reconstruction.ptychography.solver import PIESettings, PIESolver

FILE = Path(__file__).parents[3] / "shared" / "data" / "siemens-star-small.npz.bz2"
MARGIN = 4
CENTRE = (229, 210)
SPOKES = 30


@pytest.fixture(scope="module")
def recording():
    """Counts (516, 128, 128), positions in the field, and the guessed probe."""
    if not FILE.is_file():
        pytest.skip(
            "the recorded Siemens star, ../shared/data/siemens-star-small.npz.bz2, is absent"
        )
    with np.load(io.BytesIO(bz2.decompress(FILE.read_bytes()))) as stored:
        counts, scan = stored["data"][0], stored["scan"][0].astype(np.float64)
        probe = stored["probe"][0, 0, 0, 0]
    return counts, scan - scan.min(axis=0) + 64 + MARGIN, probe


def reconstruct(recording, sweeps=64, chosen=slice(None), whole=False, **settings):
    """A solver after its sweeps, and the CPU seconds that they took."""
    counts, positions, probe = recording
    positions = np.floor(positions + 0.5) if whole else positions
    shape = tuple(int(edge) for edge in np.ceil(positions.max(axis=0)) + 64 + MARGIN)
    working = PIESettings(alpha=0.1, probe_step=0.1, **settings)
    solver = PIESolver(probe, shape, capacity=len(counts), settings=working)
    photons = counts.sum(axis=(1, 2), dtype=np.float64).mean()
    solver.add([0], counts[None, chosen], positions[None, chosen], photons)
    start = time.process_time()
    solver.sweep(count=sweeps)
    return solver, time.process_time() - start


def phase_of(solver):
    """Phase of the object, its mean over the scanned region zero."""
    image = solver.object[0]
    return np.angle(image * np.exp(-1j * np.angle(image[64:-64, 64:-64].sum())))


def grey(image, inside):
    """The image in 8 bits between its 1st and 99th percentile inside the scanned region."""
    low, high = np.percentile(image[inside], [1, 99])
    return (np.clip((image - low) / (high - low), 0, 1) * 255).astype(np.uint8)


def orthogonal(modes):
    """The same partly coherent illumination by orthogonal modes, strongest first."""
    flat = modes.reshape(len(modes), -1).astype(np.complex128)
    mixture = np.linalg.eigh(flat @ flat.conj().T)[1]
    return (mixture.conj().T[::-1] @ flat).reshape(modes.shape)


def render(solver):
    """Phase and amplitude of the object, and below them the amplitudes of the probe modes."""
    inside = (slice(64, -64), slice(64, -64))
    upper = np.hstack([grey(phase_of(solver), inside), grey(np.abs(solver.object[0]), inside)])
    modes = np.abs(orthogonal(solver.probe[0]))
    row = np.hstack([grey(mode, (slice(None), slice(None))) for mode in modes])
    lower = np.zeros((row.shape[0], upper.shape[1]), np.uint8)
    lower[:, : row.shape[1]] = row[:, : lower.shape[1]]
    return Image.fromarray(np.vstack([upper, lower]))


def angular_spectrum(image, radius):
    """Power of the harmonics of the image on a circle about the star's centre, sum one."""
    angle = np.arange(1024) * 2 * np.pi / 1024
    y = np.rint(CENTRE[0] + radius * np.sin(angle)).astype(int)
    x = np.rint(CENTRE[1] + radius * np.cos(angle)).astype(int)
    power = np.abs(np.fft.rfft(image[y, x] - image[y, x].mean())) ** 2
    return power / power.sum()


@pytest.fixture(scope="module")
def warm(recording):
    """Compile before anything is timed."""
    reconstruct(recording, 1, slice(0, 2), modes=2)


@pytest.mark.usefixtures("warm")
def test_star_with_two_modes(recording, tmp_path):
    solver, spent = reconstruct(recording, modes=2)
    cost = solver.evaluate_cost()[0]
    print(f"two modes, 64 sweeps: cost {cost:.4f}, {spent:.1f} CPU-s")
    assert cost < 0.33
    assert spent < 30.0
    phase = phase_of(solver)
    for radius in (60, 80, 100, 120):
        harmonics = angular_spectrum(phase, radius)
        assert harmonics.argmax() == SPOKES
        assert harmonics[SPOKES - 2 : SPOKES + 3].sum() > 0.6
    picture = tmp_path / "runs" / "siemens-star.png"
    picture.parent.mkdir()
    render(solver).save(picture)
    print(f"picture: {picture}")
    assert Image.open(picture).size == (2 * solver.object.shape[2], solver.object.shape[1] + 128)


@pytest.mark.usefixtures("warm")
def test_more_of_the_physics_explains_more(recording):
    variants = {
        "one mode, whole pixels": {"modes": 1, "whole": True},
        "one mode": {"modes": 1},
        "two modes, whole pixels": {"modes": 2, "whole": True},
    }
    costs = []
    for name, settings in variants.items():
        solver, spent = reconstruct(recording, 32, **settings)
        costs.append(solver.evaluate_cost()[0])
        print(f"{name}, 32 sweeps: cost {costs[-1]:.4f}, {spent:.1f} CPU-s")
    assert costs[2] < costs[1] < costs[0] < 0.5


@pytest.mark.usefixtures("warm")
def test_halves_of_the_data_agree(recording):
    order = np.random.default_rng(0).permutation(len(recording[0]))
    images = [
        reconstruct(recording, 64, np.sort(half), modes=2)[0].object[0]
        for half in np.array_split(order, 2)
    ]
    inside = (slice(100, 356), slice(82, 338))
    first, second = (image[inside] for image in images)
    curve = frc(first, without_ramp(second, first))
    half_bit, seventh = curve.resolution(), curve.resolution("1/7")
    print(f"half data sets: {half_bit:.3f} cycles/px at half a bit, {seventh:.3f} at 1/7")
    low = curve.frequency < 0.15
    assert curve.correlation[low].mean() > 0.9
    assert half_bit > 0.2
