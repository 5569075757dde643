"""Neural observation model of AFM-v0: restoration of heights from the lines of a scan."""

from microgym.baselines.observation_models.afm import evaluate, page
from microgym.baselines.observation_models.afm.dataset import LEARNT
from microgym.baselines.observation_models.specification import ObservationModelSpec
from microgym.reconstruction.topography.observation_model import NETWORK
from microgym.specimens.splits import HELD_OUT_SURFACES

LIMITS = (
    "Its training has tapping alone, lines of 256 pixels, line rates of 2 to 20 Hz, and "
    "instruments whose levers are those of `AFM-v0`. All else is extrapolation.",
    "The floor of a trench that the tip does not reach cannot be restored. "
    "There, and on families that are not in its training, its uncertainty is too small.",
    "Heights are of one line, less its mean: offsets between lines are not restored, nor is where "
    "creep and hysteresis have led the trace.",
    "Its uncertainty is true on average over pixels and scans, not for each pixel or family.",
)
SPEC = ObservationModelSpec(
    network=NETWORK,
    task="microgym.baselines.observation_models.afm.train:LineTask",
    groups=512,
    steps=7000,
    validation=32,
    scores=("median error of lines of validation surfaces:", " nm"),
    budget=evaluate.Budget,
    measure=evaluate.measure,
    summary=evaluate.summary,
    failed_claims=evaluate.failed_claims,
    draw=page.draw_figure,
    name="topography",
    title="The neural observation of AFM-v0",
    purpose="""\
A fast scan with a worn tip shows less than is there: the loop lags behind, the tip flies off edges,
trace and retrace differ, and everything is as wide as the tip. With `reconstructor="neural"`
`AFM-v0` also shows heights with an uncertainty that a small network restores from trace, retrace,
error signals, phase and dials of the newest line and the two before it. They do not replace the
scan: the reward is that of the trace.""",
    picture=(
        "Truth, trace, classical restoration, network, its stated uncertainty and its error on "
        "three surfaces",
        "Three unseen surfaces at about 10 lines a second with a tip of about 14 nm. The classical "
        "restoration is the best that tuned settings give. Uncertainty and error are shown on one "
        "scale.",
    ),
    trained="""\
It was trained on lines of simulated frames, which the package's own microscope scanned: six
families of surfaces, tips from new to broken and double, dials drawn at random below the onset of
ringing and changed now and then, frames of 0.5 to 2 µm. The truth is that of the reward of
`AFM-v0`: the image of a new tip on the trace's path, each line's mean apart. The loss is the mean
logarithm of a line's error, so that flat surfaces count like steep ones, and a Laplace likelihood
of the errors, by which the uncertainty is learnt; it is then scaled on validation surfaces.

For each pixel the network weighs six classical restorations (trace, retrace, both corrected by
their error signals and half of the signal's lag, and their mean smoothed over 3 and 9 pixels), and
adds a detail in units of what the signals leave open there.""",
    limits=LIMITS,
    inputs="trace, retrace, error signals, phase and dials of the last three lines",
    outputs="heights of the newest line, and the uncertainty of each pixel",
    data=", 4 training frames",
    learnt=LEARNT,
    held_out=HELD_OUT_SURFACES,
    cost=lambda record: f"{record['line_us']:.0f} µs a line",
    sections=page.sections,
    metrics=page.metrics,
)
