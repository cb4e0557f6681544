"""Whether replication stops at a missing or duplicate row (STRICT), or silently continues (IDEMPOTENT).

A dump of the variables of a running RDS 8.0.41 (2025-06) has IDEMPOTENT: then only a comparison finds that two instances differ.
The encrypted instance follows with STRICT until it is opened, if its parameter group's family lets a user set it.
"""

from __future__ import annotations

from collections.abc import Mapping

from rds_encrypt.aws.parameter_groups import ParameterGroups

__all__ = ["EXEC_MODES", "put_back", "strict"]

EXEC_MODES = ("replica_exec_mode", "slave_exec_mode")
"""The parameter's name, from 8.4 on and before."""
_STRICT = "STRICT"


def strict(modifiable: str | None) -> Mapping[str, tuple[str, str]]:
    """Return the value for the encrypted instance's group; nothing if the family has no such modifiable parameter."""
    return {modifiable: (_STRICT, "immediate")} if modifiable else {}


def put_back(groups: ParameterGroups, group: str, owner_group: str) -> None:
    """Restore the owner's mode on an opened instance, without waiting: it no longer follows a source."""
    if group == owner_group:
        return
    present, owner = groups.user_values(group), groups.user_values(owner_group)
    for name in EXEC_MODES:
        if present.get(name, ("",))[0] == _STRICT != owner.get(name, ("",))[0]:
            if name in owner:
                groups.set_as(group, {name: owner[name]})
            else:
                groups.reset_now(group, [name])
