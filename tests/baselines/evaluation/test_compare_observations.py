"""Comparison of observation models: records and texts."""

import json

import numpy as np
import pytest

from microgym.baselines.cli.train import Run
from microgym.baselines.evaluation import protocols, reproduce
from microgym.baselines.evaluation.env_config import EnvironmentConfig
from microgym.baselines.reporting.docs import comparison_text

ENV = "Ptycho-v0"


def test_the_first_model_is_compared_with_each_other():
    rng = np.random.default_rng(0)
    base = rng.normal(size=(2, 50))
    found = reproduce.differences({"neural": base + 0.3, "classical": base, "raw": base + 0.5})
    assert [(one["better"], one["worse"]) for one in found] == [
        ("neural", "classical"),
        ("neural", "raw"),
    ]
    assert [one["difference"]["value"] for one in found] == pytest.approx([0.3, -0.2])


def test_each_agent_is_evaluated_with_the_model_of_its_training(tmp_path, monkeypatch):
    seen: list[tuple[str, str]] = []

    def finished(env_id, protocol, folder, *, jobs, reuse, config):
        assert (env_id, protocol.seeds, reuse) == (ENV, (0, 1), True)
        paths = [folder / f"seed-{seed}" for seed in protocol.seeds]
        return [Run(seed, 9, path, [], 1.0, True) for seed, path in enumerate(paths)]

    def returns(setting, group, episodes, progress):
        name = setting.arguments["reconstructor"]
        seen.extend((name, run.path.parent.name) for run in group)
        return np.full((len(group), episodes), 1.0 if name == "neural" else 0.5)

    monkeypatch.setattr(reproduce, "trained_runs", finished)
    monkeypatch.setattr(reproduce, "run_returns", returns)
    path = reproduce.write_comparison(
        EnvironmentConfig(ENV), runs=tmp_path / "runs", reuse=True, folder=tmp_path
    )
    assert path == reproduce.record_path(ENV, "observation models", tmp_path)
    assert seen == [
        (name, name)
        for name in protocols.evaluation_table(ENV).observation_models
        for _ in range(2)
    ]
    record = json.loads(path.read_text())
    assert record["kind"] == "observation models"
    text = comparison_text(record)
    assert "`neural`" in text
    assert "neural - classical" in text
    assert "higher" in text


def test_a_record_that_lacks_something_is_refused():
    with pytest.raises(ValueError, match="lacks 'models'"):
        comparison_text({"env": ENV})


def test_an_environment_without_a_choice_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no choice of observation models"):
        reproduce.write_comparison(EnvironmentConfig("STMTip-v0"), runs=tmp_path, folder=tmp_path)
