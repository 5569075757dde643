"""Adaptive ptychography: scan an unknown specimen with few exposures."""

from gymnasium.vector import VectorEnv

from microgym.envs.core.single_env import MicroscopeEnv
from microgym.envs.core.vector_env import MicroscopeVectorEnv
from microgym.envs.ptycho.task import PtychoTask

__all__ = ["PtychoEnv", "PtychoTask", "PtychoVectorEnv"]


class PtychoEnv(MicroscopeEnv):
    """Scan an unknown specimen with a small coherent beam: where next, and for how long?

    ## Description

    Ptychography makes an image without a lens: a beam smaller than the specimen is put on one place
    after another, a camera far behind counts the photons of each diffraction pattern, and a
    computer finds the complex image that explains all the patterns together. It needs beams that
    overlap, and it needs photons; both cost time, and photons harm the specimen. An ordinary scan
    spreads them evenly. Here the specimen is mostly empty, nobody knows where it is not, and there
    are too few exposures to cover everything: after each exposure the agent sees what is known so
    far, and chooses the next position and the exposure time.

    A good scan looks around coarsely, recognises structure, follows it with overlapping exposures,
    and does not waste any on vacuum or on the same spot.

    ## Physics

    * **Specimen**: a complex transmission function O, with modulus at most 1; vacuum is 1. In the
      default family, `sparse`, one to three textured ribbons wind through vacuum.
    * **Probe**: a coherent beam from a zone plate upstream of the specimen, so that the wave on the
      specimen is a disk with a curved phase. `coherence` makes it a sum of modes.
    * **Diffraction**: the exit wave is the product of probe and specimen; the detector is in the
      far field, one unitary Fourier transform away, so that photons are conserved.
    * **Counting**: every pixel draws a Poisson number; `detector` adds a full well, a beam stop and
      read noise.
    * **Stage**: it takes time to move, and from `drift="easy"` on the specimen drifts, settles,
      wanders and follows commands imperfectly. The reconstruction knows only the commands.
    * **Damage**: contrast fades exponentially with the photons a pixel has got, fine detail before
      coarse.
    * **Reconstruction**: rPIE on the fly, a few iterations on each new exposure, and `final_sweeps`
      sweeps through all of them at the end; the probe is known.

    ## Observation Space

    A dict. `maps` holds five square maps of the region in which the beam may stand, each cell the
    mean over its pixels:

    | index | map | range | meaning |
    | --- | --- | --- | --- |
    | 0 | amplitude | -1 to 1 | half the modulus of the image; vacuum is 0.5 |
    | 1 | phase | -1 to 1 | its phase over pi; vacuum is 0 |
    | 2 | coverage | -1 to 1 | 1 - exp(-3 E) after E exposures' worth of photons; never negative |
    | 3 | dose | -1 to 1 | E / 10, at most 1; never negative |
    | 4 | uncertainty | -1 to 1 | twice the image's standard deviation, at most 1; never negative |

    `numbers` is a vector:

    | index | number | range | meaning |
    | --- | --- | --- | --- |
    | 0 | y | -1 to 1 | commanded position of the latest exposure, from top to bottom |
    | 1 | x | -1 to 1 | the same from left to right |
    | 2 | exposures_left | -1 to 1 | part of the exposures that is left |
    | 3 | time_left | -1 to 1 | part of the time that is left |
    | 4 | dose | -1 to 1 | d / (1 + d), d the photons spent over the nominal budget |
    | 5 | transmitted | -1 to 1 | latest counts in the direct beam over the photons sent |
    | 6 | scattered | -1 to 1 | latest counts outside it over the photons sent |

    Coverage and dose are what the operator knows: the commanded places and the known probe. Where
    the beam really fell is hidden.

    ## Action Space

    With `action="continuous"` a vector in [-1, 1]: y and x of the next position across the region,
    and the exposure time on a logarithmic scale from the shortest to the longest. Positions are
    rounded to whole object pixels, the steps of the stage.

    With `action="grid"` one number: a cell of a square grid in reading order, plus the number of
    cells for each step up in exposure time. Cells already exposed are masked in
    `info["action_mask"]` and `action_masks()`, until none is free.

    ## Rewards

    The sum of five terms with weights. Each is the change of a quantity in this step, so that their
    sums over an episode mean something whatever came between:

    | term | what it adds up to over an episode |
    | --- | --- |
    | resolution | signal-to-noise ratio of the reconstruction on the structure, in bel (10 dB) |
    | discovery | part of the structure that at least half an exposure has really fallen on |
    | dose | minus the photons sent, over what all exposures of one second would send |
    | damage | minus the part of the specimen's squared contrast that was lost |
    | time | minus the time used, over the time there is |

    The signal-to-noise ratio is free of gauge (`microgym.metrics.structure_snr_db`): an empty image
    has 0 dB, and only structure counts. The step that ends the episode is paid after the final
    sweeps. With `reward_mode="vector"` the reward is the vector of unweighted terms.

    ## Cost

    Apart from the reward, `info["cost"]` is the part of the structure that this step has destroyed:
    pixels whose photons have exceeded the critical fluence of even the coarsest detail. Its only
    term is `specimen_destroyed`.

    ## Starting State

    A specimen drawn from the seed, its place, shape and texture unknown; the stage at the centre,
    with a drift drawn from the seed; the reconstruction is vacuum, clock and dose are zero. There
    are no reset options. Specimens of `train`, `validation` and `test` are disjoint whatever the
    seeds; `siemens_star` is never offered for training.

    ## Episode End

    Terminated when the exposures are used up, or when the clock has passed the time limit. Never
    truncated by itself; `max_episode_steps` of `gymnasium.make` truncates as usual.

    ## Info

    | key | content |
    | --- | --- |
    | reward_terms | the five terms of this step, unweighted |
    | cost, cost_terms | what must not happen, see above |
    | metrics | `snr_db`; `complex_error`, relative to the structure; `found`; `contrast_lost` |
    | ledger | `time_s`, `dose` in photons, `exposures`, `path_m`, since the start |
    | action_mask | free cells, with `action="grid"` |
    | latent | with `reveal=True`: `structure`, its part of each map cell; `drift_px`, as (y, x) |

    ## Arguments

    ```python
    gymnasium.make("Ptycho-v0", split="test", exposures=36, drift="real")
    gymnasium.make_vec("Ptycho-v0", num_envs=8, action="grid")
    ```

    Every argument is plain data; besides, `render_mode="rgb_array"` gives pictures, and
    `autoreset_mode` chooses one of Gymnasium's three modes for vector environments.

    ## Observation models

    The image of the maps, and its uncertainty, are one of three:

    * `reconstructor="classical"`: the running reconstruction, with the uncertainty that photon
      statistics and a prior contrast leave.
    * `reconstructor="neural"`: what a [small network](../reconstructor.md) makes of it: noise is
      suppressed, structure is continued, and the uncertainty is calibrated. The network is part of
      the package and runs in compiled code, the same to the bit everywhere.
    * `reconstructor="raw"`: in the place of amplitude and phase, the image that the transmitted and
      the scattered part of each exposure give where it fell: a scanning transmission image, in
      which bright field is the real and dark field the imaginary part.

    The reward is the same with all: it is made of the classical reconstruction.

    `observation="full"` has finer maps. `observation="features"` is one vector: the numbers, then
    the contrast of the image and the coverage, each as a small map in reading order.

    ## Difficulty switches

    `drift`, `damage`, `detector` and `coherence`, each off, easy, real or hard. A different level
    of one changes no random draw of another. `intervene(drift_velocity_px_s=..., settling_px=...)`
    sets the hidden drift in the middle of an episode, and every other draw stays as it was.

    ## Recorded scans

    With `recording="scan.npz"` a measured scan replaces the simulation. The file is npz (also
    packed by bzip2) with `patterns`, `positions` and `probe`, or HDF5 such as CXI
    (`microgym.instruments.recorded.recording`). Whatever position is asked for, the nearest
    recorded exposure is given; each of its counts is kept with a probability such that the dose is
    the one asked for. A place cannot give more photons than were recorded, nothing drifts or fades
    beyond what the recording holds, and `split` has no effect. What counts as truth is the
    reconstruction from the whole scan at full dose.

    A public recording to try is `tests/data/siemens-star-small.npz.bz2` of the repository
    AdvancedPhotonSource/tike: X-ray ptychography of a Siemens star at the Advanced Photon Source.

    ## Reference policies

    | agent | what it does |
    | --- | --- |
    | idle | the zero action |
    | random | uniform positions, one second each |
    | raster | rows, to and fro, as even as the number of exposures allows |
    | spiral | Fermat's spiral from the middle outwards |
    | halton | Halton's sequence, even at any length |
    | expert | a coarse raster, then where structure shows or should go on and is not yet covered |
    | oracle | sees structure and drift; where most of what is not yet known would be seen |
    | trained | the policy that comes with the package, trained by PPO |

    Score = (return - expert) / (oracle - expert), on the same specimens and seeds. Habits of expert
    and oracle were tuned by search on training specimens. The oracle is greedy: it is a strong
    reference and not a bound.

    ## Where adaptivity does not pay

    Where structure is everywhere (`specimen="grf"`, `"lines"`, `"large_features"`), no place is
    worth more than another, and an even pattern is hard to beat. The same happens on any specimen
    as exposures become enough to cover the region with overlap (`exposures=100`).

    ## Reproducing

    ```sh
    microgym evaluate Ptycho-v0 --agent trained --split test --episodes 200 --json
    microgym reproduce Ptycho-v0
    ```

    The same seed gives the same episode to the bit, for any number of environments and threads.

    ## References

    * Maiden and Rodenburg, Ultramicroscopy 109, 1256 (2009): ePIE.
    * Maiden, Johnson and Li, Optica 4, 736 (2017): rPIE, the reconstruction used here.
    * Thibault and Menzel, Nature 494, 68 (2013): mixed states.
    * Howells et al., J. Electron Spectrosc. Relat. Phenom. 170, 4 (2009): dose and resolution.
    * Huang et al., Opt. Express 22, 12634 (2014): the spiral.
    * Halton, Numer. Math. 2, 84 (1960): the sequence.

    ## Version History

    * v0: first version.
    """

    task_class = PtychoTask


class PtychoVectorEnv(MicroscopeVectorEnv, VectorEnv):
    """N ptychographic microscopes in one process; see `PtychoEnv`."""

    task_class = PtychoTask
