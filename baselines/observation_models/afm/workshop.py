"""Where the network of AFM-v0 is made and judged."""

from microgym.baselines.observation_models.afm import build, evaluate
from microgym.baselines.observation_models.cli import ObservationModelSpec
from microgym.reconstruction.topography.observation_model import NETWORK


def workshop() -> ObservationModelSpec:
    """What `microgym reconstructor` works with."""
    return ObservationModelSpec(
        env_id="AFM-v0",
        groups=build.GROUPS,
        steps=build.STEPS,
        make=build.make_network,
        scores=("median error of lines of validation surfaces:", " nm"),
        shipped=lambda: NETWORK.shipped_file,
        record=evaluate.RECORD,
        effort=_effort,
        assess=evaluate.assess,
        told=evaluate.told,
        missed=evaluate.missed,
        draw=evaluate.figure,
    )


def _effort(specimens: int | None) -> evaluate.Effort:
    return evaluate.Effort() if specimens is None else evaluate.Effort(specimens=specimens)
