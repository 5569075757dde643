"""The tunnelling microscope as an instrument: looking, dragging, drifting, crashing, accounts."""

from dataclasses import replace

import numpy as np
import pytest

from microgym.instruments.stm.image_kernels import draw_rows, draw_work
from microgym.instruments.stm.instrument import STMInstrument
from microgym.instruments.stm.kernels import ADATOM_NM, ADATOM_WIDTH_NM, pass_time
from microgym.instruments.stm.settings import (
    DRIFT_LEVELS,
    IMAGING_PA,
    NOISE_LEVELS,
    STMSettings,
)
from microgym.instruments.stm.state import BANDS, CHANGED, CRASHED, LOST
from microgym.physics import stm_tip
from microgym.physics.adatoms import LATTICE_NM
from microgym.physics.stm_tip import APEX_LEVELS
from microgym.random import episode_key
from microgym.state import arrays

COUNT = 32
ROWS = np.arange(COUNT)
LEVELS = ("off", "easy", "real", "hard")
SWITCHES = {"drift": DRIFT_LEVELS, "tip": APEX_LEVELS, "noise": NOISE_LEVELS}
QUIET = {
    "drift": DRIFT_LEVELS["off"],
    "tip": APEX_LEVELS["off"],
    "noise": NOISE_LEVELS["off"],
}


def started(family="terrace", split="validation", movers=1, **changes):
    instrument = STMInstrument(COUNT, STMSettings(**{**QUIET, **changes}))
    keys = np.stack([episode_key(k) for k in range(COUNT)])
    instrument.reset(ROWS, keys, family, split, movers, (1.0, 3.0))
    return instrument


def pulled(instrument, start, end, volts=0.01, siemens=6.0):
    full = np.full(COUNT, volts), np.full(COUNT, siemens)
    instrument.drag(ROWS, start, end, *full)


# --- looking -------------------------------------------------------------------------------------


def test_places_are_seen_where_they_are():
    instrument = started()
    instrument.look(ROWS)
    here = instrument.state.field.present
    assert instrument.state.seen[here] == pytest.approx(instrument.state.field.places[here])
    assert (instrument.state.registered == 0.0).all()


def test_noise_of_places_is_as_asked_and_worse_with_bad_tips():
    errors = {}
    for state in (stm_tip.SHARP, stm_tip.BLUNT):
        instrument = started(noise=NOISE_LEVELS["real"])
        for row in ROWS:
            instrument.state.tip.kind[row] = state
            spread, traits = APEX_LEVELS["off"].spread(), instrument.state.tip.traits[row]
            stm_tip.draw_traits(1, 2, row, state, spread, traits)
        found = []
        for _ in range(20):
            instrument.look(ROWS)
            now = instrument.state
            error = now.seen - now.field.places + now.frame[:, None]
            found.append(error[now.field.present].ravel())
        errors[state] = np.std(np.concatenate(found))
    assert errors[stm_tip.SHARP] == pytest.approx(0.08, rel=0.06)
    assert errors[stm_tip.BLUNT] > 1.3 * errors[stm_tip.SHARP]


