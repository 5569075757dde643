"""Write a pattern into a ferroelectric film with the tip of a microscope.

## Description

A ferroelectric film remembers in which direction a strong field last pointed. A bias pulse on a
sharp tip turns the polarisation under it and leaves a domain. How large it becomes depends on the
bias, on the time, and on the film itself, which prefers one direction here and the other there,
holds domain walls on defects, and lets small domains switch back. None of that is known beforehand.
An image shows the domains, but takes as long as ten pulses, and disturbs what it shows.

In `PFM-v0` a pattern of domains is to be written into a film that points down, but for a few
domains that only an image shows. A good policy looks first, takes away what is beside the pattern,
writes large domains, looks again and mends; a better one guesses from the image where the film will
help.

In `PFMLoop-v0` the imprint of one point is to be shifted, up or down: the bias about which its
hysteresis loop is centred. The point lies near a domain wall. Domains around it that point up lower
the imprint, and others raise it. A loop tells the imprint, and disturbs it a little.

## Physics

* **Film**: a lattice of polarisations that obeys Landau-Khalatnikov dynamics: each site in a double
  well, coupled to its four neighbours, with thermal noise. Walls are `sqrt(8 kappa)` cells wide.
* **Disorder**: a random field prefers one direction, a random bond makes the well shallow or deep,
  dead cells along grain boundaries hold walls and cut the coupling.
* **Tip**: the field of a charge at the height d, `d^3 / (r^2 + d^2)^(3/2)` of what it is under the
  tip. As the tip grows blunt, d grows and the field under it falls as 1 / d. Above a hidden bias
  the film may break down, at a rate per second.
* **Time**: domain walls creep: a field E lets a site move at a rate `exp(-7.5 / |E|)` of 1 MHz, so
  that domains grow with the logarithm of the pulse, by about 3 nm a decade. What a pulse does
  follows from the film, the bias and the time: ten pulses of 1 ms write what one of 10 ms writes.
  After a pulse the sites that it drove switch back, with the logarithm of the time since then.
* **Image**: the polarisation seen through the tip, line by line while the tip drifts, with noise
  and an electrostatic offset. The contact potential of the tip acts on every cell.
* **Loop**: the bias goes to its largest value, to minus that and back; the response changes sign
  once on the way up and once on the way down. A slow loop is narrower, by creep.

## Observation Space

Maps of the film, each cell the mean over its sites, and numbers; with `observation="features"` one
vector: the numbers, then the first three maps, each 8 x 8 and in reading order. The measurement is
shown as it is, without a reconstruction. The true place of the tip is hidden.

## Action Space

One bias pulse, and whether to look afterwards. With `action="grid"`, actions that were chosen since
the last look are masked, and can be carried out all the same.

In `PFMLoop-v0`, `action="ring"` offers the pulses that matter, each followed by a loop.

## Rewards

Agreement with a pattern is the Jaccard index (intersection over union) of the cells that point up
and of those that should; with an imprint, 1 less the error over 0.5 V, and not below 0. Damage is
what was written beside the pattern or destroyed, over the pattern. A breakdown costs more than all
of the time that it saves.

## Starting State

A film at rest and a drift, drawn from the seed; a sharp tip at the centre. In `PFM-v0` a pattern,
and domains of unknown place; in `PFMLoop-v0` a wall near the point, an image that was taken before,
and a shift of the imprint by 0.15 to 0.45 V in either direction. Films and patterns of `train`,
`validation` and `test` are disjoint whatever the seeds; `twins` and `frames` are never offered for
training.

## Episode End

Terminated when pulses or time are used up, when the film has broken down, or when the agreement has
reached 0.95.

## Info

The dose is bias times time, V s; exposures are pulses.

## Arguments

```python
gymnasium.make("PFM-v0", split="test", pulses=24, disorder="hard")
gymnasium.make("PFMLoop-v0", drift="off")
gymnasium.make_vec("PFM-v0", num_envs=8, action="grid")
```

`PFMLoop-v0` has no `pattern` and no `domains`. Every level of `drift`, `disorder`, `tip` and
`readout` is at least as hard as the one before. `heat` makes writing uncertain, and hardly acts in
`PFMLoop-v0`, where fields are strong.

## Reference policies

The oracles look one pulse ahead: they are strong references and not bounds.

## Learning

`difficulty="easy"` switches drift, wear, heat and noise off, and disorder to easy. In `PFMLoop-v0`
the actions of a stochastic policy are to be sampled: the most probable one may repeat itself
without effect. Grid actions of `PFM-v0` suit a fully convolutional policy.

## Where adaptivity does not pay

Without disorder, heat, drift and first domains every pulse has the same effect: images add no
information, and a list of pulses that was optimised once for a pattern is as good as any policy.

## References

* Ricinschi et al., J. Phys.: Condens. Matter 10, 477 (1998): the lattice.
* Tybell et al., Phys. Rev. Lett. 89, 097601 (2002): creep of domain walls.
* Blaser and Paruch, New J. Phys. 17, 013002 (2015): growth of domains under a tip.
* Rodriguez et al., Appl. Phys. Lett. 86, 012906 (2005): domains grow linearly with the bias.
* Kalinin et al., Mach. Learn.: Sci. Technol. 4, 023001 (2023): why probes need such agents.
* Kloeden and Platen, Numerical Solution of Stochastic Differential Equations (1992): the noise.
"""

from microgym.envs.core.gymnasium_env import environments
from microgym.envs.pfm.task import PFMLoopTask, PFMTask

PFMEnv, PFMVectorEnv = environments(__name__, PFMTask, __doc__)
PFMLoopEnv, PFMLoopVectorEnv = environments(__name__, PFMLoopTask)
