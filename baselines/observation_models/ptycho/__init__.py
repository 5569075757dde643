"""Neural observation model of Ptycho-v0: restoration of an image while its scan is running."""

from microgym.baselines.observation_models.ptycho import evaluate, page
from microgym.baselines.observation_models.specification import ObservationModelSpec
from microgym.reconstruction.ptychography.neural import NETWORK

SPEC = ObservationModelSpec(
    network=NETWORK,
    task="microgym.baselines.observation_models.ptycho.train:ScanTask",
    groups=400,
    steps=8000,
    validation=40,
    scores=("E0 on validation specimens", ""),
    budget=evaluate.Budget,
    measure=evaluate.measure,
    summary=evaluate.summary,
    failed_claims=evaluate.failed_claims,
    draw=page.draw_figure,
    card=page.CARD,
    recorded=True,
)
