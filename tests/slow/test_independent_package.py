"""The forward model against one that others wrote: CDTools (cdtools-py, MIT licence).

CDTools cuts patches by rounding down and moves the probe by the rest in Fourier space, propagates
by its own unitary transform in PyTorch, and adds modes in intensity. It is installed apart, by
`make test-independent`, and runs in a process of its own; arrays travel by file.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from microgym.numerics.fft import fft2, plan
from microgym.physics.diffraction import diffract, diffraction_work, shift_probe
from microgym.physics.probe import make_probe, phase_ramp
from microgym.physics.sampling import Geometry

PACKAGE = Path(__file__).parents[2] / ".venvs" / "independent"
PHOTONS = 1e6

THEIRS = """
import sys
import numpy as np
import torch
from cdtools.tools import interactions, propagators

given = np.load(sys.argv[1])
names = "probe", "specimen", "corners"
probe, specimen, corners = (torch.as_tensor(given[name]) for name in names)
waves = interactions.ptycho_2D_sinc(probe, specimen, corners, multiple_modes=True)
far = propagators.far_field(waves)
np.save(sys.argv[2], (far.abs() ** 2).sum(dim=-3).numpy())
"""

pytestmark = pytest.mark.slow


def theirs(folder, probe, specimen, corners):
    """Patterns by CDTools, zero frequency in the middle, for a probe of power one."""
    if not (PACKAGE / "cdtools").is_dir():
        pytest.skip("CDTools is not installed: run make test-independent")
    sent, received = folder / "sent.npz", folder / "received.npy"
    np.savez(sent, probe=probe, specimen=specimen, corners=corners)
    paths = [str(PACKAGE), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "MPLBACKEND": "Agg"}
    command = [sys.executable, "-c", THEIRS, str(sent), str(received)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return np.load(received)


def ours(probe, specimen, corners):
    """The same by this package's kernels."""
    modes, n, _ = probe.shape
    fft, size = plan(n), n * n
    re, im = (part.reshape(modes, size).astype(np.float32) for part in (probe.real, probe.imag))
    object_re, object_im = (part.astype(np.float32) for part in (specimen.real, specimen.imag))
    work = np.empty(diffraction_work(n), np.float32)
    spectrum, moved = np.empty((2, modes, size), np.float32), np.empty((2, modes, size), np.float32)
    ramp, lines = np.empty((2, size), np.float32), np.empty(4 * n, np.float32)
    for m in range(modes):
        fft2(re[m], im[m], spectrum[0, m], spectrum[1, m], fft, work)
    out = np.empty((len(corners), size), np.float32)
    for k, (y, x) in enumerate(corners):
        top, left = int(np.floor(y + 0.5)), int(np.floor(x + 0.5))
        phase_ramp(y - top, x - left, n, ramp[0], ramp[1], lines)
        shift_probe(*spectrum, *ramp, fft, *moved, work)
        diffract(True, object_re, object_im, *moved, top, left, np.float32(1.0), fft, out[k], work)
    return np.fft.fftshift(out.reshape(-1, n, n), axes=(1, 2))


@pytest.mark.parametrize("whole", [True, False])
def test_diffraction_patterns_agree_with_cdtools(tmp_path, whole):
    n = 64
    rng = np.random.default_rng(int(whole))
    geometry = Geometry(1.5e-10, 2.0, 75e-6, n)
    aperture = 0.35 * geometry.numerical_aperture
    # Defocus enough for a curved probe a third of the field of view across.
    defocus = geometry.field_of_view_m / (6 * aperture)
    main = make_probe(geometry, numerical_aperture=aperture, defocus_m=defocus)
    probe = np.stack([main, 0.3j * np.roll(main, (2, -3), axis=(0, 1))]).astype(np.complex128)
    probe /= np.linalg.norm(probe)
    specimen = rng.uniform(0.2, 1, (160, 160)) * np.exp(2j * rng.normal(size=(160, 160)))
    # Below half a pixel both packages cut the same patch, and so move the same probe.
    corners = rng.integers(0, 96, (12, 2)) + (0.0 if whole else rng.uniform(0, 0.499, (12, 2)))
    expected = theirs(tmp_path, probe, specimen, corners.astype(np.float64))
    found = ours(probe, specimen, corners)
    difference = np.linalg.norm(found - expected) / np.linalg.norm(expected)
    largest = np.abs(found - expected).max() / expected.max()
    print(f"relative difference {difference:.2e}, largest over peak {largest:.2e}")
    assert difference < 1e-5
    assert largest < 1e-5
