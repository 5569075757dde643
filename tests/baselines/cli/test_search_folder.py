"""A search and each of its trials have their folders for themselves."""

import pytest

from microgym.agents.training.checkpoint import claimed
from tests.baselines.cli import test_search as searches
from tests.baselines.cli.test_search import results, run, space, tmp_path, train, whole

__all__ = ["space", "tmp_path", "whole"]  # fixtures


def test_a_second_search_in_a_folder_is_refused_and_the_first_goes_on(space, tmp_path, whole):
    folder, refused = tmp_path / "search", []

    def trainer(*words, **more):
        with pytest.raises(BlockingIOError, match=f"another process is searching in {folder}"):
            run(folder)
        refused.append(1)
        return train(*words, **more)

    record = run(folder, trainer=trainer)
    assert len(refused) == 3 * 2
    assert results(record) == results(whole)
    assert results(run(folder)) == results(whole)


def test_a_trial_whose_folder_is_held_is_tried_again(space, tmp_path, whole):
    folder = tmp_path / "search"

    def trainer(*words, output, **more):
        output.mkdir(parents=True, exist_ok=True)
        with claimed(output):
            return train(*words, output=output, **more)

    held = folder / "trial-0001" / "seed-0"
    held.mkdir(parents=True)
    (folder / "journal.log").touch()
    with claimed(held), pytest.raises(BlockingIOError, match=f"training in {held}"):
        run(folder, trainer=trainer)
    assert results(run(folder, trainer=trainer)) == results(whole)
    assert searches.search.JOURNAL in {one.name for one in folder.iterdir()}
