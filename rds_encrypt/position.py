"""Where a migration's name is: with the source, with the encrypted instance, or on the way from one to the other.

Tags say it in the ordinary case. Where the tag that ends a move is missing, because AWS would not take it, the world decides: who
has the name, and whether that instance runs with a group that lets it be written to. Everybody who has to know asks here.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from rds_encrypt import journal
from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.instances import Instance
from rds_encrypt.aws.parameter_groups import ParameterGroups
from rds_encrypt.names import Names

__all__ = ["Position", "by_tags", "look", "phase_under_way"]

_BETWEEN = {"renaming", "rebooting", "starting", "stopping", "stopped", "deleting"}


class Position(StrEnum):
    """Who carries production, or which way it is on."""

    SOURCE = "source"
    LEAVING = "leaving"
    """A cutover has passed its point of no return, and is not complete."""
    ENCRYPTED = "encrypted"
    RETURNING = "returning"
    """A rollback has passed its point of no return, and is not complete."""


def by_tags(tags: Mapping[str, str]) -> Position:
    """Return what the tags of the encrypted instance say."""
    if not journal.cutover_begun(tags) and journal.ROLLBACK_BEGAN not in tags:
        return Position.SOURCE
    if journal.ROLLBACK_BEGAN in tags:
        over = journal.completed(tags, journal.ROLLBACK_BEGAN, journal.ROLLED_BACK)
        return Position.SOURCE if over else Position.RETURNING
    over = journal.completed(tags, journal.CUTOVER_BEGAN, journal.OPENED)
    return Position.ENCRYPTED if over else Position.LEAVING


def look(aws: Aws, names: Names, encrypted: Instance, source: Instance | None) -> Position:
    """Return where the name is; where a move seems to be under way, by looking whether it has come to its end."""
    noted = by_tags(encrypted.tags)
    if noted is Position.LEAVING and _carries(aws, names, encrypted):
        return Position.ENCRYPTED
    if noted is Position.RETURNING and source is not None and _carries(aws, names, source):
        return Position.SOURCE
    return noted


def phase_under_way(position: Position) -> str | None:
    """Return the phase that ends the move that is under way, if one is."""
    return {Position.LEAVING: "cutover", Position.RETURNING: "rollback"}.get(position)


def _carries(aws: Aws, names: Names, instance: Instance) -> bool:
    """Whether it has the name and is open, or is open where it stands: then it still runs with the group that held it."""
    if instance.status in _BETWEEN or instance.parameter_status != "in-sync":
        return False
    if names.source != instance.identifier and instance.parameter_group != names.encrypted:
        return False
    values = ParameterGroups(aws).user_values(instance.parameter_group)
    return values.get("read_only", ("0", ""))[0] not in {"1", "ON"}
