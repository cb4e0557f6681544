"""Whether replication stops at a row that is missing or there already (STRICT), or goes on as if nothing were (IDEMPOTENT).

A running RDS 8.0.41 was seen with IDEMPOTENT (a dump of its variables, 2025-06): then only a comparison finds that two instances differ.
The encrypted instance follows with STRICT until it is opened, where its parameter group's family lets a user say so.
"""

from __future__ import annotations

from collections.abc import Mapping

from rds_encrypt.aws.parameter_groups import ParameterGroups

__all__ = ["EXEC_MODES", "put_back", "strict"]

EXEC_MODES = ("replica_exec_mode", "slave_exec_mode")
"""The parameter's name, from 8.4 on and before."""
_STRICT = "STRICT"


def strict(modifiable: str | None) -> Mapping[str, tuple[str, str]]:
    """Return what to set in the encrypted instance's group; nothing if the family has no such parameter to set."""
    return {modifiable: (_STRICT, "immediate")} if modifiable else {}


def put_back(groups: ParameterGroups, group: str, owner_group: str) -> None:
    """Give an opened instance the mode that its owner has; it follows nobody by now, so nothing waits for that."""
    if group == owner_group:
        return
    present, owner = groups.user_values(group), groups.user_values(owner_group)
    for name in EXEC_MODES:
        if present.get(name, ("",))[0] == _STRICT != owner.get(name, ("",))[0]:
            if name in owner:
                groups.set_as(group, {name: owner[name]})
            else:
                groups.reset_now(group, [name])
