"""Scan one specimen with several coherent probes at once: where does each expose next?

## Description

Two to four probes stand over one specimen and expose it at the same time. They share what is
scarce: the dose that the specimen bears, the time, and the reconstruction that all exposures add
to. A good team divides the specimen among its probes, sends more than one to where much structure
is, and never sends two to the same place: carriers that come too close block each other, and both
exposures are lost.

`microgym.envs.multi_probe.parallel_env(**arguments)` is the task in PettingZoo's parallel API,
MultiProbe-v0, with the agents `probe_0`, `probe_1`, and so on; `MultiProbeJoint-v0` is the same
task with one agent that decides for all probes.

## Physics

Optics, detector, photon statistics, damage and reconstruction are those of
[Ptycho-v0](Ptycho-v0.md). In a round each probe sees the specimen as it was before and as its own
light fades it; then the damage of all exposures is done. Each probe has its own stage, which drifts
by itself. A round takes the time of its slowest probe: way, dead time and exposure.

## Observation Space

For each probe, maps of the region and its own numbers. With `share="maps"` the maps show the
reconstruction of all exposures, and the latest positions of the other probes are known. With
`share="none"` a probe sees the reconstruction of its own exposures only, and nothing of the others.
In `MultiProbeJoint-v0` the probes are the first axis of each part.

## Action Space

Position and exposure time of every probe. With `action="grid"` each probe chooses one cell and one
exposure time. Cells that were exposed before are masked, until none is free; with `share="none"` a
probe knows of its own exposures only. `info["action_mask"]` has a row for each probe, by which
`env.action_space.sample(tuple(info["action_mask"]))` draws; `action_masks()` has the rows one after
the other, as `MaskablePPO` of sb3-contrib wants them. In the parallel environment the info of a
probe has its own row.

## Rewards

The team's, the same for each agent: the terms of Ptycho-v0, with dose and exposures of all probes
and the time of the team. Doses count relative to the nominal dose of all probes.

A team that exposes nothing earns 0, and one that chooses positions at random more: structure is
paid when it is found. With `difficulty="easy"` stages do not drift, the specimen does not fade, and
carriers do not block each other, so that a policy need learn only where structure is.

## Starting State

A specimen drawn from the seed, probes parked over equal parts of the region (halves, thirds or
quarters), and a drift of each stage drawn from the seed.

## Episode End

Terminated after `exposures` rounds, or when the time is used up, for all agents at once.

## Info

The ledger is the team's: time of the slowest probe, and sums over the probes.

## Arguments

```python
env = microgym.envs.multi_probe.parallel_env(probes=3, share="none")
gymnasium.make("MultiProbeJoint-v0", split="test", probes=4, clearance_px=40)
gymnasium.make_vec("MultiProbeJoint-v0", num_envs=8, drift="hard")
```

## Where adaptivity does not pay

On specimens with structure everywhere (`specimen="grf"`), equal rasters are hard to beat.

## References

* Bunk et al., Ultramicroscopy 108, 481 (2008): overlap and step in ptychography.
* Terry et al., NeurIPS 34, 15032 (2021): PettingZoo.
"""

from microgym.envs.core.gymnasium_env import environments
from microgym.envs.core.parallel_env import MicroscopeParallelEnv
from microgym.envs.multi_probe.task import MultiProbeTask

MultiProbeEnv, MultiProbeVectorEnv = environments(__name__, MultiProbeTask, __doc__)


class MultiProbeParallelEnv(MicroscopeParallelEnv):
    """PettingZoo's parallel API, one agent a probe; see `MultiProbeEnv`."""

    task_class = MultiProbeTask
