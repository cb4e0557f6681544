"""The position of a migration's name: with the source, with the encrypted instance, or on the way between them.

Usually the tags show it. If the tag that ends a move is missing, because AWS refused it, the instances decide: which one has the
name, and whether its parameter group allows writes. All code that needs the position uses this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.parameter_groups import ParameterGroups
from rds_encrypt.journal import Tag, completed, cutover_begun
from rds_encrypt.names import Names

__all__ = ["Position", "by_tags", "look", "phase_under_way"]

_BETWEEN = {"renaming", "rebooting", "starting", "stopping", "stopped", "deleting"}


class Position(StrEnum):
    """The instance that carries production, or the direction in which production is moving."""

    SOURCE = "source"
    LEAVING = "leaving"
    """A cutover has passed its point of no return, and is not complete."""
    ENCRYPTED = "encrypted"
    RETURNING = "returning"
    """A rollback has passed its point of no return, and is not complete."""


def by_tags(tags: Mapping[str, str]) -> Position:
    """Return the position by the tags of the encrypted instance."""
    if not cutover_begun(tags) and Tag.ROLLBACK_BEGAN not in tags:
        return Position.SOURCE
    if Tag.ROLLBACK_BEGAN in tags:
        over = completed(tags, Tag.ROLLBACK_BEGAN, Tag.ROLLED_BACK)
        return Position.SOURCE if over else Position.RETURNING
    over = completed(tags, Tag.CUTOVER_BEGAN, Tag.OPENED)
    return Position.ENCRYPTED if over else Position.LEAVING


def look(aws: Aws, names: Names, encrypted: Instance, source: Instance | None) -> Position:
    """Return the position; if a move seems to be under way, check whether it is in fact complete."""
    noted = by_tags(encrypted.tags)
    if noted is Position.LEAVING and _carries(aws, names, encrypted):
        return Position.ENCRYPTED
    if noted is Position.RETURNING and source is not None and _carries(aws, names, source):
        return Position.SOURCE
    return noted


def phase_under_way(position: Position) -> str | None:
    """Return the phase that completes the move under way, if there is one."""
    return {Position.LEAVING: "cutover", Position.RETURNING: "rollback"}.get(position)


def _carries(aws: Aws, names: Names, instance: Instance) -> bool:
    """Whether an instance is open under the source's name, or under its own: then with the migration's parameter group."""
    if instance.status in _BETWEEN or instance.parameter_status != "in-sync":
        return False
    if names.source != instance.identifier and instance.parameter_group != names.encrypted:
        return False
    values = ParameterGroups(aws).user_values(instance.parameter_group)
    return values.get("read_only", ("0", ""))[0] not in {"1", "ON"}
