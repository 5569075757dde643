"""Families of specimens that the shipped agent was not trained on."""

from typing import Any

from microgym.baselines.audit.check import Check, Findings, judge, text
from microgym.baselines.audit.context import Audit
from microgym.baselines.evaluation.comparison import SHIPPED
from microgym.baselines.evaluation.statistics import paired_difference


def families(audit: Audit) -> Findings:
    """Shipped agent minus expert on each family, on the same episodes."""
    option = audit.arguments.get("specimen")
    usual = audit.setting().specimen_name
    others = [one for one in (option.choices if option else ()) if one != usual]
    if SHIPPED not in audit.names:
        return Findings((judge("families", False, "no agent is shipped", "one is"),))
    if not others:
        return Findings(())
    seconds = audit.seconds("families") / len(others)
    checks: list[Check] = []
    data: dict[str, Any] = {}
    above = 0
    for family in others:
        setting = audit.setting(specimen=family)
        count = audit.affordable(setting, ["expert", SHIPPED], seconds, 16, 256)
        found = [audit.evaluate(setting, name, count).returns for name in (SHIPPED, "expert")]
        difference = paired_difference(*found)
        above += difference.above_zero
        want = "not below the expert by interval"
        figure = f"shipped less expert {text(difference)}, {count} episodes"
        checks.append(judge(f"families {family}", not difference.below_zero, figure, want))
        data[family] = [difference.value, *difference.interval]
    figure, want = f"above the expert on {above} of {len(others)}", "by interval on at least half"
    checks.append(judge("families half", 2 * above >= len(others), figure, want))
    return Findings(tuple(checks), {"difference": data})
