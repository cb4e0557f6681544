"""The base of all models of the config."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

__all__ = ["Strict"]


class Strict(BaseModel):
    """A part of the config: frozen, with keys in camelCase; it refuses a key that it does not declare."""

    # The docstring below a field is its row in docs/configuration.md (dev/tools/configuration_page.py).
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
