"""microgym: reinforcement-learning environments for autonomous microscopy.

Importing it registers every environment with Gymnasium, so that

    import gymnasium as gym
    import microgym

    env = gym.make("Ptycho-v0")

works. No physics is loaded before an environment is made.
"""

from microgym.envs.core.registry import register_all

__all__ = ["__version__"]
__version__ = "0.1.0"

register_all()
