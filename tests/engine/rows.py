"""The rows of a plan, read from what the CLI prints."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Row", "read_rows"]

# ` +  aws:rds:Instance orders-encrypted create [diff: …]`, with or without branches of a tree before the type.
_ROW = re.compile(
    r"^ (?P<mark>[ +~\-<>=]{1,2}) +[│├└─ ]*(?P<type>[\w./-]+:[\w./:-]+) +(?P<name>[\w-]+)(?: +(?P<action>[a-z]+.*))?$"
)


@dataclass(frozen=True)
class Row:
    """One line of a plan: what becomes of one resource."""

    type: str
    name: str
    action: str

    def __str__(self) -> str:
        return f"{self.type} {self.name} {self.action}".rstrip()


def read_rows(printed: str) -> list[Row]:
    """Return the resources of a plan, in the order in which they are shown."""
    return [
        Row(found["type"], found["name"], (found["action"] or "").strip())
        for line in printed.splitlines()
        if (found := _ROW.match(line))
    ]
