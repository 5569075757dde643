"""Force microscopy: scan a surface line by line, with a loop to tune and a tip to keep whole."""

from gymnasium.vector import VectorEnv

from microgym.envs.afm.task import AFMTask
from microgym.envs.core.single_env import MicroscopeEnv
from microgym.envs.core.vector_env import MicroscopeVectorEnv

__all__ = ["AFMEnv", "AFMTask", "AFMVectorEnv"]


class AFMEnv(MicroscopeEnv):
    """Scan a surface with a force microscope: how fast, how hard, how tightly, line by line?

    ## Description

    A force microscope feels a surface with a tip of a few nanometres on an oscillating lever, line
    by line. A feedback loop moves the tip up and down so that the oscillation keeps its amplitude,
    and what the loop does is the image. Too little gain or too much speed, and the tip flies off
    behind every edge and runs into every slope; too much gain, and the scanner's resonance makes
    the loop ring. How much is too much differs between instruments, and nobody tells. A line that
    goes wrong can break the tip, and a broken tip spoils all lines that follow.

    The time does not suffice to scan every line slowly. A good scan finds the gain at which the
    loop begins to ring and stays below, hurries over flat ground, and slows down before it gets
    steep.

    ## Physics

    * **Surface**: heights and elastic moduli of a family of specimens; in the default one, `mixed`,
      atomic terraces lie beside tall deposits and particles, soft beside hard.
    * **Force**: Derjaguin-Mueller-Toporov contact and van der Waals attraction. The amplitude as a
      function of the gap is the solution of the harmonic balance, tabulated over modulus and tip
      radius; where two amplitudes are stable, the oscillation stays on its branch until it is
      pushed over. Tests hold the tables against the integrated equation of motion.
    * **Loop**: the amplitude follows with the lag 2Q/w of the lever; integral and proportional
      gain; a z-scanner with a resonance, a slew rate and a range; thermal and detector noise. All
      linear parts are advanced exactly, 8 to 64 times a pixel. Ringing, parachuting and streaks are
      what comes of that; nothing of it is scripted.
    * **Tip**: a sphere on a cone. Its image of the surface is the grey dilation by its shape. It
      wears by Archard's law; a force over a hidden threshold breaks it; debris can stick to it and
      become a second apex.
    * **Weather**: the specimen drifts, settles and wanders; with `scanner` the lateral scanner
      creeps and has hysteresis.

    ## Observation Space

    A dict. `signals` holds the last line, each of 64 cells the mean over its pixels:

    | index | signal | range | meaning |
    | --- | --- | --- | --- |
    | 0 | trace | -1 to 1 | height z on the way there, less its mean, as z / (abs(z) + 20 nm) |
    | 1 | retrace | -1 to 1 | the same on the way back |
    | 2 | error | -1 to 1 | amplitude less setpoint, over the free amplitude |
    | 3 | unrest | 0 to 1 | root mean square error e in the cell, as e / (e + 1 nm) |
    | 4 | phase | -1 to 1 | cosine of the phase: positive in repulsion |

    `numbers` is a vector. Sizes s are shown as log(s / 1 nm) / log(100), from -1 to 1:

    | index | number | range | meaning |
    | --- | --- | --- | --- |
    | 0 | setpoint | -1 to 1 | of the last action, likewise 1 to 3 |
    | 1 | integral_gain | -1 to 1 | |
    | 2 | proportional_gain | -1 to 1 | |
    | 3 | line_rate | -1 to 1 | |
    | 4 | lines_left | 0 to 1 | part of the lines that is left |
    | 5 | time_left | 0 to 1 | part of the time that is left |
    | 6 | pace | -1 to 1 | half the logarithm of time_left over lines_left |
    | 7 | discrepancy | -1 to 1 | size of trace less retrace, root mean square |
    | 8 | error | -1 to 1 | size of the error signal |
    | 9 | ripple | -1 to 1 | size of its change from pixel to pixel |
    | 10 | steepness | -1 to 1 | size of the trace's mean change from pixel to pixel |
    | 11 | usual_steepness | -1 to 1 | the same, mean of all lines so far |
    | 12 | saturated | 0 to 1 | part of the line in which the amplitude was nearly the free one |
    | 13 | worst_error | 0 to 1 | largest error over the free amplitude |
    | 14 | engaged | 0 to 1 | 1 while the tip is at the surface |
    | 15 | exchanges | 0 to 1 | tips used up, of three |
    | 16 | event | 0 to 1 | what the last step was: scan, re-engage, withdraw, change tip |

    Forces, the tip and the scanner's resonance are not among them.

    ## Action Space

    With `action="dials"` a vector in [-1, 1]: setpoint, integral gain, proportional gain, line
    rate, event. The last one means to scan the next line below 0.5; from there on, in equal parts,
    to approach anew, to withdraw the tip, and to mount a new one. With `action="feedback"` only
    setpoint, integral gain and speed, from a quarter of the even pace, at which the lines that are
    left just use up the time that is left, to four times that: every step is a line.

    ## Rewards

    The sum of four terms with weights:

    | term | what it adds up to over an episode |
    | --- | --- |
    | resolution | signal-to-noise ratio of the image in bel; missing lines are all error |
    | tracking | minus the mean error of the lines over the relief, each at most 1 |
    | force | minus what the peak forces exceed the soft limit by, over it, mean of all pixels |
    | time | minus the time used, over the time there is; seconds of an exchange over 120 s |

    The error of a line is the root mean square of what the trace differs by, offset apart, from
    what a new tip would have shown on the same path: dulling the tip is paid for. The image's
    signal-to-noise ratio is the variance within the lines over the squared error, at most 30 dB.

    ## Cost

    Apart from the reward, `info["cost"]` counts what must not happen: `crash`, a tip broken by a
    force over its threshold, and `tip_change`, a tip used up.

    ## Starting State

    A surface drawn from the seed, and an instrument: resonance and damping of its scanner, radius,
    wear and threshold of its tip, drift. The tip is engaged at a corner of the frame. There are no
    reset options. Specimens of `train`, `validation` and `test` are disjoint whatever the seeds;
    `trenches` are never offered for training.

    ## Episode End

    Terminated when the frame is complete, when its time is used up, or with the third exchange of
    the tip. Never truncated by itself; `max_episode_steps` of `gymnasium.make` truncates as usual.

    ## Info

    | key | content |
    | --- | --- |
    | reward_terms | the four terms of this step, unweighted |
    | cost, cost_terms | what must not happen, see above |
    | metrics | of the image and the tip, see below |
    | ledger | `time_s`, `dose` in nN s, `exposures` (lines), `path_m`, since the start |
    | latent | with `reveal=True`, see below |

    `metrics`: `snr_db` of the image; `image_error_nm`, its root mean square error, in which missing
    lines count as flat; an image is never taken as better than 30 dB; `error_nm` of the last line;
    `peak_nn`, the largest force so far; `crashes`; `tip_radius_nm`, with the flat that is worn on
    it; `worn_nm3`.

    `latent`: of each line the mean and the largest slope, `slope` and `steepest`, in nm a pixel,
    and the `variance`; `gain_limit`, above which the loop rings; `resonance_hz`; `crash_nn`;
    `tip_radius_nm`; `second_apex`; `drift_nm` as (y, x, z).

    ## Arguments

    ```python
    gymnasium.make("AFM-v0", split="test", specimen="particles", tip="real")
    gymnasium.make_vec("AFM-v0", num_envs=8, action="feedback")
    ```

    Every argument is plain data; besides, `render_mode="rgb_array"` gives pictures, and
    `autoreset_mode` chooses one of Gymnasium's three modes for vector environments.

    With `imaging="contact"` a soft lever is pressed against the surface at constant deflection; the
    setpoint is a force. `observation="image"` adds the image so far, 64 x 64, as `image`;
    `observation="features"` is the numbers alone.

    ## Observation models

    Agents that see the lines can also be shown what an operator's computer would make of them. It
    knows signals and dials, and neither the surface nor the tip. `restored` holds the last line so,
    each of 64 cells:

    | index | signal | range | meaning |
    | --- | --- | --- | --- |
    | 0 | height | -1 to 1 | restored height z less its mean, as z / (abs(z) + 20 nm) |
    | 1 | uncertainty | 0 to 1 | root mean square uncertainty s in the cell, as s / (s + 1 nm) |

    With `observation="image"` the image so far is made of restored lines, too.

    * `reconstructor="raw"`, the default: nothing is restored and `restored` is not shown.
    * `reconstructor="classical"`: heights less what the error signals say that the loop has not
      followed, the lower of trace and retrace; the uncertainty is half of what they are apart.
    * `reconstructor="neural"`: what a [small network](../topography.md) makes of the last
      three lines, with a calibrated uncertainty. The network is part of the package and runs in
      compiled code, the same to the bit everywhere. It has learnt from `imaging="amplitude"` alone.

    The reward is the same with all: what is paid for is the trace.

    ## Difficulty switches

    `drift`, `tip`, `loop` and `scanner`, each off, easy, real or hard. A different level of one
    changes no random draw of another. `intervene(drift_velocity_nm_s=..., tip_radius_nm=...,
    crash_nn=...)` sets hidden quantities in the middle of an episode, and every other draw stays as
    it was.

    ## Reference policies

    | agent | what it does |
    | --- | --- |
    | random | settings anywhere on their scales |
    | steady | one setting for all lines, at an even pace |
    | expert | gain up to the onset of ringing and back; slower where the last line was steep |
    | oracle | knows the gain's limit and the surface: shares out the time over what lies ahead |
    | trained | corrections to the expert's dials, trained by PPO |

    Score = (return - expert) / (oracle - expert), on the same specimens and seeds. Habits of all
    but the random one were tuned by search on training specimens. The oracle is a strong reference
    and not a bound.

    All have the same time for a frame. What a score does not say stands in a table of its own: how
    far the image is from the surface, how often the tip was broken, and how blunt it was at the
    end, by wear and by crashes; a tip that was exchanged is a new one.

    ## Where adaptivity does not pay

    On `roughness` and `terraces` all lines are alike, so that there is nothing to share out; what
    is left is to find the gain.

    ## Reproducing

    ```sh
    microgym evaluate AFM-v0 --agent expert --split test --episodes 200 --json
    microgym reproduce AFM-v0
    ```

    The same seed gives the same episode to the bit, for any number of environments and threads.

    ## References

    * San Paulo and Garcia, Phys. Rev. B 64, 193411 (2001): the harmonic balance.
    * Hu and Raman, Appl. Phys. Lett. 91, 123106 (2007): scaling of the peak force.
    * Villarrubia, J. Res. Natl. Inst. Stand. Technol. 102, 425 (1997): dilation by the tip.
    * Archard, J. Appl. Phys. 24, 981 (1953): wear.
    * Kalinin et al., Mach. Learn.: Sci. Technol. 4, 023001 (2023): why probes.

    ## Version History

    * v0: first version.
    """

    task_class = AFMTask


class AFMVectorEnv(MicroscopeVectorEnv, VectorEnv):
    """N force microscopes in one process; see `AFMEnv`."""

    task_class = AFMTask
