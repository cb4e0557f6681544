"""A local RDS: AWS's API in front of real MySQL servers."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dev.sandbox.process import Sandbox, SandboxError

__all__ = ["Sandbox", "SandboxError"]


def __getattr__(name: str) -> object:
    """Import when asked: the provider's stand-in, which starts with every `pulumi` command, needs none of them."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("dev.sandbox.process"), name)
