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
    title="The neural observation of Ptycho-v0",
    purpose="""\
While a scan runs, `Ptycho-v0` shows a reconstruction of what has been measured so far. With
`reconstructor="neural"` a small network restores the image from the running classical estimate and
the photons of each pixel, and states the standard deviation of its error. It does not replace the
reconstruction: rewards and metrics are those of the classical estimate.""",
    picture=(
        "Truth, classical reconstruction, network, its stated uncertainty and its true error at "
        "three doses",
        "Contrast of one unseen specimen after 24 exposures that hardly overlap. The classical "
        "image is the best that tuned settings give. Uncertainty and error are shown on one scale.",
    ),
    trained="""\
It was trained without true images, in the manner of PtychoPINN (Hoidn, Mishra and Mehta, Sci. Rep.
13, 22789, 2023): the restored image must predict the photon counts of further, simulated exposures
of the same specimen, by Poisson likelihood through the physics of the microscope. That the counts
are others than those of the input keeps the network from learning their noise (Batson and Royer,
arXiv 1901.11365). Photons outside the direct beam count by their pattern, not by their power: power
grows with any contrast, right or wrong, and would reward detail that is not there. Only the
uncertainty is learnt from true errors, by layers that cannot change the image; it is then scaled on
validation specimens.""",
    limits=LIMITS,
    inputs="the running estimate (real and imaginary part) and the photons of each pixel",
    outputs="a complex image and the standard deviation of its error",
    data=" (probe, its error, dose, places, drift, damage), 8 training specimens",
    learnt=LEARNT,
    held_out=HELD_OUT,
    cost=lambda record: f"{record['table']['times_us']['network'] / 1e3:.2f} ms an estimate",
    sections=page.sections,
    metrics=page.metrics,
    recorded=True,
)
