"""PFM-v0 and PFMLoop-v0: a piezoresponse force microscope that writes ferroelectric domains."""

from microgym.envs.core.registry import register

register("PFM-v0", __name__, "PFM", "ferroelectric domain writing: where to pulse, when to look")
register("PFMLoop-v0", __name__, "PFMLoop", "ferroelectric film: shift the loop of one place")
