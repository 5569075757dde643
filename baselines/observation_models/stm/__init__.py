"""Training and judgement of the network that finds adatoms in images."""
