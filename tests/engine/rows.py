"""The rows of a plan, read from what the CLI prints."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Row", "read_rows"]

# ` +  aws:rds:Instance orders-encrypted create [diff: …]`; whatever a resource has to say follows.
_ROW = re.compile(
    r"^ [ +~\-<>=]{1,2} +(?P<type>[\w./-]+:[\w./:-]+) (?P<name>[\w-]+)"
    r" (?P<action>(?:create|update|delete|replace|read|import)\S*(?: \[diff: [^\]]*\])?)"
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
    """Return the resources that a plan does something to, in the order in which they are shown first."""
    found = [match for line in printed.splitlines() if (match := _ROW.match(line))]
    # A row is printed again with each thing that the resource has to say.
    return list(dict.fromkeys(Row(row["type"], row["name"], row["action"]) for row in found))
