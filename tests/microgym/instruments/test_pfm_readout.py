"""Images and hysteresis loops of the piezoresponse force microscope."""

from typing import Any

import numpy as np
import pytest

from microgym.instruments.pfm.settings import (
    LOOP_NOISE_V,
    ReadoutParameters,
)
from microgym.instruments.pfm.state import SIZE
from microgym.physics.ferroelectric import respond, respond_work
from microgym.state import arrays
from tests.microgym.instruments.pfm_helpers import CENTRE, loop, make, pulse

# --- images --------------------------------------------------------------------------------------


def test_an_image_is_the_polarisation_through_the_tip():
    film = make()
    pulse(film, 8.0, 1.0)
    film.scan(np.arange(1))
    expected = np.empty((SIZE, SIZE), np.float32)
    sigma = film.settings.response_cells
    respond(film.state.p[0], sigma, expected, np.empty(respond_work(SIZE, SIZE, sigma), np.float32))
    # The last line and column lie on the border, a thousandth of a cell off.
    assert film.state.image[0, :-1, :-1] == pytest.approx(expected[:-1, :-1], abs=1e-6)
    assert film.state.images[0] == 1


def test_images_have_noise_and_an_offset():
    film = make(64, readout=ReadoutParameters(noise=0.2, electrostatic=0.3))
    film.scan(np.arange(64))
    means = film.state.image.mean(axis=(1, 2))
    assert np.std(means) == pytest.approx(0.3, rel=0.25)
    assert means.mean() == pytest.approx(-1.0, abs=0.12)
    assert (film.state.image - means[:, None, None]).std() == pytest.approx(0.2, rel=0.02)
    first = film.state.image.copy()
    film.scan(np.arange(64))
    assert (
        np.corrcoef(first.ravel(), film.state.image.ravel())[0, 1] < 0.75
    )  # the offset is the same
    assert film.state.image.mean(axis=(1, 2)) == pytest.approx(means, abs=0.02)


def test_an_image_is_sheared_by_the_drift():
    film = make()
    film.state.p[0] = -1.0
    film.state.p[0, :, 32:] = 1.0
    film.state.drift.velocity[0] = (0.0, 1.0)
    film.scan(np.arange(1))
    walls = [int(np.argmax(line > 0.0)) for line in film.state.image[0]]
    assert walls[0] == pytest.approx(32, abs=1)
    assert walls[-1] == pytest.approx(32 - film.settings.image_s, abs=1)


def test_reading_disturbs():
    looked, left = (make(16, disorder=1.0, dead_time_s=8.0) for _ in range(2))
    for one in (looked, left):
        pulse(one, 8.0)
    for _ in range(4):
        looked.scan(np.arange(16))
        pulse(left, 0.0)  # as long as an image
    assert (looked.state.p > 0.0).sum() < 0.98 * (left.state.p > 0.0).sum()


# --- loops ---------------------------------------------------------------------------------------


def test_a_slow_loop_is_narrower_by_the_logarithm_of_its_time():
    """Creep: a hundred times slower, it switches at a bias lower by a share of what it was."""
    times = np.array([0.04, 0.4, 4.0, 40.0, 400.0])
    widths = np.array([np.ptp(loop(make(loop_s=one))[0]) for one in times])
    assert np.all(np.diff(widths) < 0.0)
    # Merz's law: 1 / V is linear in the logarithm of time, where the lattice does not limit it.
    slope, start = np.polyfit(np.log(times[1:]), 1.0 / widths[1:], 1)
    assert slope > 0.0
    assert slope * np.log(times[1:]) + start == pytest.approx(1.0 / widths[1:], rel=0.02)


def test_an_imprint_shifts_the_loop_against_itself():
    loops: dict[float, Any] = {}
    for imprint in (-0.1, 0.0, 0.1):
        film = make(disorder=1.0)
        film.state.imprint[:], film.state.bond[:], film.state.barrier[:] = imprint, 0.0, 2.0
        film.state.p[:] = np.sign(imprint - 1e-9)
        loops[imprint] = loop(film)[0]
    # Nowhere is the tip's field stronger than right below it: the bias that makes up for the
    # imprint is at least this.
    bias = 0.1 / film.settings.field_per_v
    assert np.all(loops[0.1] < loops[-0.1] - 2.0 * bias)
    assert loops[0.0][0] > 0.385 / film.settings.field_per_v


def test_turning_film_and_bias_upside_down_turns_the_loop():
    film, turned = make(4, disorder=1.0), make(4, disorder=1.0)
    for name in ("p", "imprint"):
        getattr(turned.state, name)[:] = -getattr(film.state, name)
    turned.parameters = turned.parameters._replace(loop_v=-film.settings.loop_v)
    assert loop(turned) == pytest.approx(-loop(film)[:, ::-1], abs=1e-9)


def test_a_loop_on_a_copy_leaves_the_film_alone_and_a_real_one_does_not():
    film = make()
    before = {name: array.copy() for name, array in arrays(film.state)}
    first = loop(film)
    assert all(np.array_equal(array, before[name]) for name, array in arrays(film.state))
    assert np.array_equal(loop(film, disturb=True), first)
    assert film.state.ledger.time_s[0] == film.settings.loop_s
    assert (film.state.p > 0.0).any()


def test_loops_are_read_with_noise():
    film = make(400, readout=ReadoutParameters(noise=0.2))
    found, seen = np.tile([3.0, -3.0], (400, 1)), np.zeros((400, 2))
    film.read(np.arange(400), found, seen)
    assert seen.mean(axis=0) == pytest.approx([3.0, -3.0], abs=0.03)
    assert np.std(seen - found) == pytest.approx(LOOP_NOISE_V * 0.2, rel=0.1)
    assert abs(np.asarray(np.corrcoef(seen.T))[0, 1]) < 0.15


def test_what_surrounds_a_point_shifts_its_loop():
    film = make()
    alone = loop(film)[0].mean()
    for k in range(8):
        angle = 0.25 * np.pi * k
        pulse(film, 8.0, at=(CENTRE + 8.0 * np.sin(angle), CENTRE + 8.0 * np.cos(angle)))
    assert loop(film)[0].mean() < alone - 0.5
