"""Neural observation model of STM-v0: detection of adatoms in constant-current images."""

from microgym.baselines.observation_models.specification import ObservationModelSpec
from microgym.baselines.observation_models.stm import evaluate, page
from microgym.reconstruction.adatoms.observation_model import NETWORK

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
    card=page.CARD,
)
