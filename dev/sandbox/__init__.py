"""A local RDS: AWS's API in front of real MySQL servers."""

from __future__ import annotations

from dev.sandbox.process import Sandbox, SandboxError

__all__ = ["Sandbox", "SandboxError"]
