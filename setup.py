"""Four top-level folders, one distribution: envs/, agents/, baselines/ install under microgym."""

from setuptools import find_packages, setup

PARTS = ("envs", "agents", "baselines")
# The links microgym/{envs,agents,baselines} give the same names again, or none where a checkout has
# no links: hence the set, and hence the second line.
packages = {"microgym", *(f"microgym.{p}" for p in find_packages("microgym"))}
packages |= {f"microgym.{p}" for part in PARTS for p in find_packages(include=[part, f"{part}.*"])}

setup(
    packages=sorted(packages),
    package_dir={"microgym": "microgym", **{f"microgym.{part}": part for part in PARTS}},
)
