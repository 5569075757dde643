"""Ferroelectric lithography: write a domain pattern, or shift a hysteresis loop, with a tip."""

from microgym.envs.core.single_env import MicroscopeEnv
from microgym.envs.core.vector_env import MicroscopeVectorEnv
from microgym.envs.pfm.task import PFMTask

__all__ = ["PFMEnv", "PFMTask", "PFMVectorEnv"]


class PFMEnv(MicroscopeEnv):
    """Write a pattern into a ferroelectric film with the tip of a microscope.

    ## Description

    A ferroelectric film remembers in which direction a strong field last pointed. A bias pulse on a
    sharp tip turns the polarisation under it and leaves a domain; how large it becomes depends on
    the bias, on the time, and on the film itself, which prefers one direction here and the other
    there, holds domain walls on defects, and lets small domains switch back. None of that is known
    beforehand. An image shows what has become of the domains, but takes as long as ten pulses, and
    disturbs what it shows.

    With `goal="write"` a pattern of domains is to be written into a film that points down. A good
    operator writes large domains first, where the pattern has room, looks from time to time, mends
    what switched back and takes away what spilt over; a better one guesses from the image where the
    film will help and where it will not, and looks less.

    With `goal="loop"` a property of one point is to be changed: its imprint, the bias about which
    its hysteresis loop is centred. What surrounds a point pulls at it, so that domains written
    around it shift the loop; to take a loop costs time, and turns the point itself.

    ## Physics

    * **Film**: a lattice of polarisations that obeys Landau-Khalatnikov dynamics: each site in a
      double well, coupled to its four neighbours (with the square lattice's own Laplacian), with
      thermal noise. Walls are `sqrt(8 kappa)` cells wide.
    * **Disorder**: a random field prefers one direction, a random bond makes the well shallow or
      deep, dead cells along grain boundaries hold walls and cut the coupling.
    * **Tip**: the field of a charge at the height d, `d^3 / (r^2 + d^2)^(3/2)` of what it is under
      the tip.
    * **Time**: domain walls creep, so that measured domains grow with the logarithm of the pulse.
      Lattice time is therefore taken as the logarithm of time: the standard pulse of 10 ms is 20
      steps, the longest of 1 s is 39. Pulses of one sign at one place go on where the last one
      stopped, so that many short ones do what a long one does.
    * **Back-switching**: between pulses the film relaxes, again by the logarithm of the time since
      the last one.
    * **Image**: the polarisation seen through the tip, line by line while the tip drifts, with
      noise and an electrostatic offset. The contact potential of the tip acts on every cell.
    * **Loop**: the bias goes to its largest value, to minus that and back; what counts is where the
      response changes sign on the way up and on the way down.
    * **Tip and film suffer**: the tip grows blunt, and above a bias that nobody knows exactly the
      film may break down.

    ## Observation Space

    A dict. `maps` holds five square maps of the film, each cell the mean over its sites:

    | index | map | range | meaning |
    | --- | --- | --- | --- |
    | 0 | response | -1 to 1 | the last image; -1 (all down) before the first |
    | 1 | wanted | -1 to 1 | 1 where the film is to point up; for a loop, a spot at the point |
    | 2 | fresh | -1 to 1 | pulses since the last look: bias over 10 V times the tip's profile |
    | 3 | raised | -1 to 1 | all positive pulses so far: the same over 30 V; never negative |
    | 4 | lowered | -1 to 1 | all negative ones, as a positive number |

    `numbers` is a vector:

    | index | number | range | meaning |
    | --- | --- | --- | --- |
    | 0 | y | -1 to 1 | commanded place of the last pulse, from top to bottom |
    | 1 | x | -1 to 1 | the same from left to right |
    | 2 | volts | -1 to 1 | its bias over 10 V |
    | 3 | seconds | -1 to 1 | its length, on the action's logarithmic scale |
    | 4 | pulses_left | -1 to 1 | part of the pulses that is left |
    | 5 | time_left | -1 to 1 | part of the time that is left |
    | 6 | age | -1 to 1 | time since the last look over the time limit |
    | 7 | asked | -1 to 1 | imprint that is asked for, over the largest bias of a loop |
    | 8 | rising | -1 to 1 | bias at which the last loop changed sign on the way up, over the same |
    | 9 | falling | -1 to 1 | the same on the way down |

    The last three are 0 unless a loop is the goal, and the response stays -1 where it is: who takes
    loops has no image. Where the tip really was is hidden.

    ## Action Space

    With `action="continuous"` a vector in [-1, 1]: y and x of the next pulse across the film, its
    bias in units of 10 V, its length on a logarithmic scale, and whether to look afterwards (above
    0): to take an image, or with `goal="loop"` a loop. A bias of 0 is a wait.

    With `action="grid"` one number: a cell of a square grid in reading order, plus the number of
    cells for each step up in the list of (bias, look), in which looking comes second. All pulses
    are 10 ms long. What was done since the last look is masked in `info["action_mask"]` and
    `action_masks()`: it is not done again before it has been looked at.

    ## Rewards

    The sum of three terms with weights. Each is the change of a quantity in this step:

    | term | what it adds up to over an episode |
    | --- | --- |
    | damage | minus the part of the rest of the film that was written on or destroyed |
    | time | minus the time used, over the time there is |
    | agreement | gain in agreement with what is wanted |

    Agreement with a pattern is the Jaccard index (intersection over union) of what points up and
    what should. Agreement with an imprint is 1 less the error over 2 V, and not below 0; what is
    written around the point is no damage then. With `reward_mode="vector"` the reward is the vector
    of unweighted terms.

    ## Cost

    Apart from the reward, `info["cost"]` is 1 in the step in which the film breaks down. Its only
    term is `breakdown`.

    ## Starting State

    A film drawn from the seed, poled down and at rest (a few spots may have turned by themselves);
    a sharp tip at its centre, with a drift drawn from the seed. The pattern is drawn from the seed,
    too, as is how far the imprint is to be shifted. There are no reset options. Films and patterns
    of `train`, `validation` and `test` are disjoint whatever the seeds; `twins` and `frames` are
    never offered for training.

    ## Episode End

    Terminated when pulses or time are used up, when the film has broken down, or when the agreement
    has reached 0.95. Never truncated by itself; `max_episode_steps` of `gymnasium.make` truncates
    as usual.

    ## Info

    | key | content |
    | --- | --- |
    | reward_terms | the three terms of this step, unweighted |
    | cost, cost_terms | what must not happen, see above |
    | metrics | `agreement`; `written`, `spilt` over the pattern; `images`; `tip_wear` |
    | ledger | `time_s`, `dose` (bias times time, V s), `exposures` (pulses), `path_m` |
    | action_mask | pulses not given since the last look, with `action="grid"` |
    | latent | with `reveal=True`, see below |

    With `goal="loop"` there is the metric `imprint_error_v`, too. The hidden state is `structure`,
    the part of each map cell that points up; `p`, the polarisation; `imprint`, `bond` and
    `barrier`, the film (`microgym.specimens.ferroelectrics`), and `strength` of its disorder;
    `wear` and `bearable_v`; `drift_cells`; `target`, `imprint_v` and `asked_v`.

    ## Arguments

    ```python
    gymnasium.make("PFM-v0", split="test", pulses=24, disorder="hard")
    gymnasium.make("PFM-v0", goal="loop")
    gymnasium.make_vec("PFM-v0", num_envs=8, action="grid")
    ```

    Every argument is plain data; besides, `render_mode="rgb_array"` gives pictures, and
    `autoreset_mode` chooses one of Gymnasium's three modes for vector environments.

    ## Observation models

    What the instrument measures is shown as it is; there is no reconstruction. `observation="full"`
    has finer maps. `observation="features"` is one vector: the numbers, then the first three maps,
    each small and in reading order.

    ## Difficulty switches

    `drift`, `disorder`, `tip`, `readout` and `heat`, each off, easy, real or hard. A different
    level of one changes no random draw of another. `intervene(drift_velocity_cells_s=...,
    settling_cells=..., disorder=...)` sets the hidden drift and the strength of the disorder in the
    middle of an episode, and every other draw stays as it was.

    ## Recorded scans

    None: what a film does to a pulse cannot be replayed.

    ## Reference policies

    | agent | what it does |
    | --- | --- |
    | idle | the zero action |
    | random | uniform places and biases, 10 ms each; a look after every fourth pulse |
    | expert | writes where a calibrated disk puts most right; looks after 7 pulses, then every 6 |
    | oracle | sees the film, tries pulses on a copy of it, and gives the best one |
    | trained | the policy that comes with the package, trained by PPO |

    For a loop, the expert takes one, reckons how many pulses around the point will do, gives them,
    and takes the next. Score = (return - expert) / (oracle - expert), on the same films and seeds.
    Habits of the expert were tuned by search on training films. The oracle looks one pulse ahead:
    it is a strong reference and not a bound.

    ## Where adaptivity does not pay

    On a film without disorder (`disorder="off"`), without heat and drift, every pulse does what the
    last one did: images tell nothing that was not known before, and a list of pulses that was
    worked out once for a pattern is as good as any policy.

    ## Reproducing

    ```sh
    microgym evaluate PFM-v0 --agent expert --split test --episodes 200 --json
    microgym train PFM-v0 --seeds 0 1 2 --output runs/pfm
    ```

    The same seed gives the same episode to the bit, for any number of environments and threads.

    ## References

    * Ricinschi et al., J. Phys.: Condens. Matter 10, 477 (1998): the lattice.
    * Blaser and Paruch, New J. Phys. 17, 013002 (2015): growth of domains under a tip.
    * Rodriguez et al., Appl. Phys. Lett. 86, 012906 (2005): domains grow linearly with the bias.
    * Kalinin et al., Mach. Learn.: Sci. Technol. 4, 023001 (2023): why probes need such agents.
    * Kloeden and Platen, Numerical Solution of Stochastic Differential Equations (1992): the noise.

    ## Version History

    * v0: first version.
    """

    task_class = PFMTask


class PFMVectorEnv(MicroscopeVectorEnv):
    """N piezoresponse force microscopes in one process; see `PFMEnv`."""

    task_class = PFMTask
