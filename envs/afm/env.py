"""Scan a surface with a force microscope: choose speed, force and gains line by line.

## Description

A force microscope scans a surface with a tip of a few nanometres on an oscillating cantilever, line
by line. A feedback loop moves the tip up and down so that the oscillation keeps its amplitude, and
the motion of the loop is the image. With too little gain or too much speed the tip loses the
surface behind every edge and runs into every slope; with too much gain, the scanner's resonance
makes the loop ring. The limit differs between instruments and is hidden. A line that goes wrong can
break the tip, and a broken tip spoils all lines that follow.

The time does not suffice to scan every line slowly. A good policy finds the gain at which the loop
begins to ring and stays below, scans flat ground fast, and slows down before steep ground.

## Physics

* **Surface**: heights and elastic moduli of a family of specimens; in the default one, `mixed`,
  atomic terraces lie beside tall deposits and particles, soft beside hard.
* **Force**: Derjaguin-Mueller-Toporov contact and van der Waals attraction. Amplitude and phase of
  the oscillation are two states, averaged over its cycles, which the mean force turns: where two
  amplitudes are stable, the oscillation stays on its branch until it ends, and a surface that
  rises in a millisecond hits several times harder than a slow one.
* **Loop**: a controller of 50 kHz with integral and proportional gain; a z-scanner with a
  resonance, a slew rate and a range; thermal and detector noise. On stiff ground the amplitude is
  held by the surface; off it, it grows with the lag 2Q/w of the cantilever. Ringing, parachuting
  and streaks follow. Soft ground rings from about half of the gain on that stiff ground bears.
* **Tip**: a sphere on a cone. Its image of the surface is the grey dilation by its shape. It wears
  by Archard's law; it breaks where the pressure of the contact exceeds its hidden strength, 12 to
  18 GPa, which on stiff ground takes some hundred nN, and on soft ground or with a blunt tip many
  times more; debris can stick to it and become a second apex.
* **Drift**: the specimen drifts, settles and wanders; with `scanner` the lateral scanner creeps and
  has hysteresis.

## Observation Space

`signals` is the last line, each of 64 cells the mean over its pixels; `numbers` is a vector;
`image`, with `observation="image"`, is the image so far; `restored`, with an observation model, is
the restored last line. With `observation="features"` the numbers alone. Forces, the tip and the
scanner's resonance are hidden.

## Action Space

Settings are changes a about those of a beginner, of which the largest is still sensible: with
zeros a frame is scanned completely, but badly. The speed is that over the even pace, the line rate
at which the lines that are left just use up the time that is left. With `action="dials"` every step
is a line. With `action="console"` an event is chosen besides: other events than to scan take time,
and a new tip takes ten minutes, in which the frame's own clock stands still.

## Rewards

The error of a line is the root mean square difference, offset apart, of the trace from what a new
tip would have shown on the same path, so that a dull tip costs. Each line is paid for when it is
scanned: the variance of what a new tip would have shown over the squared error, in bel, times the
share that the line has of the variance of all lines of the frame.
Lines that show nothing, and lines that are never scanned, earn nothing; force can spoil all that a
line earns and no more. So no line is better left out.

## Starting State

A surface drawn from the seed, and an instrument: resonance and damping of its scanner, radius, wear
and strength of its tip, drift. The tip is engaged at a corner of the frame. Specimens of `train`,
`validation` and `test` are disjoint whatever the seeds; `trenches` are never offered for training.

## Episode End

Terminated when the frame is complete, when its time is used up, or with the third exchange of the
tip.

## Info

The dose is in nN s; exposures are lines. Missing lines count as flat in `image_error_nm`; `peak_nn`
is the largest force so far. `distortion_nm` is the distance of pixels from their places in the
frame, by drift and by the lateral scanner; it is not in the reward.

## Arguments

```python
gymnasium.make("AFM-v0", split="test", specimen="particles", tip="real")
gymnasium.make_vec("AFM-v0", num_envs=8, action="console")
```

With `imaging="contact"` a soft cantilever (0.2 N/m, 13 kHz) is pressed against the surface at
constant deflection; the setpoint is a force.

With `difficulty="easy"` the tip neither wears nor drifts, and fibres lie on flat ground. There is
one thing to learn first, the gain: that at which a loop rings differs so much between instruments
(`loop="hard"`) that no constant gain is good. Time on the lines that cross fibres comes second.

## Observation models

An observation model restores the lines from signals and settings; it knows neither the surface nor
the tip. The reward is the same with all: it is that of the trace.

* `reconstructor="raw"`, the default: nothing is restored and `restored` is not shown.
* `reconstructor="classical"`: heights less the error signals, the lower of trace and retrace; the
  uncertainty is half of their difference.
* `reconstructor="neural"`: a [small network](../topography.md) restores the line from the last
  three, with a calibrated uncertainty. It was trained on `imaging="amplitude"` alone.

## Reference policies

All have the same time for a frame. The oracle is a strong reference and not a bound. A table shows
what the score does not: the error of the image, how often the tip was broken, and how blunt it was
at the end, by wear and by crashes; a tip that was exchanged is a new one.

## Where adaptivity does not pay

On `roughness` and `terraces` all lines are alike, so that there is no time to share out; only
the gain is left to be found.

## References

* San Paulo and Garcia, Phys. Rev. B 64, 193411 (2001): the harmonic balance.
* Hu and Raman, Appl. Phys. Lett. 91, 123106 (2007): scaling of the peak force.
* Villarrubia, J. Res. Natl. Inst. Stand. Technol. 102, 425 (1997): dilation by the tip.
* Archard, J. Appl. Phys. 24, 981 (1953): wear.
* Kopycinska-Mueller, Geiss and Hurley, Size-related plasticity effects in AFM silicon cantilever
  tips, MRS Proceedings: loads that break silicon tips.
* Stan et al., Ultimate bending strength of Si nanowires, Nano Letters: strength at this size.
* Kalinin et al., Mach. Learn.: Sci. Technol. 4, 023001 (2023): why probes need such agents.
"""

from microgym.envs.afm.task import AFMTask
from microgym.envs.core.gymnasium_env import environments

AFMEnv, AFMVectorEnv = environments(__name__, AFMTask, __doc__)
