"""Templates of reports and pages, rendered by Jinja2."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from microgym.baselines.reporting import formatting

_VALUES: dict[str, Any] = {
    "decimals": formatting.decimals,
    "markdown": formatting.markdown,
    "outcome_table": formatting.outcome_table,
    "outcomes_caption": formatting.OUTCOMES,
}
_FILTERS: dict[str, Any] = {
    "written": formatting.written,
    "number": formatting.number,
    "signed": formatting.signed,
}


def render_template(name: str, **values: Any) -> str:
    """Render a file of the folder `templates`; values are escaped in HTML.

    Args:
        name: of the file.
        **values: variables of the template, beside the functions of `formatting`.
    """
    environment = Environment(
        loader=PackageLoader("microgym.baselines.reporting"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(_FILTERS)
    return environment.get_template(name).render(_VALUES | values)
