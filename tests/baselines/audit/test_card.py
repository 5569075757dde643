"""The card of an audit: verdicts, returns, stock algorithms, curves, and scripts that run."""

import re
from typing import Any

from microgym.baselines.audit.card import audit_card, curves_svg, how_to, learning_curves
from microgym.baselines.audit.snippets import snippet
from microgym.baselines.evaluation.records import provenance

ROW = {
    "return": [0.5, 0.4, 0.6],
    "runs": [0.4, 0.5, 0.6],
    "steps": [1000, 2000, 3000],
    "minutes": [2.04, 10.0, 10.0],
    "reasons": ["reached", "time", "time"],
    "curves": [[(100, 30.0, 0.1), (200, 60.0, 0.5)]] * 3,
}
RECORD: dict[str, Any] = {
    **provenance(["audit", "X"]),
    "checks": [
        {"name": "scale maps", "verdict": "fail", "figure": "below 0.1: a 0.02", "want": "0.1"},
        {"name": "splits", "verdict": "pass", "figure": "|r| 0.01", "want": "none"},
    ],
    "groups": {
        "references": {"returns": {"expert": [1.0, 0.9, 1.1], "oracle": [2.0, 1.9, 2.1]}},
        "scale": {"deviation": {"maps": {"a": 0.02}}},
        "plain": {"easy": {"PPO": ROW}, "default": {"PPO": ROW}},
    },
}


def test_the_card_shows_verdicts_returns_and_stock_algorithms() -> None:
    text = audit_card(RECORD, "curves.svg")
    assert "2 checks, 1 failed." in text
    assert "| scale maps | fail | below 0.1: a 0.02 | 0.1 |" in text
    assert "| PPO | easy | 2.04 (reached), 10 (time), 10 (time) | 2,000 | 0.500 [0.4" in text
    assert text.index("| oracle |") < text.index("| expert |") < text.index("| plain PPO |")
    assert "![Learning curves of stock algorithms](curves.svg)" in text
    assert "`a` 0.02" in text
    rows = [line for line in text.splitlines() if line.startswith("| splits")]
    assert rows[0].count("|") == 5


def test_the_curves_are_an_image_with_all_runs_and_levels() -> None:
    svg = learning_curves(RECORD)
    assert svg.count('fill="none"') == 6
    assert svg.count("dasharray") == 2
    assert ">PPO, easy<" in svg
    inside = [float(y) for y in re.findall(r"[\d.]+,([\d.]+)", svg)]
    assert all(0 <= y <= 260 for y in inside)
    flat = curves_svg({"a": [[(0.0, 1.0), (1.0, 1.0)]]}, {})
    assert "nan" not in flat


def test_the_script_is_what_is_declared() -> None:
    table = {
        "num_envs": 4,
        "environment": {"action": "grid"},
        "settings": {"n_steps": 8, "batch_size": 16, "policy_kwargs": {"net_arch": [8]}},
    }
    text = snippet("Ptycho-v0", "MaskablePPO", {"policy": "MultiInputPolicy", **table}, 64)
    assert "from sb3_contrib import MaskablePPO" in text
    assert 'make_sb3("Ptycho-v0", 4, action="grid", difficulty="easy")' in text
    assert 'policy_kwargs={"net_arch": [8]}' in text
    pasted = how_to("Ptycho-v0", {"MaskablePPO": table}, None)
    assert "agent.learn(1_000_000)" in pasted
    assert "microgym audit Ptycho-v0 --only plain --deep" in pasted
    exec(snippet("STMTip-v0", "PPO", {"settings": {"n_steps": 4, "batch_size": 8}}, 64), {})
