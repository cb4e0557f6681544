"""Binlog retention: raised on both instances, which end with what the owner had on the source, whatever became of that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest

from providers.candidate_retention import CandidateRetentionArgs, CandidateRetentionProvider
from providers.step import StepContext
from rds_encrypt.access import Access
from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.instances import Instances
from rds_encrypt.core.errors import ActionRequired, Retryable
from rds_encrypt.core.waiting import silent
from rds_encrypt.discovery import find_encrypted
from rds_encrypt.journal import Role, Tag, tags_for
from rds_encrypt.temporary_resources import put_retention_back, untag_or_warn
from tests.unit.fakes import ACCESS, FakeAws, FakeSession, instance

MIGRATION = "db-ORDERS"
ARGS = CandidateRetentionArgs(source_id=MIGRATION, encrypted_id="db-E", hours=72, access=ACCESS)


class Server(FakeSession):
    """A server with a retention."""

    def __init__(self, hours: int | None = None) -> None:
        super().__init__({})
        self.hours = hours

    def rows(self, statement: str, *arguments: object) -> list[dict[str, Any]]:
        assert "rds_configuration" in statement
        return [{"value": self.hours}]

    def call(self, procedure: str, *arguments: object) -> list[dict[str, Any]]:
        assert procedure == "mysql.rds_set_configuration"
        self.hours = cast(Any, arguments[1])
        return []


class Place(FakeAws):
    """An account whose instances can be tagged, with a server each."""

    def __init__(self, *instances: Instance, away: str = "") -> None:
        super().__init__(*instances)
        self.servers = {db_instance.resource_id: Server() for db_instance in instances}
        self.denied: Exception | None = None
        self._away = away
        rds = cast(Any, self.rds)
        rds.add_tags_to_resource = self._add
        rds.remove_tags_from_resource = self._remove

    @property
    def world(self) -> StepContext:
        return StepContext(self, cast(Access, self), silent)

    def tags(self, resource_id: str) -> dict[str, str]:
        return Instances(self).get(resource_id).tags

    @contextmanager
    def session(self, db_instance: Instance, **_options: float) -> Iterator[FakeSession]:
        if db_instance.resource_id == self._away:
            raise Retryable("it cannot be reached")
        yield self.servers[db_instance.resource_id]

    def back(self, resource_id: str) -> None:
        """Let an instance serve again."""
        self._named(self.world.instances.get(resource_id).arn)["DBInstanceStatus"] = "available"

    def _add(self, ResourceName: str, Tags: list[dict[str, str]]) -> None:  # noqa: N803 - AWS's names
        self._named(ResourceName)["TagList"] += Tags

    def _remove(self, ResourceName: str, TagKeys: list[str]) -> None:  # noqa: N803 - AWS's names
        if self.denied is not None:
            raise self.denied
        description = self._named(ResourceName)
        description["TagList"] = [tag for tag in description["TagList"] if tag["Key"] not in TagKeys]

    def _named(self, arn: str) -> dict[str, Any]:
        return next(
            description
            for description in cast(Any, self.rds)._instances
            if description["DBInstanceArn"] == arn
        )


def source(**changes: Any) -> Instance:
    """The owner kept binlogs for a day."""
    tags = {**tags_for(Role.SOURCE, MIGRATION), Tag.PARTNER: "db-E", Tag.RETENTION_BEFORE: "24"}
    return instance("orders", tags, **changes)


def encrypted(status: str = "available", **tags: str) -> Instance:
    marks = {**tags_for(Role.ENCRYPTED, MIGRATION), **tags}
    return instance("orders-encrypted", marks, DbiResourceId="db-E", DBInstanceStatus=status)


MOVED = {Tag.CUTOVER_BEGAN: "1", Tag.OPENED: "2", Tag.RETENTION_BEFORE: "24"}


def test_the_candidate_keeps_its_binlogs() -> None:
    place = Place(source(), encrypted())
    assert CandidateRetentionProvider().perform(place.world, ARGS) == {"hours_now": 72}
    assert place.servers["db-E"].hours == 72
    assert CandidateRetentionProvider().seen(place.world, ARGS) == {}
    place.servers["db-E"].hours = None
    assert CandidateRetentionProvider().seen(place.world, ARGS) is None


def test_a_longer_retention_stays() -> None:
    place = Place(source(), encrypted())
    place.servers["db-E"].hours = 168
    assert CandidateRetentionProvider().perform(place.world, ARGS) == {"hours_now": 168}
    assert place.servers["db-E"].hours == 168


@pytest.mark.parametrize("alive", [True, False])
def test_both_end_with_what_the_owner_had_and_production_even_without_the_source(*, alive: bool) -> None:
    place = Place(*([source()] if alive else []), encrypted(**MOVED))
    put_retention_back(place.world.instances, place.world.access, MIGRATION)
    assert {server.hours for server in place.servers.values()} == {24}
    assert Tag.RETENTION_BEFORE not in place.tags("db-E")


def test_production_gets_it_back_during_a_backup() -> None:
    place = Place(source(DBInstanceStatus="backing-up"), encrypted("backing-up", **MOVED))
    put_retention_back(place.world.instances, place.world.access, MIGRATION)
    assert {server.hours for server in place.servers.values()} == {24}


def test_production_that_rds_reboots_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(source(), encrypted("rebooting", **MOVED))
    monkeypatch.setattr("rds_encrypt.core.waiting.time.sleep", lambda _seconds: place.back("db-E"))
    put_retention_back(place.world.instances, place.world.access, MIGRATION)
    assert place.servers["db-E"].hours == 24


@pytest.mark.parametrize("status", ["stopped", "stopping", "deleting", "failed"])
def test_a_source_that_is_down_is_not_waited_for(status: str) -> None:
    place = Place(source(DBInstanceStatus=status), encrypted())
    put_retention_back(place.world.instances, place.world.access, MIGRATION)
    assert place.servers[MIGRATION].hours is None
    assert Tag.RETENTION_BEFORE not in place.tags(MIGRATION)


def test_an_old_instance_that_cannot_be_reached_is_left_with_a_sentence() -> None:
    warnings: list[str] = []
    place = Place(source(), encrypted(**MOVED), away=MIGRATION)
    put_retention_back(place.world.instances, place.world.access, MIGRATION, warnings.append)
    assert place.servers["db-E"].hours == 24
    assert warnings == ["orders keeps what the migration changed: it cannot be reached."]
    # Before the names have moved it is production, and nothing of it is left as it is.
    before = Place(source(), encrypted(), away=MIGRATION)
    with pytest.raises(Retryable):
        put_retention_back(before.world.instances, before.world.access, MIGRATION)


def test_the_candidate_of_a_migration_that_is_given_up_is_not_asked_again() -> None:
    place = Place(source(), encrypted())
    place.servers["db-E"].hours = 72
    CandidateRetentionProvider().undo(place.world, ARGS)
    assert place.servers["db-E"].hours == 72
    moved = Place(source(), encrypted(**MOVED))
    CandidateRetentionProvider().undo(moved.world, ARGS)
    assert moved.servers["db-E"].hours == 24


def test_tags_that_mean_nothing_any_more_are_a_warning() -> None:
    warnings: list[str] = []
    place = Place(source(), encrypted(**MOVED))
    place.denied = ActionRequired("AWS refused it")
    db_instance = place.world.instances.get("db-E")
    untag_or_warn(place.world.instances, db_instance, [Tag.CUTOVER_BEGAN], warnings.append, needed=False)
    assert warnings == [
        "orders-encrypted keeps tags of the migration, which no longer have an effect: AWS refused it."
    ]
    with pytest.raises(ActionRequired):
        untag_or_warn(place.world.instances, db_instance, [Tag.CUTOVER_BEGAN], warnings.append, needed=True)


def test_the_encrypted_instance_is_found_without_the_source() -> None:
    place = Place(encrypted(), instance("other"))
    db_instance = find_encrypted(place.world.instances, MIGRATION, None)
    assert db_instance is not None
    assert db_instance.resource_id == "db-E"
    assert find_encrypted(place.world.instances, "db-ANOTHER", None) is None
