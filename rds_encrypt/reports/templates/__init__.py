"""Templates of what is written for people, and how they are filled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["render"]


def render(template: str, /, **values: Any) -> str:
    """Fill a template; a value that it misses is an error, and what goes into HTML is escaped."""
    # A preview writes no page, and loads this for each of its processes.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape  # noqa: PLC0415

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=select_autoescape(enabled_extensions=("html", "html.j2")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(**values)
