"""Stream numbers: the one list of all sources of randomness, by subject and role.

A stream is a `Role` and a number. Numbers are unique within the streams that one episode key feeds:
those of an instrument, of the specimens that it looks at, and of agents. Kernels take a number as a
module-level constant, such as `_DRIFT = np.int64(PFMExogenous.DRIFT)`: Numba would compile a helper
anew for every literal.

Numbers never change: golden trajectories and trained agents depend on them.
"""

from enum import IntEnum, unique


@unique
class SpecimenWorld(IntEnum):
    """Specimens, in the world role.

    Attributes:
        ADATOMS: adatoms, targets and steps of an STM field.
        FILM_REGIONS, FILM_PINS, FILM_BONDS, FILM_GRAINS, FILM_EDGES: regions of preferred
            polarisation, pinning, bond disorder, grains and their edges of a ferroelectric film.
        RIBBONS, RIBBON_TEXTURE: shapes and texture of the family `sparse`.
        LINES: family `lines`.
        RANDOM_FIELD: family `grf`.
        FEATURES, FEATURE_TEXTURE: shapes and texture of the family `large_features`.
        STAR: family `siemens_star`.
        SURFACE_SCENE, SURFACE_EDGES, SURFACE_ROUGHNESS, SURFACE_ISLANDS, SURFACE_PARTICLES,
            SURFACE_MATERIALS: parameters, meandering edges, roughness, islands and regions,
            particles and fibres, and materials of a height map.
    """

    ADATOMS = 1
    FILM_REGIONS = 11
    FILM_PINS = 12
    FILM_BONDS = 13
    FILM_GRAINS = 14
    FILM_EDGES = 15
    RIBBONS = 1000
    RIBBON_TEXTURE = 1001
    LINES = 1002
    RANDOM_FIELD = 1003
    FEATURES = 1004
    FEATURE_TEXTURE = 1005
    STAR = 1006
    SURFACE_SCENE = 1010
    SURFACE_EDGES = 1011
    SURFACE_ROUGHNESS = 1012
    SURFACE_ISLANDS = 1013
    SURFACE_PARTICLES = 1014
    SURFACE_MATERIALS = 1015


@unique
class PtychoExogenous(IntEnum):
    """Ptychography: drift of the specimen, jitter of the stage, and keys of further probes.

    Attributes:
        PROBES: probe k of several on one specimen takes number PROBES + k.
    """

    DRIFT = 0
    JITTER = 1
    PROBES = 100


@unique
class PtychoMeasurement(IntEnum):
    """Ptychography: photon counting, read noise, and photons lost in the dead time of pixels."""

    PHOTONS = 0
    READ_NOISE = 1
    DEAD_TIME = 2


@unique
class ReplayMeasurement(IntEnum):
    """Replay of a recorded scan: thinning of the recorded counts."""

    THINNING = 0


@unique
class SolverWorld(IntEnum):
    """Ptychographic solver: order of the exposures in a sweep, below the solver's own seed."""

    ORDER = 0


@unique
class AFMWorld(IntEnum):
    """Force microscope: hidden parameters of the loop, of the tips, and of the creep."""

    HIDDEN = 20
    TIPS = 21
    CREEP = 22


@unique
class AFMExogenous(IntEnum):
    """Force microscope: drift, tip changes, shapes of tips, crashes, and places of landing."""

    DRIFT = 10
    EVENTS = 11
    SHAPES = 12
    CRASHES = 13
    LANDING = 14


@unique
class AFMMeasurement(IntEnum):
    """Force microscope: noise of the detector, and thermal noise of the cantilever."""

    SIGNAL = 30


@unique
class STMWorld(IntEnum):
    """Tunnelling microscope: traits of the tip at the start and after changes, and its first state.

    Attributes:
        TIP: traits, one tick a generation.
    """

    TIP = 2
    FIRST_STATE = 3


@unique
class STMExogenous(IntEnum):
    """Tunnelling microscope: drift, hops of adatoms, and changes of the tip.

    Attributes:
        TIP: changes by themselves.
        CONDITIONING, CRASHES: changes by pulses and dips, and by crashes.
    """

    DRIFT = 0
    HOPS = 1
    TIP = 2
    CONDITIONING = 3
    CRASHES = 4


@unique
class STMMeasurement(IntEnum):
    """Tunnelling microscope: noise of currents, places, images and readings.

    Attributes:
        TRACE, AMPLIFIER: shaking of the tip in a drag, and noise of the amplifier.
        PLACES, MARKS: errors of measured positions, and of measured drift.
        IMAGE, LINES: noise of pixels, and of lines.
        HUM, FLICKER: slow processes of the 1/f noise at the start of an image, and their course.
        PHASE: of the mains.
    """

    TRACE = 0
    PLACES = 1
    IMAGE = 2
    READING = 3
    HUM = 4
    FLICKER = 5
    MARKS = 6
    AMPLIFIER = 7
    LINES = 8
    PHASE = 9


@unique
class PFMWorld(IntEnum):
    """Ferroelectric tasks: pattern, strongest bias, imprint that is asked for, first domains."""

    PATTERN = 21
    STRENGTH = 31
    IMPRINT = 41
    DOMAINS = 51


@unique
class PFMExogenous(IntEnum):
    """Piezoresponse microscope: drift, heat bath of the lattice, and breakdown."""

    DRIFT = 0
    HEAT = 1
    BREAKDOWN = 2


@unique
class PFMMeasurement(IntEnum):
    """Piezoresponse microscope: noise and offset of images, and noise of loops."""

    NOISE = 0
    OFFSET = 1
    LOOP = 2


@unique
class AgentWorld(IntEnum):
    """Agents: actions of the random policy; that of AFM-v0 has a number of its own."""

    RANDOM = 7
    RANDOM_AFM = 8
