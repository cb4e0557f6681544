"""How the tool chain is obtained: one module per tool, run by `dev/tools/setup.py` with nothing but the standard library."""

from __future__ import annotations

__all__: list[str] = []
