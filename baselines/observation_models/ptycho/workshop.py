"""Where the network of Ptycho-v0 is made and judged."""

from microgym.baselines.observation_models.cli import ObservationModelSpec
from microgym.baselines.observation_models.ptycho import build, evaluate
from microgym.reconstruction.ptychography.neural import NETWORK


def workshop() -> ObservationModelSpec:
    """What `microgym reconstructor` works with."""
    return ObservationModelSpec(
        env_id="Ptycho-v0",
        groups=build.GROUPS,
        steps=build.STEPS,
        make=build.make_eye,
        scores=("E0 on validation specimens", ""),
        shipped=lambda: NETWORK.shipped_file,
        record=evaluate.RECORD,
        effort=_effort,
        assess=evaluate.assess,
        told=evaluate.told,
        missed=evaluate.missed,
        draw=evaluate.figure,
        recorded=True,
    )


def _effort(specimens: int | None) -> evaluate.Effort:
    return evaluate.Effort() if specimens is None else evaluate.Effort(specimens=specimens)
