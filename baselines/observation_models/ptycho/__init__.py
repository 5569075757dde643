"""Neural observation model of Ptycho-v0: restoration of an image while its scan is running."""

from microgym.baselines.observation_models.ptycho import evaluate, page
from microgym.baselines.observation_models.ptycho.dataset import LEARNT
from microgym.baselines.observation_models.specification import ObservationModelSpec
from microgym.reconstruction.ptychography.neural import NETWORK
from microgym.specimens.splits import HELD_OUT

LIMITS = (
    "It knows simulated specimens only, a field of 128 px with the zone plate of `Ptycho-v0`, its "
    "numerical aperture varied by about a third and its defocus by about a half, 500 to a million "
    "photons and 8 to 48 exposures. All else, such as a recorded scan, is extrapolation.",
    "It restores images like those of its families. Detail that a specimen has and they do "
    "not may be smoothed away, and detail that they have may be drawn where there is none: the "
    "uncertainty is true on average over pixels and scans, not for each pixel.",
    "With many photons or much overlap a classical solver that may run to its end is better. It "
    "is the right tool when a scan is over.",
    "Positions and probe are taken as known. Classical solvers that refine them were not compared.",
)
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
    name="reconstructor",
    limits=LIMITS,
    inputs="the running estimate (real and imaginary part) and the photons of each pixel",
    outputs="a complex image and the standard deviation of its error",
    data=" (probe, its error, dose, places, drift, damage), 8 training specimens",
    learnt=LEARNT,
    held_out=HELD_OUT,
    cost=lambda record: f"{record['table']['times_us']['network'] / 1e3:.2f} ms an estimate",
    template="ptycho/page.md",
    values=page.values,
    metrics=page.metrics,
    recorded=True,
)
