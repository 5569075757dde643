"""Where the network of STM-v0 is made and judged."""

from microgym.baselines.adatoms import assess, figure, shipping
from microgym.baselines.network_commands import Workshop
from microgym.reconstruct.adatoms import shipped_file


def workshop() -> Workshop:
    """What `microgym reconstructor` works with."""
    return Workshop(
        env_id="STM-v0",
        groups=shipping.GROUPS,
        steps=shipping.STEPS,
        make=shipping.make_detector,
        scores=("on images of validation specimens", ""),
        shipped=shipped_file,
        record=assess.RECORD,
        effort=_effort,
        assess=assess.assess,
        told=assess.told,
        missed=assess.missed,
        draw=figure.draw_figure,
    )


def _effort(images: int | None) -> assess.Effort:
    return assess.Effort() if images is None else assess.Effort(images=images)
