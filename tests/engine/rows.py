"""The rows of a plan, read from what the CLI prints."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Row", "read_rows"]

# ` +  aws:rds:Instance orders-encrypted create [diff: …]`; any message of the resource follows.
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
    """Return the resources that a plan does something to, in the order in which they are first shown."""
    matches = [match for line in printed.splitlines() if (match := _ROW.match(line))]
    # A row is printed again with each message of the resource.
    return list(dict.fromkeys(Row(row["type"], row["name"], row["action"]) for row in matches))
