"""Who is connected to the old instance, and what keeps phase `cleanup` from stopping it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

import pytest

from rds_encrypt.checks import of_old
from rds_encrypt.core.errors import ActionRequired, MigrationError, Retryable
from rds_encrypt.mysql.connected_clients import Client, application_sessions, clients
from rds_encrypt.mysql.rds_accounts import RDS_THREADS
from rds_encrypt.mysql.session import Row, Session
from tests.unit.fakes import FakeSession

OWN = 7
LONG_AGO = "2026-11-01T08:00:00+00:00"


def row(number: int, user: str, host: str, command: str = "Sleep") -> Row:
    return {"Id": number, "User": user, "Host": host, "Command": command}


def server(*rows: Row) -> FakeSession:
    listed = [row(OWN, "admin", "10.0.0.1:4000", "Query"), *rows]
    return FakeSession({"SELECT CONNECTION_ID()": [{"id": OWN}], "SHOW PROCESSLIST": listed})


APP = [
    row(8, "app", "10.0.0.7:51234"),
    row(9, "app", "10.0.0.7:51235", "Query"),
    row(10, "app", "10.0.0.8:4000"),
    row(11, "report", "[fd00::7]:4000"),
]


def test_sessions_are_counted_by_account_and_host_and_dated_by_their_first_sighting() -> None:
    before = [Client("app", "10.0.0.7", 40, LONG_AGO), Client("gone", "10.0.0.9", 1, LONG_AGO)]
    first, second, third = clients(server(*APP), before)
    assert first == Client("app", "10.0.0.7", 2, LONG_AGO)
    assert (second.host, second.sessions) == ("10.0.0.8", 1)
    assert second.since > LONG_AGO
    assert str(third) == "report from [fd00::7] (1 session)"


@pytest.mark.parametrize("user", RDS_THREADS)
def test_rds_itself_is_no_client(user: str) -> None:
    assert clients(server(row(8, user, "localhost"))) == ()


def test_neither_is_a_replica_nor_this_session() -> None:
    session = server(row(8, "rds_encrypt_reverse", "10.0.0.3:4000", "Binlog Dump GTID"))
    assert (clients(session), application_sessions(session)) == ((), [])


def required(
    session: FakeSession | MigrationError,
    monkeypatch: pytest.MonkeyPatch,
    accept: Mapping[str, str] = MappingProxyType({}),
    watched: float = 0.0,
) -> str | None:
    @contextmanager
    def open_session() -> Iterator[Session]:
        if isinstance(session, MigrationError):
            raise session
        yield session

    monkeypatch.setattr(of_old, "_WATCHED", watched)
    return of_old.require_unused("orders-old", open_session, accept)


def test_an_unused_instance_may_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    assert required(server(), monkeypatch) is None


UNREACHABLE = Retryable("cannot connect to orders-old", where="orders-old")


@pytest.mark.parametrize(
    ("session", "what"),
    [
        (server(*APP[:2]), "applications are still connected to it: app from 10.0.0.7 (2 sessions)"),
        (UNREACHABLE, "rds-encrypt cannot check whether applications use it (cannot connect to orders-old)"),
    ],
)
def test_one_that_is_used_or_does_not_answer_is_stopped_only_if_the_config_accepts_that(
    session: FakeSession | MigrationError, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ActionRequired) as refused:
        required(session, monkeypatch)
    assert (refused.value.what, refused.value.where) == (what, "orders-old")
    assert "accept the check `old-unused` with a reason" in refused.value.fix

    accepted = required(session, monkeypatch, {"old-unused": "only a monitor."})
    assert accepted == f"orders-old: {what}. You accept this: only a monitor."


def test_a_client_that_comes_and_goes_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([[], APP[:1], []])
    session = server()
    session.answers["SHOW PROCESSLIST"] = lambda: next(answers, [])
    with pytest.raises(ActionRequired, match=r"app from 10\.0\.0\.7 \(1 session\)"):
        required(session, monkeypatch, watched=0.3)
