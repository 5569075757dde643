"""Oracle of STM-v0 and STMBuild-v0: it knows surface, tip and drift, and simulates drags."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.agents.stm.references import (
    HALF_ZIGZAG_NM,
    LONGEST_NM,
    ROWS,
    DragAgent,
    components_for,
    legs,
    side_of_row,
)
from microgym.envs.stm.observation import CONDUCTANCE_US, END_NM, START_NM
from microgym.instruments.stm.drag_kernels import PITCH_NM
from microgym.instruments.stm.settings import STMSettings
from microgym.physics import stm_tip
from microgym.physics.adatoms import (
    LATTICE_NM,
    nearest_site,
    rehearse,
    site_place,
    well_depth,
)
from microgym.state import Bool, Float32, Float64, Int64

_ROOT3 = math.sqrt(3.0)
_SETTINGS = STMSettings()
_TRIED = ((0.0, 0.1), (0.0, 0.05, 0.1, 0.16), (-1.0, 0.0, 1.0))
"""Leads and overshoots in nm, and conductances as actions, of simulated drags."""


class OracleAgent(DragAgent):
    """Simulates drags without thermal noise, and makes the one with the best outcome."""

    name = "oracle"
    uses_privileged_info = True

    def _act(self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> Float32:
        """The best drag in each row; zeros where a row is idle."""
        latent = {**info["latent"], "origins": true_origins(info["latent"])}
        found = np.zeros((self.num_envs, components_for(self.movers)))
        for row in np.flatnonzero(~info.get("idle", np.zeros(self.num_envs, np.bool_))):
            found[row] = self._decide({k: v[row] for k, v in latent.items()}, found.shape[1])
        return found.astype(np.float32)

    def _decide(self, latent: Mapping[str, Any], size: int) -> Float64:
        action = np.zeros(size)
        action[4], action[6] = -1.0, 1.0
        places = latent["places_nm"]
        ways = latent["targets_nm"] - places[: self.movers]
        sites = np.array([nearest_site(x, y, LATTICE_NM) for x, y in places], np.int64)
        well = latent["traits"][stm_tip.STRENGTH], latent["traits"][stm_tip.WIDTH]
        left = [s for s, k in enumerate(latent["order"]) if np.hypot(*ways[k]) > 0.05]
        best = math.inf
        for slot in left:
            which = int(latent["order"][slot])
            origin = latent["origins"][slot]
            if np.abs(origin).max() > START_NM:
                continue
            starts, ends, press = candidates(places[which], ways[which])
            fits = (np.abs(starts + origin).max(axis=1) <= START_NM) & (
                np.abs(ends + origin).max(axis=1) <= END_NM
            )
            if not fits.any():
                continue
            starts, ends, press = starts[fits], ends[fits], press[fits]
            drags = places[which] + starts, places[which] + ends, press
            target = latent["targets_nm"][which]
            values, _ = outcomes(sites, latent["present"], which, target, drags, well)
            choice = int(values.argmin())
            if values[choice] < best:
                best = float(values[choice])
                action[0:2] = (starts[choice] + origin) / START_NM
                action[2:4] = (ends[choice] + origin) / END_NM
                action[5] = press[choice]
                action[6] = 0.0 if best < 0.5 and len(left) == 1 else -1.0
                action[7:] = 2.0 * (slot + 0.5) / self.movers - 1.0
        return np.clip(action, -1.0, 1.0)


def outcomes(
    sites: Int64,
    present: Bool,
    which: int,
    target: Float64,
    drags: tuple[Float64, Float64, Float64],
    well: tuple[float, float],
) -> tuple[Float64, Float64]:
    """Simulate drags of an adatom, without changing the surface.

    Args:
        sites: (A, 3) hollows of the adatoms.
        present: (A,).
        which: adatom that is dragged.
        target: (2,) of that adatom, surface coordinates, nm.
        drags: starts and ends of the atom that pulls, (k, 2), surface coordinates, nm, and
            conductances as actions, (k,).
        well: depth at the conductance quantum, eV, and width, nm.

    Returns:
        Cost of each drag, (k,): drags that would still be needed, and other adatoms moved; distance
        from the target that is left, (k,), nm.
    """
    starts, ends, press = drags
    before = np.array([site_place(*site, LATTICE_NM) for site in sites.tolist()])
    low, high = CONDUCTANCE_US
    kinds, kind = np.unique(press, return_inverse=True)
    settings = low + 0.5 * (high - low) * (kinds + 1.0)
    depths = np.array([well_depth(one, well[0]) for one in settings])[kind]
    after, work = np.empty((press.size, *before.shape)), np.empty_like(sites)
    path = (starts, ends, depths, well[1], _SETTINGS.bath, PITCH_NM, _SETTINGS.speed_nm_s)
    rehearse(sites, before, present, *path, after, work)
    moved = np.abs(after - before).max(axis=2) > 1e-6
    moved[:, which] = False
    ways = target - after[:, which]
    far = np.hypot(ways[:, 0], ways[:, 1])
    return drags_left(ways) + 0.05 * far + 2.0 * moved.sum(axis=1) + 0.01 * press, far


def true_origins(latent: Mapping[str, Any]) -> Float64:
    """Positions to drag from with all that is hidden, relative to the believed ones.

    Args:
        latent: `info["latent"]` of N environments.

    Returns:
        (N, movers, 2) nm, in the order of the observation.
    """
    drift = latent["drift_nm"] + _SETTINGS.drag_s * latent["drift_velocity_nm_s"]
    offset = latent["traits"][:, [stm_tip.OFFSET_X, stm_tip.OFFSET_Y]]
    rows = np.arange(len(drift))[:, None]
    places = latent["places_nm"][rows, latent["order"]]
    return places + drift[:, None] - offset[:, None] - latent["believed_nm"]


def drags_left(ways: Float64) -> Float64:
    """Number of drags along rows for displacements (k, 2), nm; (k,)."""
    _, longer, shorter = legs(ways)
    count = np.ceil(longer / LONGEST_NM) + np.where(shorter > 0.12, 1.0, 0.0)
    return np.where(np.hypot(ways[:, 0], ways[:, 1]) < 0.05, 0.0, count)


def candidates(place: Float64, way: Float64) -> tuple[Float64, Float64, Float64]:
    """Drags to simulate: begin and end from the adatom, (k, 2) nm, and conductance, (k,)."""
    hollow = np.array([2.0 * nearest_site(*place, LATTICE_NM)[2] - 1.0])
    far = float(np.hypot(*way))
    found = [(way / far, min(far, LONGEST_NM), np.zeros(2))]
    for number, along in enumerate(ROWS):
        left = np.array([-along[1], along[0]])
        aside = side_of_row(hollow, np.array([number])) * HALF_ZIGZAG_NM * left
        # Lengths after which the rest of the displacement is along one of the other rows.
        ahead, beside = float(way @ along), float(way @ left)
        for length in {round(ahead + turn * beside / _ROOT3, 4) for turn in (-1, 0, 1)}:
            if length > 0.1:
                found.append((along, min(length, LONGEST_NM), aside))
    along, length, aside = (np.array(one) for one in zip(*found, strict=True))
    row, lead, overshoot, press = (
        one.ravel() for one in np.meshgrid(np.arange(len(found)), *_TRIED, indexing="ij")
    )
    starts = aside[row] - lead[:, None] * along[row]
    return starts, aside[row] + (length[row] + overshoot)[:, None] * along[row], press
