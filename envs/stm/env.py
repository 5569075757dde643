"""Moving adatoms with a tunnelling microscope, and mending its tip."""

from gymnasium.vector import VectorEnv

from microgym.envs.core.single_env import MicroscopeEnv
from microgym.envs.core.vector_env import MicroscopeVectorEnv
from microgym.envs.stm.task import STMTask

__all__ = ["STMEnv", "STMTask", "STMVectorEnv"]


class STMEnv(MicroscopeEnv):
    """Drag adatoms to their targets with a tip that nobody knows: where to, and when to look?

    ## Description

    A tunnelling microscope can move single adatoms: lowered over one, the tip attracts it, and
    drags it along when it moves. Whether the adatom follows depends on what cannot be seen. The
    well that the tip makes may be deep or shallow, wide or narrow, and the atom that pulls need not
    be the atom that tunnels, so that adatoms come to rest beside where they should. The surface
    drifts meanwhile, and to look again takes far longer than to drag.

    On a close-packed surface direction matters. Along the rows an adatom hops from hollow to hollow
    over low bridges; straight over a surface atom the barrier is nine times as high, and only a
    deep well takes it around. A deep well, though, also takes along what should be left alone.

    Three goals by argument: `goal="move"`, one adatom to its target; `goal="build"`, several into a
    figure, in which bystanders must not move; `goal="tip"`, a bad tip to be made sharp again by
    pulses and dips on a surface of which there is a finite amount.

    ## Physics

    * **Tunnelling**: the current falls by a decade every 0.1 nm; images are taken at constant
      current under a logarithmic feedback, and adatoms stand in the standing waves of the surface's
      electrons.
    * **Surface**: fcc(111) with hollows, bridges and tops at 0, 1 and 9 times the barrier.
    * **Adatoms**: they hop between hollows with Arrhenius rates (kinetic Monte Carlo), at 5 K only
      where the tip's well lowers the barrier to almost nothing; two never share a place. At a step
      they stay for good.
    * **Well**: Gaussian; its depth grows with the 0.46th power of the conductance of the junction.
    * **Tip**: a Markov chain of five states; it changes by itself the more often the more current
      flows, by conditioning, by contamination, and by a crash where a step comes in its way.
    * **Drift**: linear, settling, and wandering (Ornstein-Uhlenbeck). After every image the scan
      frame follows what the image tells of it; what has come since is hidden.

    ## Observation Space

    A vector, each element in -1 to 1. With "move" and "build", first eight numbers for each adatom
    that is to be moved, those not yet in place foremost, the nearest to its target first:

    | number | unit | meaning |
    | --- | --- | --- |
    | way_x, way_y | 3 nm | from the adatom to its target, as believed |
    | x, y | 4 nm | place of the adatom, as believed |
    | placed | | 1 if it seems to be in place |
    | stale | 4 | drags of it since the last image |
    | near_x, near_y | 2 nm | from it to the nearest other adatom |

    Believed is what the last image showed, and after a drag without an image, where the drag ended.
    Then, once:

    | number | unit | meaning |
    | --- | --- | --- |
    | hollow | | kind of hollow of the first adatom's target: -1 fcc, 1 hcp |
    | shift_x, shift_y | 0.5 nm | drift to be expected since the last image |
    | drift_x, drift_y | 0.03 nm/s | drift between the last two images |
    | since_look | 60 s | time since the last image |
    | time_left | | part of the time that is left |
    | landed | | 1 if the image shows where the drag before it ended |
    | landing_x, landing_y | 0.5 nm | how far from the drag's end the adatom then was |
    | last_start_x ... last_look | | the last action that dragged |
    | trace_0 ... trace_15 | 1.5 | current of the last drag over its set value, sixteen means |

    With "tip", the readings of the last image (blur, ghost, flicker, slope), their means since the
    tip was last touched, the number of those, the last action and how often each was taken, clean
    surface, fresh places and time left.

    `observation="image"` gives a dict: this vector as `numbers`, and the last image as `image`, 64
    x 64 heights in units of 0.3 nm.

    ## Action Space

    With "move" a vector in -1 to 1, in the ranges that were used on hardware:

    | component | range | meaning |
    | --- | --- | --- |
    | start_x, start_y | 0.4 nm | where the drag begins, from the adatom's believed place |
    | end_x, end_y | 2 nm | where it ends |
    | bias | 5 to 15 mV | |
    | conductance | 3 to 6 uS | of the junction over the adatom |
    | look | | below -1/3: drag only; above 1/3: image only; between: both |

    "build" has an eighth component, which of the adatoms it is, in the order of the observation in
    equal shares of the range. With "tip" the action is a number: look again, six pulses, six dips,
    move to a fresh place, accept; what there is no room for is masked, and accepting is until two
    images have been taken of a tip.

    ## Rewards

    The sum of terms with weights. With "move" and "build":

    | term | what it adds up to over an episode |
    | --- | --- |
    | time | minus the time used, over the time there is |
    | safety | minus the number of bystanders moved, adatoms lost and crashes |
    | agreement | part of the adatoms that are on their targets |
    | approach | part of the way to the targets that was gone |

    With "tip": damage is minus the surface spoilt, in places; time; and agreement is 1 for
    accepting a sharp tip and -1 for another. With `reward_mode="vector"` the reward is the vector
    of unweighted terms.

    ## Cost

    `info["cost"]` counts what must not happen: `bystanders` that this step has moved, a `crash`,
    adatoms `lost`; with "tip" a bad tip accepted, `accepted_bad`.

    ## Starting State

    A surface, a tip and a drift drawn from the seed, and a first image of them. The tip is sharp,
    but with "tip", where it never is. There are no reset options. Specimens of `train`,
    `validation` and `test` are disjoint whatever the seeds; `stepped` is never offered for
    training.

    ## Episode End

    Terminated when an image shows all adatoms in place, when one of them is lost, by a crash, when
    a tip is accepted, or when the clock has passed the time limit. Never truncated by itself.

    ## Info

    | key | content |
    | --- | --- |
    | reward_terms | the terms of this step, unweighted |
    | cost, cost_terms | what must not happen, see above |
    | metrics | `placed`, `way_left`, `bystanders_moved`; or `sharp`, `recovered`, `spoilt` |
    | ledger | `time_s`, `dose` as charge in nC, `exposures` as images, `path_m`, since the start |
    | action_mask | what there is room for, with "tip" |
    | sighting | how sure the image is of the adatoms to be moved, with a detector |
    | latent | with `reveal=True`: places, targets, drift, traits and state of the tip |

    ## Arguments

    ```python
    gymnasium.make("STM-v0", goal="build", atoms=4, split="test")
    gymnasium.make_vec("STM-v0", num_envs=8, goal="tip")
    ```

    Every argument is plain data; besides, `render_mode="rgb_array"` gives pictures, and
    `autoreset_mode` chooses one of Gymnasium's three modes for vector environments.

    ## Observation models

    `reconstructor="model"`, the default: the vector is what tracking software would tell, which
    never mistakes one adatom for another: places to some tens of picometres, worse with a blunt or
    restless tip. The image is what it would be told from.

    `reconstructor="classical"` and `"neural"` look at the image, which then has 1/f noise and mains
    besides: a matched filter, or a network trained on simulated images (`docs/adatoms.md`). The
    adatoms to be moved are pointed out in the first image; from then on they are those nearest to
    where they are believed to be, and one that is missed stays there, with `stale` at 1 at least.
    `info["sighting"]` tells for each of them, in the order of the vector, the `probability` that
    what was taken for it is an adatom (0 where it was missed), the `uncertainty_nm` of its place
    along one axis, and for how many images in a row it was `missed`. Not with "tip".

    ## Difficulty switches

    `drift`, `tip` and `noise`, each off, easy, real or hard. A different level of one changes no
    random draw of another. `intervene(...)` sets `drift_velocity_nm_s`, `settling_nm`,
    `well_strength_ev`, `well_width_nm` or `tip_state` in the middle of an episode, and every other
    draw stays as it was.

    ## Recorded scans

    None: what a tip would have done elsewhere cannot be read off a recording.

    ## Reference policies

    | agent | what it does |
    | --- | --- |
    | idle | the zero action; where actions are masked, the first allowed one |
    | random | any drag, or any conditioning there is room for |
    | expert | goes by rows, foresees drift, corrects by where adatoms landed, pushes on |
    | oracle | sees surface, tip and drift, and tries many drags out before it makes one |
    | trained | corrections to the expert's drags, trained by PPO |

    With "tip" the expert dips a tip that looks bad, pulses one that looks dirty and looks twice at
    one that looks sharp; the oracle knows the state; no agent is trained. Score = (return - expert)
    / (oracle - expert), on the same specimens and seeds. Habits of the expert were tuned by search
    on training specimens.

    ## Where adaptivity does not pay

    With `tip="off"` and `drift="off"` all tips are alike and nothing moves by itself: a fixed
    recipe of drags along rows does it, and there is nothing to be learnt on the way.

    ## Reproducing

    ```sh
    microgym evaluate STM-v0 --agent expert --split test --episodes 200 --json
    microgym reproduce STMBuild-v0 --small
    ```

    The same seed gives the same episode to the bit, for any number of environments and threads.

    ## References

    * Tersoff and Hamann, Phys. Rev. B 31, 805 (1985): the current.
    * Crommie, Lutz and Eigler, Nature 363, 524 (1993): standing waves.
    * Limot et al., Phys. Rev. Lett. 94, 126102 (2005): contact.
    * Ternes et al., Science 319, 1066 (2008): the force it takes to move an adatom.
    * Chen et al., Nat. Commun. 13, 7499 (2022): reinforcement learning on hardware, ranges.
    * Krull et al., Commun. Phys. 3, 54 (2020): conditioning of tips.
    * Speiser et al., Nat. Methods 18, 1082 (2021): the form of the network's answer.

    ## Version History

    * v0: first version.
    """

    task_class = STMTask


class STMVectorEnv(MicroscopeVectorEnv, VectorEnv):
    """N tunnelling microscopes in one process; see `STMEnv`."""

    task_class = STMTask
