"""Where the network of STM-v0 is made and judged."""

from microgym.baselines.observation_models.cli import ObservationModelSpec
from microgym.baselines.observation_models.stm import build, evaluate, figure
from microgym.reconstruction.adatoms.observation_model import NETWORK


def workshop() -> ObservationModelSpec:
    """What `microgym reconstructor` works with."""
    return ObservationModelSpec(
        env_id="STM-v0",
        groups=build.GROUPS,
        steps=build.STEPS,
        make=build.make_detector,
        scores=("on images of validation specimens", ""),
        shipped=lambda: NETWORK.shipped_file,
        record=evaluate.RECORD,
        effort=_effort,
        assess=evaluate.assess,
        told=evaluate.told,
        missed=evaluate.missed,
        draw=figure.draw_figure,
    )


def _effort(images: int | None) -> evaluate.Effort:
    return evaluate.Effort() if images is None else evaluate.Effort(images=images)