def test_the_frame_follows_linear_drift():
    """PI/OU registration: what is registered is what has drifted between the images' middles."""
    instrument = started(drift=replace(DRIFT_LEVELS["real"], wander=0.0))
    instrument.state.drift.settling[:] = 0.0
    velocity = instrument.state.drift.velocity.copy()
    instrument.look(ROWS)
    for _ in range(3):
        instrument.look(ROWS)
        assert instrument.state.registered == pytest.approx(velocity * 20.0, rel=0.01)
    # The atom is where it was when its line was written, in the frame of the image's middle.
    late = instrument.state.seen[:, 0] - instrument.state.field.places[:, 0]
    line = instrument.state.field.places[:, 0, 1] / 8.0 * 20.0
    assert late == pytest.approx(velocity * line[:, None], abs=1e-9)
    assert instrument.state.bands[:, BANDS // 2] == pytest.approx(0.0, abs=1e-12)


def test_an_image_shows_adatoms_of_their_height():
    instrument = started()
    instrument.look(ROWS)
    before = {name: array.copy() for name, array in arrays(instrument.state)}
    instrument.draw(ROWS)
    for name, array in arrays(instrument.state):
        assert name == "image" or np.array_equal(array, before[name]), name
    for row in range(4):
        field = instrument.state.field
        for place in field.places[row][field.present[row]]:
            j, i = np.floor((place / 8.0 + 0.5) * 64).astype(int)
            around = instrument.state.image[row, i - 1 : i + 2, j - 1 : j + 2]
            assert around.max() == pytest.approx(0.1, abs=0.02)
        assert np.median(instrument.state.image[row]) == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize("blur", [0.0, 0.16, 0.30])
def test_a_blunt_tip_widens_adatoms_and_keeps_their_volume(blur):
    """Density exp(2 kappa z) - 1 over an adatom: variance w^2 + blur^2, and the same integral."""
    instrument = started()
    field, kappa = instrument.state.field, instrument.parameters.kappa
    field.present[:, 1:] = False
    field.places[:, 0] = np.linspace(-0.06, 0.06, COUNT)[:, None]
    instrument.state.tip.traits[:, [stm_tip.BLUR, stm_tip.FLICKER]] = (blur, 0.0)
    instrument.look(ROWS)
    # The feedback follows at once, and no waves surround the adatom.
    quiet = instrument.parameters._replace(image_s=1e6, wave_number=0.0)
    draw_rows(ROWS, instrument.state, quiet, draw_work())
    at = (np.arange(64) + 0.5) / 8.0 - 4.0
    density = np.exp(2.0 * kappa * instrument.state.image.astype(np.float64)) - 1.0
    volume = density.sum(axis=(1, 2)) / 64.0
    across = (at**2 * density.sum(axis=1)).sum(axis=1) / density.sum(axis=(1, 2))
    variance = across - field.places[:, 0, 0] ** 2
    sharp = (np.exp(2.0 * kappa * ADATOM_NM) - 1.0) * 2.0 * np.pi * ADATOM_WIDTH_NM**2
    assert volume == pytest.approx(sharp, rel=5e-3)
    assert np.sqrt(variance) == pytest.approx(np.hypot(0.3, blur), rel=5e-3)
    heights = instrument.state.image.max(axis=(1, 2))
    assert heights == pytest.approx(
        np.log(1.0 + sharp / (2.0 * np.pi * (0.09 + blur**2))) / (2.0 * kappa), abs=0.006
    )


def test_a_double_tip_shows_everything_twice():
    instrument = started()
    instrument.look(ROWS)
    instrument.draw(ROWS)
    single = instrument.state.image.copy()
    instrument.state.tip.traits[:, stm_tip.GHOST] = 0.9
    instrument.state.tip.traits[:, [stm_tip.GHOST_X, stm_tip.GHOST_Y]] = (0.0, 0.8)
    instrument.draw(ROWS)
    bright = [(image > 0.05).sum() for image in (single, instrument.state.image)]
    assert bright[1] > 1.5 * bright[0]


# --- dragging ------------------------------------------------------------------------------------


def test_a_drag_along_a_row_brings_the_adatom_along_and_the_trace_says_so():
    instrument = started()
    start = instrument.state.field.places[:, 0].copy()
    kind = instrument.state.field.sites[:, 0, 2]
    aside = np.where(kind == 0, 1.0, -1.0)[:, None] * [0.0, LATTICE_NM / (4 * np.sqrt(3))]
    way = np.array([6 * LATTICE_NM, 0.0])
    pulled(instrument, start + aside, start + aside + way)
    moved = instrument.state.field.places[:, 0] - start
    followed = np.hypot(*(moved - way).T) < 0.2
    assert followed.mean() > 0.8, "bystanders may be in the way"
    assert instrument.state.trace[followed].min() > 0.5
    pulled(instrument, start + aside, start + aside + way)  # there is nothing to be dragged now
    assert np.median(instrument.state.trace[followed, :20]) < 0.3


def test_weak_wells_leave_adatoms_behind():
    instrument = started()
    instrument.state.tip.traits[:, stm_tip.STRENGTH] = 0.3
    before = instrument.state.field.places.copy()
    start = before[:, 0]
    pulled(instrument, start, start + np.array([1.5, 0.0]))
    assert np.array_equal(instrument.state.field.places, before)
    assert np.median(instrument.state.trace[:, -10:]) < 0.2


def test_drift_makes_the_tip_miss():
    instrument = started()
    instrument.state.drift.drift[:] = (0.0, 0.5)
    instrument.state.drift.moved[:] = (0.0, 0.5)
    start = instrument.state.field.places[:, 0].copy()
    pulled(instrument, start, start + np.array([1.5, 0.0]))
    away = np.hypot(*(instrument.state.field.places[:, 0] - start).T)
    assert np.median(away) < 0.5
    instrument.state.frame[:] = (0.0, 0.5)  # once the frame has followed, it hits again
    pulled(
        instrument,
        instrument.state.field.places[:, 0],
        instrument.state.field.places[:, 0] + np.array([1.5, 0.0]),
    )
    assert np.median(np.hypot(*(instrument.state.field.places[:, 0] - start).T)) > 1.0


def test_an_apex_beside_the_tunnelling_atom_shifts_what_is_dragged():
    instrument = started()
    instrument.state.tip.traits[:, stm_tip.OFFSET_X] = 0.3
    start = instrument.state.field.places[:, 0].copy()
    pulled(instrument, start - [0.3, 0.0], start + np.array([1.2, 0.0]))
    at = instrument.state.field.places[:, 0] - start
    assert np.median(at[:, 0]) == pytest.approx(1.5, abs=0.2)


def test_the_current_of_a_drag_that_moves_nothing_tells_nothing_of_the_pulling_atom():
    """The current belongs to the atom that tunnels: nothing that is measured is a leak."""
    centroids, offsets = [], []
    noisy = STMSettings(tip=APEX_LEVELS["hard"], drift=DRIFT_LEVELS["off"])
    for turn in range(40):
        instrument = STMInstrument(COUNT, noisy)
        keys = np.stack([episode_key(COUNT * turn + k) for k in range(COUNT)])
        instrument.reset(ROWS, keys, "terrace", "validation", 1, (1.0, 3.0))
        now = instrument.state
        now.tip.traits[:, stm_tip.STRENGTH] = 0.05
        now.field.present[:, 1:] = False
        before = now.field.places.copy()
        start = before[:, 0]
        pulled(instrument, start - [1.0, 0.0], start + np.array([1.0, 0.0]))
        assert np.array_equal(now.field.places, before)
        risen = now.trace - now.trace.min(axis=1)[:, None]
        centroids.append(risen @ np.arange(64) / risen.sum(axis=1))
        offsets.append(now.tip.traits[:, [stm_tip.OFFSET_X, stm_tip.OFFSET_Y]])
        peaks = now.trace[:, 31:33].mean(axis=1)
        assert np.median(peaks) == pytest.approx(1.0, abs=0.05), "over the adatom it is as set"
    found, hidden = np.concatenate(centroids), np.concatenate(offsets)
    assert found.mean() == pytest.approx(31.5, abs=1.0), "the middle of the path"
    assert hidden.std() > 0.1
    for axis in range(2):
        assert abs(np.corrcoef(found, hidden[:, axis])[0, 1]) < 0.1


def test_an_adatom_that_follows_is_beneath_the_pulling_atom():
    """What the trace may tell: an adatom in the well of an atom beside the one that tunnels."""
    levels = {}
    for offset in (0.0, 0.3):
        instrument = started()
        instrument.state.tip.traits[:, stm_tip.OFFSET_Y] = offset
        start = instrument.state.field.places[:, 0].copy()
        pulled(instrument, start - [0.0, offset], start + np.array([1.4, -offset]))
        came = instrument.state.field.places[:, 0, 0] - start[:, 0] > 1.2
        assert came.mean() > 0.7
        levels[offset] = np.median(instrument.state.trace[came])
    assert levels[0.3] == pytest.approx(levels[0.0] * np.exp(-0.5), rel=0.25)


def test_the_field_drifts_under_a_moving_tip():
    """A slow drag over a place sees it later: at the speed of the tip less that of the drift."""
    instrument = started(speed_nm_s=0.1, drift=DRIFT_LEVELS["off"])
    now = instrument.state
    now.tip.traits[:, [stm_tip.STRENGTH, stm_tip.FLICKER]] = (0.05, 0.0)
    now.field.present[:, 1:] = False
    start = now.field.places[:, 0].copy()
    now.drift.velocity[:] = (0.02, 0.0)
    pulled(instrument, start - [1.0, 0.0], start + np.array([1.0, 0.0]))
    # Begun after 2 s: tip -1 + 0.1 t, adatom 0.04 + 0.02 t; they meet at t = 13 s of 20 s.
    peak = now.trace.argmax(axis=1)
    assert peak == pytest.approx(13.0 / 20.0 * 64 - 1.0, abs=1.0)


# --- what goes wrong -----------------------------------------------------------------------------


def test_a_step_in_the_way_crashes_the_tip_and_the_foot_of_it_keeps_adatoms():
    instrument = started("stepped", "test")
    normal, distance = instrument.state.field.steps[:, :2], instrument.state.field.steps[:, 2:]
    foot = normal * (distance - 1.0)
    pulled(instrument, foot, foot + 2.0 * normal)
    assert (instrument.state.events[:, CRASHED] == 1.0).all()
    assert (instrument.state.events[:, CHANGED] == 1.0).all()
    assert (instrument.state.tip.generation == 1).all()
    assert (instrument.state.tip.kind == stm_tip.SHARP).mean() < 0.2
    kept = started("stepped", "test")
    field = kept.state.field
    field.places[:, 0] = field.steps[:, :2] * (field.steps[:, 2:] - 0.2)
    pulled(kept, np.zeros((COUNT, 2)), np.zeros((COUNT, 2)))
    assert (kept.state.events[:, LOST] >= 1.0).all()
    assert not field.present[:, 0].any()


def test_too_high_a_conductance_is_contact():
    instrument = started()
    instrument.state.tip.traits[:16, stm_tip.CONTACT] = 5.0
    pulled(instrument, np.zeros((COUNT, 2)), np.ones((COUNT, 2)))
    assert (instrument.state.events[:16, CRASHED] == 1.0).all()
    assert (instrument.state.events[16:, CRASHED] == 0.0).all()


def test_contamination_in_the_way_fouls_the_tip():
    instrument = started("stepped", "test")
    instrument.state.tip.traits[:, stm_tip.CONTACT] = 1e9
    patch = instrument.state.field.patches[:, 0, :2]
    pulled(instrument, patch - [0.2, 0.0], patch)
    assert (instrument.state.tip.kind == stm_tip.CONTAMINATED).all()


def test_current_changes_tips():
    changed = {}
    for volts in (0.005, 0.015):
        instrument = started(tip=APEX_LEVELS["hard"])
        count = 0.0
        for _ in range(40):
            instrument.state.tip.traits[:, stm_tip.CONTACT] = 1e9
            pulled(instrument, np.full((COUNT, 2), -3.0), np.full((COUNT, 2), -1.6), volts)
            count += instrument.state.events[:, CHANGED].sum()
        changed[volts] = count
    # rate 3e-4 (1 + I / nA) for 1.4 s, 1280 times: 17 at 30 nA and 49 at 90 nA
    assert 6.0 <= changed[0.005] <= 36.0
    assert 28.0 <= changed[0.015] <= 75.0


@pytest.mark.parametrize("switch", ["noise", "drift", "tip"])
def test_every_level_of_a_switch_acts_and_the_next_acts_more(switch):
    """Measured on what it affects: errors of places, drift after two minutes, spread of wells."""
    measured = []
    for level in LEVELS:
        instrument = started(**{switch: SWITCHES[switch][level]})
        now = instrument.state
        if switch == "drift":
            instrument.state.tip.traits[:, stm_tip.FLICKER] = 0.0
            for _ in range(6):
                instrument.look(ROWS)
            measured.append(np.hypot(*now.drift.drift.T).mean())
        elif switch == "noise":
            instrument.look(ROWS)
            measured.append(np.std((now.seen - now.field.places)[now.field.present]))
        else:
            measured.append(np.std(np.log(now.tip.traits[:, [stm_tip.STRENGTH, stm_tip.HARDNESS]])))
    assert (np.diff(measured) > 0.2 * measured[-1] / len(LEVELS)).all(), measured


# --- time and accounts ---------------------------------------------------------------------------


def test_the_ledger_adds_up():
    instrument = started()
    start = np.zeros((COUNT, 2))
    instrument.look(ROWS)
    pulled(instrument, start, start + np.array([1.5, 2.0]), volts=0.01, siemens=5.0)
    instrument.condition(ROWS, np.full(COUNT, 1.2), np.zeros(COUNT))
    instrument.go_elsewhere(ROWS)
    ledger = instrument.state.ledger
    assert ledger.time_s == pytest.approx(20.0 + 2.0 + 2.5 + 5.0 + 120.0)
    assert ledger.exposures.tolist() == [1] * COUNT
    # charge in nC: 50 pA for 20 s and 50 nA for 2.5 s
    assert ledger.dose == pytest.approx(1e-3 * IMAGING_PA * 20.0 + 50.0 * 2.5)
    assert ledger.path_m == pytest.approx(1e-9 * (2 * 64 * 8.0 + 2.5) + 1e-6)


def test_a_coarse_move_begins_settling_anew():
    instrument = started(drift=replace(DRIFT_LEVELS["real"], speed=0.0, wander=0.0))
    settling = instrument.state.drift.settling
    settling[:] = 0.0
    found = []
    for _ in range(20):
        instrument.go_elsewhere(ROWS)
        left = settling / np.exp(-120.0 / 200.0)  # what is left after the move of 120 s
        found.append(np.hypot(*left.T))
        assert instrument.state.frame == pytest.approx(instrument.state.drift.drift)
        settling[:] = 0.0
    sizes = np.concatenate(found)
    assert 0.25 <= sizes.min() < sizes.max() <= 0.75, "a half to one and a half of 0.5 nm"
    assert sizes.mean() == pytest.approx(0.5, abs=0.03)
    still = started()
    still.go_elsewhere(ROWS)
    assert not still.state.drift.settling.any()


@pytest.mark.parametrize("state", range(len(stm_tip.STATES)))
def test_a_tip_that_is_set_has_all_that_follows_from_its_state(state):
    instrument = started(tip=APEX_LEVELS["real"])
    other = started(tip=APEX_LEVELS["real"])
    instrument.set_tips(ROWS, np.full(COUNT, state))
    now = instrument.state.tip
    assert (now.kind == state).all()
    assert np.array_equal(now.generation, other.state.tip.generation)
    # The same draws: ratios to the sharp tip are those of the two states.
    ratio = now.traits / np.where(other.state.tip.traits == 0.0, 1.0, other.state.tip.traits)
    factors = stm_tip.OF_STATE[state] / stm_tip.OF_STATE[stm_tip.SHARP]
    for trait, factor in zip(
        (stm_tip.STRENGTH, stm_tip.WIDTH, stm_tip.BLUR, stm_tip.FLICKER), factors, strict=True
    ):
        assert ratio[:, trait] == pytest.approx(factor)
    assert (now.traits[:, stm_tip.GHOST] > 0.0).all() == (state == stm_tip.DOUBLE)
    instrument.set_tips(ROWS, np.full(COUNT, stm_tip.SHARP))
    assert np.array_equal(now.traits, other.state.tip.traits)


@pytest.mark.parametrize("level", ["easy", "real", "hard"])
def test_time_slicing_leaves_the_drift_as_it_is(level):
    whole, sliced = (started(drift=DRIFT_LEVELS[level]) for _ in range(2))
    whole.look(ROWS)
    for instrument, parts in ((whole, 1), (sliced, 7)):
        waits = (120.0 if instrument is whole else 140.0) / parts
        state, rates = instrument.state, instrument.parameters.rates
        for row in ROWS.repeat(parts):
            pass_time(row, waits, rates, state.keys, state.ledger, state.drift)
    assert whole.state.ledger.time_s == pytest.approx(sliced.state.ledger.time_s)
    assert whole.state.drift.drift == pytest.approx(sliced.state.drift.drift, abs=1e-9)


def test_conditioning_changes_tips_as_often_as_it_should():
    instrument = started(bent=1.0)
    assert (instrument.state.tip.kind != stm_tip.SHARP).all()
    changed = 0.0
    for _ in range(60):
        instrument.condition(ROWS, np.full(COUNT, 1.0), np.zeros(COUNT))
        changed += instrument.state.events[:, CHANGED].sum()
    expected = 1.0 - np.exp(-((1.0 / 1.2) ** 2))
    spread = np.sqrt(expected * (1 - expected) / (60 * COUNT))
    assert changed / (60 * COUNT) == pytest.approx(expected, abs=4 * spread)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bent": 1.5}, r"bent=1.5 must be in \[0, 1\]"),
        ({"image_s": 0.0}, "image_s=0.0 must be above zero"),
        ({"temperature_k": -5.0}, "temperature_k=-5.0 must be above zero"),
        (
            {"temperature_k": 60.0},
            r"temperature_k=60.0 must be in \(0, 16.77\]: .*hop over barrier",
        ),
        ({"barrier_ev": 0.01}, r"temperature_k=5.0 must be in \(0, 2.795\]"),
    ],
)
def test_bad_settings_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        STMSettings(**changes)
