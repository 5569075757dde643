"""Neural observation model of AFM-v0: restoration of heights from the lines of a scan."""

from microgym.baselines.observation_models.afm import evaluate, page
from microgym.baselines.observation_models.specification import ObservationModelSpec
from microgym.reconstruction.topography.observation_model import NETWORK

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
    card=page.CARD,
)
