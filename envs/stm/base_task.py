"""Parts that the three STM tasks share: instrument, image, time, interventions."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.envs.core.channels import Channel, Channels
from microgym.envs.core.declarations import Intervention, Latent, Metric, Term, drift
from microgym.envs.core.task import Modes, Task
from microgym.envs.stm import render
from microgym.instruments.stm.instrument import STMInstrument
from microgym.instruments.stm.state import PIXELS
from microgym.physics.stm_tip import STATES, STRENGTH, WIDTH
from microgym.state import Int64

_TRAITS, _KIND = "instrument.state.tip.traits", "instrument.state.tip.kind"

IMAGE_NM = 0.3
"""Height that an image shows as 1, nm."""
IMAGE = Channels(PIXELS, PIXELS, height=Channel("last image, y from low to high", f"{IMAGE_NM} nm"))

USAGE = (
    Metric("exposures", "images", "", "", "ledger", gauge="most_images", text="{value:.0f}"),
    Metric("time_s", "time taken", "s", "", "ledger", gauge="config.time_budget_s"),
    Metric("dose", "charge", "nC", "", "ledger", False, 2000.0),
)
"""Metrics of the ledger."""
TIME = Term(
    1.0, "minus the time used, over the time there is", "lower", "config.time_budget_s",
    "ledger.time_s",
)  # fmt: skip
TIP_LATENT = {
    "traits": Latent("traits of the tip, see `microgym.physics.stm_tip.TRAITS`", _TRAITS),
    "tip_state": Latent("state of the tip", _KIND),
}
"""Hidden quantities of the tip."""


def modes(numbers: Channels) -> Modes:
    """Observations by the argument `observation`: a vector, or the image beside it."""
    return Modes(features=numbers, image={"image": IMAGE, "numbers": numbers})


class TunnellingTask(Task):
    """N tunnelling microscopes; base of the three tasks.

    Attributes:
        instrument: the microscopes.
        most_images: images that there is time for.
    """

    INTERVENTIONS = {
        **drift("nm", "x, y"),
        "well_strength_ev": Intervention(
            "depth of the well at 77 uS", _TRAITS, STRENGTH, above=0.0, example=0.7
        ),
        "well_width_nm": Intervention("width of the well", _TRAITS, WIDTH, above=0.0, example=0.3),
        "tip_state": Intervention(
            "state of the tip, with the traits of this tip in that state",
            "instrument.set_tips",
            names=STATES,
            example="double",
        ),
    }
    BUDGETS = {"ledger.time_s": "config.time_budget_s"}
    GAUGES = render.GAUGES

    def build(self) -> None:
        """Make the instrument."""
        self.instrument = STMInstrument(self.num_envs, self.config.settings)
        self.most_images = self.config.time_budget_s / self.instrument.settings.image_s

    def take_image(self, rows: Int64) -> None:
        """Take an image in some rows, and draw it where it is observed or searched for adatoms."""
        self.instrument.look(rows)
        if self.config.observation == "image" or self.config.detects:
            self.instrument.draw(rows)

    def columns(self) -> list[NDArray[Any]]:
        """Values of the vector of the observation in the order of its channels, each (N, ...)."""
        raise NotImplementedError

    def observe(self) -> Any:
        """The vector, and the last image where asked for."""
        columns = np.column_stack([one.reshape(self.num_envs, -1) for one in self.columns()])
        if self.config.observation == "features":
            return self.observed.scaled(columns)
        image = IMAGE.pack(height=self.instrument.state.image / np.float32(IMAGE_NM))
        return {"image": image, "numbers": self.observed["numbers"].scaled(columns)}
