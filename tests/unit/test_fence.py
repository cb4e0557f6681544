"""The fence of a parameter group: whose sessions it ends, and when."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rds_encrypt.cutover import fence as fences
from rds_encrypt.cutover.fence import ParameterGroupFence
from rds_encrypt.mysql import writes
from tests.unit.fakes import FakeSession, instance

POLLS = 6


def ended(monkeypatch: pytest.MonkeyPatch, told_at: int) -> list[int]:
    """Close a fence that takes effect at the sixth poll; return at which polls it ended writers, before that."""
    polls: Iterator[int] = iter(range(1, 100))
    seen, kills = [0], list[int]()

    def read_only(_session: Any) -> bool:
        seen[0] = next(polls)
        return seen[0] >= POLLS

    monkeypatch.setattr(writes, "read_only", read_only)
    monkeypatch.setattr(writes, "read_only_waits", lambda _session: seen[0] >= told_at)
    monkeypatch.setattr(writes, "refused", lambda _session: True)
    monkeypatch.setattr(writes, "end_writing_sessions", lambda _session: kills.append(seen[0]))
    monkeypatch.setattr(fences, "_GRACE", 0.0)
    groups = SimpleNamespace(user_values=lambda _group: {}, set_now=lambda _group, _values: None)
    instances = SimpleNamespace(get=lambda _id: instance(), tag=lambda _which, _tags: None)
    closing = ParameterGroupFence(cast(Any, instances), cast(Any, groups), "db-ORDERS", "orders-mysql80")
    closing.apply(FakeSession({}), deadline=30)
    # The last one comes once the server refuses writes.
    assert kills.pop() == POLLS
    return kills


def test_writers_are_left_alone_until_the_server_has_been_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """RDS may take longer to tell it than anybody knows: what ends meanwhile ends for nothing."""
    assert ended(monkeypatch, told_at=100) == []


def test_writers_that_keep_the_server_from_closing_are_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ended(monkeypatch, told_at=3)[0] in {3, 4}


def test_a_server_that_shows_nothing_counts_as_told_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fences, "_UNSEEN", 0.0)
    assert ended(monkeypatch, told_at=100)[0] in {1, 2}
