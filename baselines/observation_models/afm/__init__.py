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
    limits=LIMITS,
    inputs="trace, retrace, error signals, phase and dials of the last three lines",
    outputs="heights of the newest line, and the uncertainty of each pixel",
    data=", 4 training frames",
    learnt=LEARNT,
    held_out=HELD_OUT_SURFACES,
    cost=lambda record: f"{record['line_us']:.0f} µs a line",
    template="afm/page.md",
    values=page.values,
    metrics=page.metrics,
)
