"""Where the network of AFM-v0 is made and judged."""

from microgym.baselines.network_commands import Workshop
from microgym.baselines.topography import assess, shipping
from microgym.reconstruct.topography import shipped_file


def workshop() -> Workshop:
    """What `microgym reconstructor` works with."""
    return Workshop(
        env_id="AFM-v0",
        groups=shipping.GROUPS,
        steps=shipping.STEPS,
        make=shipping.make_network,
        scores=("median error of lines of validation surfaces:", " nm"),
        shipped=shipped_file,
        record=assess.RECORD,
        effort=_effort,
        assess=assess.assess,
        told=assess.told,
        missed=assess.missed,
        draw=assess.figure,
    )


def _effort(specimens: int | None) -> assess.Effort:
    return assess.Effort() if specimens is None else assess.Effort(specimens=specimens)
