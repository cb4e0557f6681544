"""A local RDS: AWS's API in front of real MySQL servers."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dev.sandbox.faults import Faults
    from dev.sandbox.process import Sandbox, SandboxError

__all__ = ["Faults", "Sandbox", "SandboxError"]

_MODULES = {"Faults": "faults", "Sandbox": "process", "SandboxError": "process"}


def __getattr__(name: str) -> object:
    """Import when asked: the provider's stand-in, which starts with every `pulumi` command, needs none of them."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"dev.sandbox.{_MODULES[name]}"), name)
