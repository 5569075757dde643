"""Observation of each probe: maps of the region, its own numbers, and the other probes' places."""

import numpy as np

from microgym.envs.core.channels import Channels
from microgym.envs.ptycho import observation as ptycho
from microgym.state import Float32, Float64

OTHERS = 3
"""Other probes that the numbers have room for."""
MAPS = Channels(
    "cells",
    "cells",
    **ptycho.MAPS,
    others="1 within the clearance of another probe's latest position; 0 with share='none'",
).along("probes")
NUMBERS = Channels(
    **ptycho.NUMBERS,
    lost="1 if the latest exposure was lost to a collision",
    **{
        f"{axis}_{k}": f"latest position of the next probe but {k - 1}, counted round; 0 if none"
        for k in range(1, OTHERS + 1)
        for axis in ("y", "x")
    },
).along("probes")


def parts(probes: int) -> Float64:
    """Equal parts of the region: halves, thirds or quarters.

    Args:
        probes: 2 to 4.

    Returns:
        (probes, 2, 2) float64, upper left and lower right corner (y, x) of each, in [-1, 1].
    """
    rows, columns = (2, 2) if probes == 4 else (1, probes)
    size = 2.0 / np.array([rows, columns])
    low = 2.0 * np.array(list(np.ndindex(rows, columns))) / (rows, columns) - 1.0
    return np.stack([low, low + size], axis=1)


def squared_distances(places: Float64, cells: int) -> Float64:
    """Squared distances of the cells of square maps from some places.

    Args:
        places: (..., 2), (y, x) in [-1, 1].
        cells: edge of the maps.

    Returns:
        (..., cells, cells) float64, on the scale of the places.
    """
    at = 2.0 * (np.arange(cells) + 0.5) / cells - 1.0
    y2 = (at - places[..., :1]) ** 2
    x2 = (at - places[..., 1:]) ** 2
    return y2[..., :, None] + x2[..., None, :]


def draw_others(places: Float64, clearance: Float64, cells: int) -> Float32:
    """Maps of the surroundings of the other probes.

    Args:
        places: (N, A, 2), latest positions (y, x) of all probes in [-1, 1].
        clearance: (N,), radius of the surroundings on the same scale.
        cells: edge of the maps.

    Returns:
        (N, A, cells, cells) float32.
    """
    near = squared_distances(places, cells) < (clearance * clearance)[:, None, None, None]
    count = near.sum(axis=1, keepdims=True)
    return ((count - near) > 0).astype(np.float32)
