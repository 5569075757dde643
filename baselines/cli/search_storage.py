"""The trials of a search, in a database that survives being killed (Optuna over SQLite)."""

import contextlib
import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

STORAGE = "search.db"
"""Name of the database in the search's folder."""

_STUDY = "microgym"
_ABOUT = "about"
_LINED_UP = "lined_up"
_AGAIN = "again"
_RESULT = "result"


def open_study(folder: Path, about: Mapping[str, Any], usual: Mapping[str, Any]) -> Any:
    """Open the study in a folder, or begin one there.

    Args:
        folder: of the search; made if it does not exist.
        about: what makes two searches the same, as JSON holds it.
        usual: settings that the first trial of a new study has.

    Returns:
        Optuna's study, of which the largest value is the best.

    Raises:
        ValueError: what is there is no study, or one about something else.
        ImportError: Optuna is not installed.
        OSError: the folder cannot be written.
    """
    optuna = _optuna()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / STORAGE
    if not path.exists():
        if any(folder.glob("trial-*")):
            raise ValueError(
                f"{folder} holds trials, but not their {STORAGE}; choose another folder"
            )
        # Whole or not at all: a process that is killed leaves no half-made database.
        new = path.with_suffix(".new")
        new.unlink(missing_ok=True)
        study = optuna.create_study(storage=_url(new), study_name=_STUDY, direction="maximize")
        study.set_user_attr(_ABOUT, dict(about))
        study.enqueue_trial(dict(usual), user_attrs={_LINED_UP: dict(usual)})
        os.replace(new, path)
    _check(path)
    try:
        study = optuna.load_study(storage=_url(path), study_name=_STUDY)
    except Exception as error:
        raise ValueError(f"{path} holds no search of this package: {error}") from error
    held = study.user_attrs.get(_ABOUT, {})
    for name, value in about.items():
        if held.get(name) != value:
            raise ValueError(
                f"{folder} holds another search: its {name} is {held.get(name)!r}, wanted "
                f"{value!r}; choose another folder"
            )
    return study


def repair(study: Any) -> None:
    """Mark trials that ran when the search was killed as failed, and line their settings up again.

    Args:
        study: that nobody else works on.
    """
    states = _states()
    trials = study.get_trials(deepcopy=False)
    again = {one.user_attrs.get(_AGAIN) for one in trials}
    names = set(study.user_attrs[_ABOUT]["space"])
    for one in trials:
        if one.state == states.RUNNING:
            if one.number not in again:
                # Killed while its settings were drawn: what was lined up stays, the rest is drawn
                # again, and falls as it fell.
                drawn = one.params if set(one.params) == names else {}
                settings = dict(drawn or one.user_attrs.get(_LINED_UP, {}))
                about = {_LINED_UP: settings, _AGAIN: one.number}
                study.enqueue_trial(settings, user_attrs=about)
            study.tell(one.number, state=states.FAIL)


def ask(study: Any, seed: int, place: int) -> Any:
    """The next trial: one that is lined up, or else one drawn by the tree of Parzen estimators.

    Args:
        study: whose results so far guide the draw.
        seed: of the search.
        place: how many trials have been tried; with the seed it seeds the draw.

    Returns:
        Optuna's trial.
    """
    drawn = np.random.SeedSequence([seed, place]).generate_state(1)
    study.sampler = _optuna().samplers.TPESampler(seed=int(drawn[0]))
    return study.ask()


def finish(study: Any, trial: Any, result: Mapping[str, Any]) -> None:
    """Keep a trial's result, of which "return_mean" is what is searched for."""
    trial.set_user_attr(_RESULT, dict(result))
    study.tell(trial, result["return_mean"])


def fail(study: Any, trial: Any, why: str) -> None:
    """Keep that a trial's settings do not work, and why."""
    trial.set_user_attr(_RESULT, {"why": why})
    study.tell(trial, state=_states().FAIL)


def tried(study: Any) -> list[dict[str, Any]]:
    """Trials that came to an end by themselves, in their order.

    Returns:
        "trial" (its place), "state" ("complete" or "failed"), "settings", and what was kept.
    """
    states = _states()
    names = {states.COMPLETE: "complete", states.FAIL: "failed"}
    trials = study.get_trials(deepcopy=False)
    killed = {one.user_attrs.get(_AGAIN) for one in trials}
    ended = [one for one in trials if one.state in names and one.number not in killed]
    return [
        {
            "trial": place,
            "state": names[one.state],
            "settings": dict(one.params),
            **one.user_attrs[_RESULT],
        }
        for place, one in enumerate(ended)
    ]


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise ImportError(
            f"microgym search needs Optuna: pip install 'microgym[search]' ({error})"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def _states() -> Any:
    return _optuna().trial.TrialState


def _url(path: Path) -> str:
    return f"sqlite:///{path.resolve()}"


def _check(path: Path) -> None:
    """Look before Optuna does, which would make its tables in whatever database there is."""
    address = f"{path.resolve().as_uri()}?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(address, uri=True)) as database:
            names = [name for (name,) in database.execute("SELECT study_name FROM studies")]
    except sqlite3.Error as error:
        raise ValueError(f"{path} holds no search of this package: {error}") from error
    if _STUDY not in names:
        raise ValueError(f"{path} holds no search of this package, but studies {names}")
