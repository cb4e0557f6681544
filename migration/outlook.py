"""What the program must know of the account before it can declare anything: asked for all sources at the same time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from controlplane import keys, snapshots
from controlplane.aws import Aws
from controlplane.keys import Key
from controlplane.parameter_groups import ParameterGroups
from migration import journal
from migration.names import Names
from migration.survey import Survey, survey

__all__ = ["Group", "Outlook", "Wanted", "look_out"]

_THREADS = 8
"""As many as AWS lets an account ask without throttling it; botocore keeps ten connections."""


@dataclass(frozen=True)
class Wanted:
    """A source by its names, and the key as the config names it."""

    names: Names
    key: str


@dataclass(frozen=True)
class Group:
    """The parameter group that the owner gave the source: its family, and what a user set in it."""

    name: str
    family: str
    values: Mapping[str, tuple[str, str]]


@dataclass(frozen=True)
class Outlook:
    """One source, as far as declaring its resources depends on it.

    Attributes:
        survey: its instances.
        key: the KMS key, resolved.
        group: ``None`` if the source is gone.
        snapshots: the tags of those of the migration's snapshots that exist, by name.
        groups: the descriptions of the migration's own parameter groups, ``None`` for one that does not exist.
    """

    survey: Survey
    key: Key
    group: Group | None
    snapshots: Mapping[str, Mapping[str, str]]
    groups: Mapping[str, str | None]


def look_out(aws: Aws, wanted: Sequence[Wanted]) -> list[Outlook]:
    """Look at all sources; of several that cannot be told, the first one's error is raised.

    Raises:
        Refused: a source does not exist, is encrypted already, or its key cannot be used.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        return [found.result() for found in [_Asked(aws, each, pool) for each in wanted]]


class _Asked:
    """The questions about one source: what depends on no other answer is put at once."""

    def __init__(self, aws: Aws, wanted: Wanted, pool: ThreadPoolExecutor) -> None:
        names, self._aws = wanted.names, aws
        self._survey = pool.submit(survey, aws, names)
        self._key = pool.submit(keys.resolve, aws, wanted.key)
        self._snapshots = pool.submit(snapshots.existing, aws, (names.replica, names.encrypted))
        groups = ParameterGroups(aws)
        self._groups: dict[str, Future[str | None]] = {
            name: pool.submit(groups.description, name) for name in (names.encrypted, names.fence)
        }
        # Waits for the survey, which was put before it: in a pool that takes questions in turn, no dead end.
        self._group = pool.submit(lambda: _group_of(aws, self._survey.result()))

    def result(self) -> Outlook:
        return Outlook(
            survey=self._survey.result(),
            key=self._key.result(),
            group=self._group.result(),
            snapshots={name: found.tags for name, found in self._snapshots.result().items()},
            groups={name: found.result() for name, found in self._groups.items()},
        )


def _group_of(aws: Aws, found: Survey) -> Group | None:
    """Return the group that the source had when the migration began: a fence may have put another in its place."""
    if found.source is None:
        return None
    name = found.source.tags.get(journal.FENCED_GROUP, found.source.parameter_group)
    groups = ParameterGroups(aws)
    return Group(name, groups.family(name), groups.user_values(name))
