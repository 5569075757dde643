"""Drag adatoms to their targets with a tip whose properties are hidden.

## Description

A scanning tunnelling microscope can move single adatoms: lowered over one, the tip attracts it,
and drags it along when it moves. Whether the adatom follows depends on hidden properties of the
tip. The well that the tip makes may be deep or shallow, wide or narrow, and the atom that pulls
need not be the atom that tunnels, so that adatoms come to rest beside the end of the drag. The
surface drifts meanwhile, and an image takes far longer than a drag.

On a close-packed surface direction matters. Along the rows an adatom hops from hollow to hollow
over low bridges; straight over a surface atom the barrier is nine times as high, and only a
deep well takes it around. A deep well, though, also drags adatoms that must not be moved.

Three tasks share the instrument: in `STM-v0` one adatom is moved to its target; in
`STMBuild-v0` several are moved into a figure among bystanders; in `STMTip-v0` a bad tip is made
sharp again by pulses and dips on a surface of which there is a finite amount.

`STMTip-v0` is the first lesson of the suite: fifteen discrete actions, episodes of about ten
steps, and PPO of Stable-Baselines3 that learns it within minutes (below). What sharpens a tip at
once is not what is best: a blunt end is first renewed by a deep dip, and then sharpened gently.

## Physics

* **Tunnelling**: the current falls by a decade every 0.1 nm. Images are taken at constant
  current under a logarithmic feedback; standing waves of the surface's electrons surround
  adatoms. A blunt tip convolves the density of states with a Gaussian: adatoms become wider and
  flatter, and the volume of their density is kept.
* **Current of a drag**: that of the atom that tunnels. Over an adatom it has its set value, over
  the bare surface a ninth of it. The atom that pulls shows only by where adatoms go.
* **Surface**: a field of 8 nm x 8 nm of fcc(111) with surface atoms 0.288 nm apart; hollows,
  bridges and tops lie at 0, 1 and 9 times the barrier. `terrace` has 2 to 4 bystanders,
  `crowded` 5 to 7; `stepped` has 2 to 4, a step edge and contamination.
* **Adatoms**: they hop between hollows with Arrhenius rates (kinetic Monte Carlo), at 5 K only
  under a well that lowers the barrier to almost nothing; two never share a hollow. At a step
  they stay for good. The instrument refuses temperatures at which they would hop without a
  tip, above 16.8 K.
* **Well**: Gaussian; its depth grows with the 0.46th power of the conductance of the junction.
  The median is 0.34 eV at 3 uS and 0.46 eV at 6 uS; at 0 K, 0.28 eV can just drag an adatom.
* **Tip**: a Markov chain of five states. It changes spontaneously at a rate that grows with the
  current, by conditioning, by contamination, and by a crash into a step. What a change leads to
  depends on the state and on its cause: gentle dips sharpen a loose end and hardly reshape a
  blunt one; deep dips and pulses of 8 V renew any end, which then is often loose; weaker pulses
  free a contaminated tip. A dip is deep above 1.45 times the hidden hardness of the wire.
* **Drift**: linear, settling, and wandering (Ornstein-Uhlenbeck), during images, drags and
  waits alike; a coarse move begins settling anew. After every image the scan frame is corrected
  by the measured drift; later drift is hidden. The levels are scaled so that drift shows within
  minutes: "real" is 0.5 nm/min, as of a microscope that is still cooling down, 500 times the
  1 pm/min of one that has settled at helium temperature.

## Observation Space

A vector. `STM-v0` and `STMBuild-v0` list eight channels for each adatom that is to be moved,
those not yet in place first, the nearest to its target foremost, then the channels that are
shared. The believed position of an adatom is that of the last image; after a drag without an
image it is where the current was last above 0.4 of its set value, or where it was if it never
was. The targets of a figure are hollows of one kind. `STMTip-v0` lists the readings of the last
image, their means since the tip was last touched, past actions, and resources.

`observation="image"` gives a dict: this vector as `numbers`, and the last image as `image`.

## Action Space

A vector in -1 to 1 in `STM-v0` and `STMBuild-v0`, in ranges that were used on hardware; the
number of an action in `STMTip-v0`. There, pulses and dips spoil 6% of the surface of a place,
those of 8 V, 2.5 nm and 5 nm 39%; an image follows each of them. Actions without room are
masked; a masked action takes an image.

## Starting State

A surface, a tip and a drift drawn from the seed, and a first image of them; two images in
`STM-v0` and `STMBuild-v0`, so that the rate of the drift is known. The tip is sharp in
`STM-v0` and `STMBuild-v0`, and never in `STMTip-v0`. Surfaces, tips and drifts of `train`,
`validation` and `test` are disjoint whatever the seeds; `stepped` is never offered for training.

## Episode End

Terminated when an image shows all adatoms in place, when one of them is lost, by a crash, when
a tip is accepted, or when the time is up. Losing an adatom and crashing cost all the time that
is left, so that failing early is no way out; a tip that nobody has accepted in time counts as a
bad one. An image takes as long as six drags: looking after every drag wastes time, and never
looking loses adatoms.

## Info

The dose is the charge, nC; exposures are images. With a detector there is `sighting`, too.

## Arguments

```python
gymnasium.make("STMBuild-v0", atoms=4, split="test")
gymnasium.make_vec("STMTip-v0", num_envs=8, places=3)
```

## Observation models

`reconstructor="model"`, the default, is a model of the error of tracking software: positions to
some tens of picometres, worse with a blunt or restless tip, and no adatom mistaken for another.

`reconstructor="classical"` and `"neural"` detect adatoms in the image, which then has 1/f noise
and mains besides: a matched filter, or a network trained on simulated images
(`docs/adatoms.md`). The adatoms to be moved are known in the first image; from then on they are
those nearest to the believed positions. The believed position of a missed adatom stays, with
`stale` at 1 at least. `info["sighting"]` gives for each of them, in the order of the vector,
the `probability` that the detection is an adatom (0 where it was missed), the `uncertainty_nm`
of its position along one axis, and the number of images in a row in which it was `missed`.

## Difficulty switches

With `tip="off"` and `drift="off"` all tips are alike and nothing drifts: a fixed recipe of drags
along rows suffices, at any conductance, and there is nothing to be learnt during an episode. In
`STMTip-v0` the switch `tip` sets the spread of the wires' hardness and the rate of spontaneous
changes; `drift` moves an image of which only the tip is read, and does nothing. The switch `noise`
acts on the readings of a tip, on measured positions and on currents: a position is known to half
a pixel at "easy" and to a whole one at "hard", where hollows are often mistaken.

## Recorded scans

None: the result of a drag that was not made cannot be read off a recording.

## Learning

The preset `difficulty="easy"` has near targets, no drift, and tips that differ little.
`STMTip-v0` is the suite's first lesson: stock MaskablePPO learns it within minutes.

## References

* Tersoff and Hamann, Phys. Rev. B 31, 805 (1985): the current.
* Crommie, Lutz and Eigler, Nature 363, 524 (1993): standing waves.
* Limot et al., Phys. Rev. Lett. 94, 126102 (2005): contact.
* Ternes et al., Science 319, 1066 (2008): the force it takes to move an adatom.
* Chen et al., Nat. Commun. 13, 7499 (2022): reinforcement learning on hardware, ranges.
* Krull et al., Commun. Phys. 3, 54 (2020): conditioning of tips.
* Speiser et al., Nat. Methods 18, 1082 (2021): the form of the network's output.
"""

from microgym.envs.core.gymnasium_env import environments
from microgym.envs.stm.move_task import STMBuildTask, STMTask
from microgym.envs.stm.tip_task import STMTipTask

STMEnv, STMVectorEnv = environments(__name__, STMTask, __doc__)
STMBuildEnv, STMBuildVectorEnv = environments(__name__, STMBuildTask)
STMTipEnv, STMTipVectorEnv = environments(__name__, STMTipTask)
