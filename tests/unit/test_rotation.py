"""A changed master password: who has missed it, and who is never given one."""

from __future__ import annotations

from typing import Any, cast

import pytest

from rds_encrypt import rotation
from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.instance import Instance
from rds_encrypt.journal import Tag
from rds_encrypt.mysql.session import Credentials
from tests.unit.fakes import FakeAws, instance

MASTER = Credentials("admin", "new")
SOURCE: dict[str, str] = {Tag.ROLE: "source", Tag.MIGRATION: "db-ORDERS", Tag.PARTNER: "db-ORDERS-ENCRYPTED"}
ENCRYPTED: dict[str, str] = {Tag.ROLE: "encrypted", Tag.MIGRATION: "db-ORDERS"}
REPLICA: dict[str, str] = {Tag.ROLE: "replica", Tag.MIGRATION: "db-ORDERS"}


def made(name: str, tags: dict[str, str], **changes: Any) -> Instance:
    return instance(name, tags, MasterUsername="admin", **changes)


source, encrypted, replica = (
    made("orders", SOURCE),
    made("orders-encrypted", ENCRYPTED),
    made("orders-not-encrypted", REPLICA),
)
swapped = made("orders-encrypted", {**ENCRYPTED, Tag.CUTOVER_BEGAN: "2026-11-25T01:00:00+00:00"})


def missed(late: Instance, *others: Instance, account: Credentials = MASTER, accepting: str = "") -> bool:
    aws: Aws = cast(Aws, FakeAws(late, *others))
    return rotation.missed(aws, late, account, lambda db_instance: db_instance.resource_id == accepting)


@pytest.mark.parametrize(
    ("late", "others", "production"),
    [
        (encrypted, (source,), "db-ORDERS"),
        (replica, (source, encrypted), "db-ORDERS"),
        (replica, (source,), "db-ORDERS"),
        (source, (swapped,), "db-ORDERS-ENCRYPTED"),
        (replica, (source, swapped), "db-ORDERS-ENCRYPTED"),
    ],
)
def test_an_instance_beside_production_has_missed_what_that_accepts(
    late: Instance, others: tuple[Instance, ...], production: str
) -> None:
    assert missed(late, *others, accepting=production)
    # A secret that nobody accepts is wrong, and nobody is given what it holds.
    assert not missed(late, *others, accepting="")


@pytest.mark.parametrize(
    ("late", "others"),
    [(source, (encrypted,)), (swapped, (source,)), (made("foreign", {}), (source, encrypted))],
)
def test_production_and_what_is_not_of_a_migration_are_never_given_a_password(
    late: Instance, others: tuple[Instance, ...]
) -> None:
    aws: Aws = cast(Aws, FakeAws(late, *others))
    assert not rotation.missed(aws, late, MASTER, lambda _db_instance: True)


def test_only_the_master_user_s_password_is_rds_s_to_change() -> None:
    assert not missed(encrypted, source, account=Credentials("migrator", "new"), accepting="db-ORDERS")


def test_a_production_that_does_not_run_cannot_say_what_it_accepts() -> None:
    stopped = made("orders", SOURCE, DBInstanceStatus="stopped")
    assert not missed(encrypted, stopped, accepting="db-ORDERS")
