"""Writes to the instance that loses the name, after the last coordinates that production has."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from rds_encrypt.core.errors import Retryable
from rds_encrypt.cutover.context import CutoverContext
from rds_encrypt.cutover.former_primary import Unreachable
from rds_encrypt.cutover.stray_writes import stray_write
from rds_encrypt.journal import Tag
from tests.unit.fakes import Answer, FakeSession, instance

FILE = "mysql-bin-changelog.000009"
MAP = {"Event_type": "Table_map", "Info": "table_id: 71 (shop.orders)"}
HEARTBEAT = {"Event_type": "Table_map", "Info": "table_id: 70 (mysql.rds_heartbeat2)"}


def warned(left: Any, tags: dict[str, str] | None = None) -> tuple[str, list[str]]:
    """Return what the check returned, and its warnings."""
    warnings: list[str] = []
    noted: dict[str, str] = {Tag.PROMOTED_AT: f"{FILE}:400"} if tags is None else tags
    context = SimpleNamespace(
        candidate=lambda: instance("orders", noted),
        primary_name="orders-old",
        warn=warnings.append,
    )
    return stray_write(cast(CutoverContext, context), left), warnings


def former(*events: dict[str, str]) -> FakeSession:
    listed: Answer = [{"Log_name": FILE, "Pos": 400, "Server_id": 7, **event} for event in events]
    return FakeSession(
        {
            "SHOW BINARY LOGS": [{"Log_name": FILE}],
            "SHOW BINLOG EVENTS": listed,
            "SELECT @@server_id": [{"@@server_id": 7}],
        }
    )


def test_a_write_of_an_application_is_named_with_the_command_that_lists_it() -> None:
    reason, warnings = warned(former(HEARTBEAT, MAP))
    assert reason == "orders-old has writes to schema `shop` that production does not have"
    (warning,) = warnings
    assert f"after {FILE}:400" in warning
    assert f"--start-position=400 --to-last-log {FILE}`" in warning


def test_what_rds_writes_is_none() -> None:
    assert warned(former(HEARTBEAT)) == ("", [])


@pytest.mark.parametrize("tags", [{}, None])
def test_who_cannot_be_asked_loses_nothing(tags: dict[str, str] | None) -> None:
    assert warned(Unreachable("orders-old was deleted", final=True), tags) == ("", [])


def test_a_look_that_fails_is_a_warning() -> None:
    reason, warnings = warned(FakeSession({"SELECT @@server_id": Retryable("the connection was lost")}))
    assert reason == ""
    assert warnings == [
        "rds-encrypt could not confirm that the fence of orders-old held to the end (the connection was lost)"
    ]
