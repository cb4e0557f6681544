"""The registry of actions: each module of a resource kind adds its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dev.sandbox.rds.region import Region

__all__ = ["ACTIONS", "Handler", "Parameters", "Result", "action"]

Parameters = dict[str, Any]
Result = dict[str, Any]
Handler = Callable[["Region", Parameters], Result]

ACTIONS: dict[str, Handler] = {}


def action(name: str) -> Callable[[Handler], Handler]:
    """Register a function as the handler of one action of the API."""

    def register(handler: Handler) -> Handler:
        ACTIONS[name] = handler
        return handler

    return register
