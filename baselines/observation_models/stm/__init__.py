"""Neural observation model of STM-v0: detection of adatoms in constant-current images."""

from microgym.baselines.observation_models.specification import ObservationModelSpec
from microgym.baselines.observation_models.stm import evaluate, page
from microgym.baselines.observation_models.stm.dataset import LEARNT, SCAN_S
from microgym.reconstruction.adatoms.observation_model import NETWORK
from microgym.specimens.adatom_fields import HELD_OUT

LIMITS = (
    "It knows simulated images only, of 64 x 64 px and 8 nm, with adatoms of one kind and height, "
    f"{SCAN_S[0]:g} to {SCAN_S[1]:g} s an image. All else is extrapolation.",
    "The time of a line, and so the lag of the feedback, is not among its inputs. A filter that is "
    "tuned for the speed is as good or better in fast images.",
    "It has not been trained on step edges, and takes upper terraces for adatoms: there the "
    "matched filter is better.",
    "Probabilities between 0.7 and 0.95 are too modest, see the table: most of what they are given "
    "to are adatoms.",
    "The second apex of a double tip can be as high as the first. Then the image does not tell "
    "which of two patterns is the true one, and the network may be sure of the wrong one.",
    "All adatoms look alike. When two have changed places, one dragged into the other, the "
    "tracking confuses them, and the reward of `STMBuild-v0` goes by the adatom; `model` never "
    "does.",
    "Each image is evaluated by itself; only the tracking uses that adatoms seldom move.",
)
SPEC = ObservationModelSpec(
    network=NETWORK,
    task="microgym.baselines.observation_models.stm.train:DetectionTask",
    groups=384,
    steps=4500,
    validation=48,
    scores=("on images of validation specimens", ""),
    budget=evaluate.Budget,
    measure=evaluate.measure,
    summary=evaluate.summary,
    failed_claims=evaluate.failed_claims,
    draw=page.draw_figure,
    name="adatoms",
    limits=LIMITS,
    inputs="one constant-current image, its lines levelled",
    outputs="places of adatoms, their probabilities and uncertainties",
    data=" (noise, speed, drift, tip, close pairs), 32 training specimens",
    learnt=LEARNT,
    held_out=HELD_OUT,
    cost=page.cost,
    template="stm/page.md",
    values=page.values,
    metrics=page.metrics,
    more=page.least_probability,
)
