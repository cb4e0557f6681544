"""The lines of YAML that give a stack the times which a rehearsal measured."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from rds_encrypt.plan.estimates import RATES

__all__ = ["snippet"]


def snippet(measured: Mapping[str, float], on: date) -> str:
    """Return the group `measured` to paste under a source, indented as Pulumi writes it; plans estimate no other operations."""
    times = {operation: measured[operation] for operation in RATES if operation in measured}
    lines = [
        "measured:",
        # Quoted: to YAML, this key is a boolean, and Pulumi would write the date out as a time.
        f'  "on": "{on}"',
        *(f"  {operation}: {seconds:.1f}" for operation, seconds in times.items()),
    ]
    return "".join(f"      {line}\n" for line in lines)
