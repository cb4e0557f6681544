"""The context: sessions that are only opened on the server that they are meant for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest

from rds_encrypt.core.errors import AnotherHost, TimedOut
from rds_encrypt.cutover.context import CutoverContext, Deadlines
from rds_encrypt.cutover.direction import cutover_direction
from rds_encrypt.journal import Tag
from rds_encrypt.names import Names
from rds_encrypt.settings import CutoverSettings, VerifySettings
from tests.unit.fakes import FakeAws, FakeSession, instance

NAMES = Names("orders")


class Resolver:
    """Leads to one server after another, like an address whose name has moved."""

    def __init__(self, *servers: str) -> None:
        self._servers = iter(servers)
        self.opened: list[str] = []

    @contextmanager
    def session(self, _instance: object, *, patience: float) -> Iterator[FakeSession]:
        assert patience >= 0
        self.opened.append(next(self._servers))
        if self.opened[-1] == "strange":
            raise AnotherHost("the server's certificate is for another host")
        yield FakeSession({"SELECT @@server_uuid": [{"uuid": self.opened[-1]}]})


def place(resolver: Resolver, tags: dict[str, str], rename: float = 60.0) -> CutoverContext:
    candidate = instance("orders-encrypted", tags=tags)
    return CutoverContext(
        aws=FakeAws(candidate),
        access=cast(Any, resolver),
        names=NAMES,
        direction=cutover_direction(NAMES, "db-ORDERS", candidate.resource_id),
        source_group="orders-mysql80",
        strategy=cast(Any, None),
        settings=CutoverSettings(),
        verify=VerifySettings(),
        deadlines=Deadlines(rename=rename),
    )


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)


def test_a_name_that_still_leads_to_the_former_server_is_asked_again() -> None:
    resolver = Resolver("old", "strange", "new")
    with place(resolver, {Tag.SERVER: "new"}).session_on_candidate() as session:
        assert session.value("SELECT @@server_uuid") == "new"
    assert resolver.opened == ["old", "strange", "new"]


def test_a_name_that_never_leads_there_is_an_error_that_says_so() -> None:
    context = place(Resolver("old", "old"), {Tag.SERVER: "new"}, rename=0.0)
    with (
        pytest.raises(TimedOut, match="server old still answers at its address"),
        context.session_on_candidate(),
    ):
        raise AssertionError("a session on the wrong server")


def test_without_a_note_whoever_answers_is_taken() -> None:
    with place(Resolver("any"), {}).session_on_candidate() as session:
        assert session.value("SELECT @@server_uuid") == "any"
