"""State and parameters of N scanned-probe diffraction microscopes, simulated or replayed."""

from typing import Annotated, NamedTuple

from microgym.instruments.ledger import Ledger
from microgym.numerics.fft import FFTPlan
from microgym.physics.drift import DriftRates, DriftState
from microgym.state import Float32, Float64, Int64, Shape, Uint32


class Measurement(NamedTuple):
    """Latest exposure of N microscopes, as detector, shutter and encoder report it.

    Attributes:
        counts: (N, n*n) float32, reading, zero frequency at element 0.
        known: (N, n*n) float32, 1 where the reading tells the intensity, else 0.
        photons: (N,) float64, incident photons.
        corner: (N, 2) int64, first row and column of the patch as commanded, px.
    """

    counts: Annotated[Float32, Shape("pixels", unit="photons")]
    known: Annotated[Float32, Shape("pixels")]
    photons: Annotated[Float64, Shape(unit="photons")]
    corner: Annotated[Int64, Shape(2, unit="px")]


class PtychographyState(NamedTuple):
    """N probes over specimens (`microgym.specimens.sample.Sample`), which they may share.

    Positions are (y, x) in pixels of the specimen array.

    Attributes:
        keys: (N, 2) uint32, keys of the episodes.
        drift: drift of the specimen under the beam, px.
        play: (N, 2) float64, position of the driven side of the backlash.
        command: (N, 2) float64, latest commanded position of the probe's centre.
        beam: (N, 2) float64, true position of the latest exposure; hidden from agents.
        measurement: the latest exposure.
        ledger: time, dose, exposures and path.
    """

    keys: Annotated[Uint32, Shape(2)]
    drift: DriftState
    play: Annotated[Float64, Shape(2, unit="px")]
    command: Annotated[Float64, Shape(2, unit="px")]
    beam: Annotated[Float64, Shape(2, unit="px")]
    measurement: Measurement
    ledger: Ledger


class Illumination(NamedTuple):
    """Probe of a microscope with M mutually incoherent modes, in flat planes of n by n.

    Attributes:
        probe_re, probe_im: (M, n*n) float32, total power one.
        spectrum_re, spectrum_im: (M, n*n) float32, unitary transform of the probe, from which it is
            moved by fractions of a pixel.
        intensity: (n*n,) float32, squared modulus summed over the modes.
        peak: largest intensity.
    """

    probe_re: Float32
    probe_im: Float32
    spectrum_re: Float32
    spectrum_im: Float32
    intensity: Float32
    peak: float


class Microscope(NamedTuple):
    """Constants of microscopes, as kernels take them: of `PtychographySettings` and its parts.

    Attributes:
        illumination: the probe.
        n: edge of a diffraction pattern and of a patch of the specimen, px.
        fft: plan of the transform of n by n.
        mask: (n*n,) float32, 1 where the detector sees, 0 behind the beam stop; (0,) without one.
        inverse_critical: (B,) float32, reciprocal critical fluences; (0,) without damage.
        pixel_m: edge of an object pixel, m.
        rates: parameters of the drift, lengths in px.
        probes: probes on each row of the sample; row b of the state is over row b // probes.
    """

    illumination: Illumination
    n: int
    fft: FFTPlan
    mask: Float32
    pixel_dead_time_s: float
    saturation_counts: float
    read_noise_counts: float
    inverse_critical: Float32
    photons_per_s: float
    dead_time_s: float
    stage_speed_px_s: float
    pixel_m: float
    rates: DriftRates
    backlash: float
    jitter: float
    probes: int
