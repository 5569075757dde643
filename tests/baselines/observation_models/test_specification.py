"""Declarations of the neural observation models."""

import pkgutil
from dataclasses import dataclass, replace

import pytest

from microgym.baselines.observation_models.specification import (
    EvaluationBudget,
    specification,
    specifications,
)
from microgym.baselines.observation_models.train import TrainingTask


def test_declarations_are_found_by_folder():
    found = {spec.env_id for spec in specifications()}
    assert {"Ptycho-v0", "AFM-v0", "STM-v0"} <= found
    for env_id in found:
        assert specification(env_id).env_id == env_id


def test_an_environment_without_one_is_named_with_those_that_have_one():
    with pytest.raises(ValueError, match=r"PFM-v0 has no neural .*; there are .*Ptycho-v0"):
        specification("PFM-v0")


@pytest.mark.parametrize("spec", specifications(), ids=lambda spec: spec.env_id)
def test_a_declaration_is_complete(spec, tmp_path):
    assert issubclass(pkgutil.resolve_name(spec.task), TrainingTask)
    assert spec.network.shipped_file.is_file()
    assert spec.record.is_file()
    assert replace(spec, results=tmp_path).record == tmp_path / spec.record.name
    assert spec.card_file.name == f"{spec.env_id}.md"
    assert issubclass(spec.budget, EvaluationBudget)


def test_the_numbers_of_a_budget_are_checked():
    @dataclass(frozen=True)
    class Small(EvaluationBudget):
        specimens: int = 2
        rows: int = 1

    assert Small(5).rows == 1
    with pytest.raises(ValueError, match="rows must be at least 1, got 0"):
        Small(rows=0)
