"""Invariances of the tunnelling microscope: slicing of time, symmetry of the lattice."""

from dataclasses import replace

import numpy as np
import pytest

from microgym.instruments.stm.settings import IMAGING_PA, IMAGING_V
from microgym.physics import stm_tip
from microgym.physics.adatoms import LATTICE_NM, nearest_site, site_place
from microgym.physics.stm_tip import APEX_LEVELS
from tests.microgym.instruments.test_stm import COUNT, ROWS, pulled, started


def test_spontaneous_changes_do_not_care_how_time_is_sliced():
    """One image of 400 s or 20 of 20 s: 1 - exp(-r t), with r of the imaging current."""
    shares = {}
    for pieces in (1, 20):
        instrument = started(tip=replace(APEX_LEVELS["off"], change_hz=1e-3), image_s=400 / pieces)
        total = 0
        for _ in range(60):
            before = instrument.state.tip.generation.copy()
            for _ in range(pieces):
                instrument.look(ROWS)
            total += (instrument.state.tip.generation > before).sum()
        shares[pieces] = total / (60 * COUNT)
    expected = 1.0 - np.exp(-400.0 * stm_tip.change_rate(IMAGING_PA, IMAGING_V, 1e-3))
    spread = 4.0 * np.sqrt(expected * (1.0 - expected) / (60 * COUNT))
    assert shares[1] == pytest.approx(expected, abs=spread)
    assert shares[20] == pytest.approx(expected, abs=spread)


@pytest.mark.parametrize("turns", [1, 2])
def test_the_lattice_is_the_same_after_a_turn_by_60_degrees_and_in_a_mirror(turns):
    """A drag in a turned or mirrored field moves adatoms to the turned or mirrored places."""
    angle = turns * np.pi / 3.0
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    # A turn by 60 degrees about a top exchanges fcc and hcp hollows, as does the mirror y -> -y.
    for change in (turn, np.diag([1.0, -1.0]), np.diag([-1.0, 1.0])):
        ends = []
        for matrix in (np.eye(2), change):
            instrument = started()
            field = instrument.state.field
            field.present[:, 1:] = False
            for row in ROWS:
                x, y = matrix @ field.places[row, 0]
                site = nearest_site(x, y, LATTICE_NM)
                field.sites[row, 0] = site
                field.places[row, 0] = site_place(*site, LATTICE_NM)
                assert field.places[row, 0] == pytest.approx(np.array([x, y]), abs=1e-9)
            start = field.places[:, 0].copy()
            angles = 2.0 * np.pi * ROWS / COUNT
            ways = 1.3 * np.stack([np.cos(angles), np.sin(angles)], axis=1) @ matrix.T
            pulled(instrument, start, start + ways)
            ends.append(field.places[:, 0].copy())
        alike = np.abs(ends[0] @ change.T - ends[1]).max(axis=1) < 1e-9
        # At 5 K hops are all but certain; a few paths pass between two hollows that are alike.
        assert alike.mean() > 0.9
