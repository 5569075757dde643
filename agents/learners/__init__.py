"""How each kind of network is trained with Stable-Baselines3."""
