"""Where the network of Ptycho-v0 is made and judged."""

from microgym.baselines.eye import assess, shipping
from microgym.baselines.network_commands import Workshop
from microgym.reconstruct.neural import shipped_file


def workshop() -> Workshop:
    """What `microgym reconstructor` works with."""
    return Workshop(
        env_id="Ptycho-v0",
        groups=shipping.GROUPS,
        steps=shipping.STEPS,
        make=shipping.make_eye,
        scores=("E0 on validation specimens", ""),
        shipped=shipped_file,
        record=assess.RECORD,
        effort=_effort,
        assess=assess.assess,
        told=assess.told,
        missed=assess.missed,
        draw=assess.figure,
        recorded=True,
    )


def _effort(specimens: int | None) -> assess.Effort:
    return assess.Effort() if specimens is None else assess.Effort(specimens=specimens)
