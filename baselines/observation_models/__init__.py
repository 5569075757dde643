"""Training and evaluation of the neural observation models.

Each sub-package declares one as `SPEC`; see `microgym.baselines.observation_models.specification`.
"""
