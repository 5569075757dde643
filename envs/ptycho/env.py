"""Scan an unknown specimen with a small coherent beam: choose positions and exposure times.

## Description

Ptychography makes an image without a lens. A beam smaller than the specimen is put on one position
after another, a camera in the far field counts the photons of each diffraction pattern, and a
solver finds the complex image that explains all patterns together. It needs overlapping exposures
and photons; both cost time, and photons damage the specimen. An ordinary scan spreads them evenly.
Here the specimen is mostly empty, the place of its structure is unknown, and the exposures are too
few to cover the region. After each exposure the agent observes the image so far, and chooses the
next position and the exposure time.

A good scan samples coarsely, recognises structure, follows it with overlapping exposures, and
spends none on vacuum or twice on one place.

## Physics

* **Specimen**: a complex transmission function O, with modulus at most 1; vacuum is 1. In the
  default family, `sparse`, one to three textured ribbons wind through vacuum.
* **Probe**: a coherent beam from a zone plate upstream of the specimen, so that the wave on the
  specimen is a disk with a curved phase. `coherence` makes it a sum of modes,
  which hold 99.5 % of the power of the light of a source of finite size.
* **Diffraction**: the exit wave is the product of probe and specimen; the detector is in the far
  field, one unitary Fourier transform away, so that photons are conserved.
* **Exposure**: expected counts are the integral over the exposure, in which the specimen fades and
  drifts. One exposure of 10 s and a hundred of 0.1 s give the same counts but for the noise.
* **Counting**: every pixel draws a Poisson number. `detector` makes it imperfect. A `"counting"`
  sensor is blind for a dead time after each photon; its rates are corrected, and pixels that lose
  more than half are masked. An `"integrating"` one has read noise, rounded to whole photons, and a
  full well, at which pixels are masked. Both have a beam stop. The reconstruction keeps its own
  values where pixels are masked.
* **Stage**: motion takes time, and from `drift="easy"` on the specimen drifts, settles, wanders and
  follows commands imperfectly. The reconstruction uses the commanded positions.
* **Damage**: contrast fades exponentially with the photons that a pixel received, fine detail
  before coarse. Photons are the unit of dose.
* **Scale of photons**: specimens have a hundred times the contrast of 150 nm of protein in water,
  so that 1e4 times fewer photons give the same signal over noise. Each photon stands for 1e4 at a
  beamline, in flux, dose and dead time: 1e6 a second for 1e10, and the critical fluences of 7900,
  1500 and 500 photons on a pixel of 10 nm for 1.0e9, 1.9e8 and 6.4e7 Gy of water at 8 keV. The line
  of Howells et al. is 1e9 Gy at 10 nm.
* **Reconstruction**: rPIE on each new exposure and on the earlier ones that it overlaps, and at the
  end `final_sweeps` sweeps through all of them with momentum. Where exposures overlap, as those of
  expert and oracle do, the image has then nearly converged; those of the raster hardly overlap, and
  would gain from more sweeps. The modulus of the image is at most 1; the probe is known.

## Observation Space

Square maps of the region in which the beam may stand, each cell the mean over its pixels, and a few
numbers. Coverage and dose are computed from commanded positions and the known probe; E is the
fluence over the mean fluence under the probe of one nominal exposure. The true positions of the
beam are hidden.

`observation="full"` has finer maps. `observation="features"` is one vector: the numbers, then the
contrast of the image and the coverage, each as an 8 x 8 map in reading order.

## Action Space

The next position and the exposure time. With `action="grid"`, cells that were exposed before are
masked in `info["action_mask"]` and `action_masks()`, until none is free.

## Rewards

The signal-to-noise ratio does not depend on gauge (`microgym.metrics.structure_snr_db`): an empty
image has 0 dB, and only structure counts. A worse image than an empty one is rewarded like that, so
that exposing is never worse than not. The step that ends the episode is rewarded after the final
sweeps, which improve the image: a large part of the return comes with that step.

Resolution is the main part of the return. Discovery pays early for what the image will show later.
Dose, damage and time are small by design: photons and time matter through the image, which fading
blurs and drift distorts.

## Starting State

A specimen drawn from the seed, its place, shape and texture unknown; the stage at the centre, with
a drift drawn from the seed; the reconstruction is vacuum, clock and dose are zero. Specimens of
`train`, `validation` and `test` are disjoint whatever the seeds; `siemens_star` is never offered
for training.

## Episode End

Terminated when the exposures are used up, or when the clock has passed the time limit.

## Arguments

```python
gymnasium.make("Ptycho-v0", split="test", exposures=36, drift="real")
gymnasium.make_vec("Ptycho-v0", num_envs=8, action="grid")
```

## Observation models

The image of the maps, and its uncertainty, come from one of three models:

* `reconstructor="classical"`: the running reconstruction, with the uncertainty by photon statistics
  and a prior contrast.
* `reconstructor="neural"`: its restoration by a [small network](../reconstructor.md): noise is
  suppressed, structure is continued, and the uncertainty is calibrated. The network is part of the
  package and runs in compiled code, the same to the bit everywhere.
* `reconstructor="raw"`: instead of amplitude and phase, the image that the transmitted and the
  scattered part of each exposure give at its position: a scanning transmission image, in which
  bright field is the real and dark field the imaginary part.

The reward is the same with all: it is computed from the classical reconstruction.

## Recorded scans

With `recording="scan.npz"` a measured scan replaces the simulation. The file is npz (also packed by
bzip2) with `patterns`, `positions` and `probe`, or HDF5 such as CXI
(`microgym.instruments.recorded.recording`). Each commanded position is answered by the nearest
recorded exposure; each of its counts is kept with a probability such that the dose is the one asked
for. A place cannot give more photons than were recorded, nothing drifts or fades beyond the
recording, and `split` has no effect; `specimen`, `probe`, `optics`, `sensor`, `detector`,
`coherence` and levels of `drift` and `damage` above the default are refused. The truth is the
reconstruction from the whole scan at full dose.

A public recording to try is `tests/data/siemens-star-small.npz.bz2` of the repository
AdvancedPhotonSource/tike: X-ray ptychography of a Siemens star at the Advanced Photon Source.

## Reference policies

The policy `belief` asks a small network, fitted to maps of training specimens, where structure is,
and exposes greedily where most of it is unseen.

The oracle spreads its exposures evenly over the structure, which it knows, before the first one,
and follows the drift: a strong reference and not a bound. An oracle that chooses greedily is no
better than the expert, which has to search: planning pays, since even overlap determines all phases
alike.

The order of exposures matters, too. A path from each position to the nearest one that is left gives
a better image than one that jumps to and fro between the same positions.

## Learning

The preset `difficulty="easy"` switches drift and damage off; it can be chosen at a reset, too. Maps
leave the environment at the scale of their signal, so that a fully convolutional policy over grid
actions learns from them without privileged information.

## Where adaptivity does not pay

Where structure is everywhere (`specimen="grf"`, `"lines"`, `"large_features"`), all positions are
worth the same, and an even pattern is hard to beat. The same happens on any specimen as exposures
become enough to cover the region with overlap (`exposures=100`).

## References

* Maiden and Rodenburg, Ultramicroscopy 109, 1256 (2009): ePIE.
* Maiden, Johnson and Li, Optica 4, 736 (2017): rPIE, the reconstruction used here.
* Thibault and Menzel, Nature 494, 68 (2013): mixed states.
* Howells et al., J. Electron Spectrosc. Relat. Phenom. 170, 4 (2009): dose and resolution.
* Huang et al., Opt. Express 22, 12634 (2014): the spiral.
* Halton, Numer. Math. 2, 84 (1960): the sequence.
"""

from microgym.envs.core.gymnasium_env import environments
from microgym.envs.ptycho.task import PtychoTask

PtychoEnv, PtychoVectorEnv = environments(__name__, PtychoTask, __doc__)
