"""Reverse replication after the point of no return: tried, reported, and never required."""

from __future__ import annotations

from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rds_encrypt.core.errors import ActionRequired, OutcomeUnknown, Retryable, TimedOut
from rds_encrypt.core.waiting import silent
from rds_encrypt.cutover import reverse_replication
from rds_encrypt.cutover.context import Aside, CutoverContext, Deadlines
from rds_encrypt.cutover.direction import Direction, cutover_direction, rollback_direction
from rds_encrypt.cutover.former_primary import Unreachable
from rds_encrypt.cutover.reverse_replication import open_reverse_replication, settled
from rds_encrypt.cutover.timeline import Timeline
from rds_encrypt.journal import Tag, as_tag_value
from rds_encrypt.names import Names
from tests.unit.fakes import Answer, FakeSession, instance, replica_row

NAMES = Names("orders")
OURS = replica_row(Source_User="rds_encrypt_reverse")
PURGED = {"Replica_IO_Running": "No", "Last_IO_Errno": 13114, "Last_IO_Error": "Got fatal error 1236: purged"}


class Place:
    """A context whose primary is what the test says."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        left: FakeSession | Unreachable,
        *,
        starts: list[Exception | None] | None = None,
        direction: Direction | None = None,
        tags: dict[str, str] | None = None,
    ) -> None:
        self.starts = starts or [None]
        self.tried: list[str] = []
        self.noted: dict[str, str] = {}
        self.forgotten: list[str] = []
        self.tags = tags or {}
        self._left = left
        monkeypatch.setattr(reverse_replication, "reach", self._reach)
        monkeypatch.setattr(reverse_replication, "_PAUSE", 0.0)
        monkeypatch.setattr("rds_encrypt.cutover.reverse_replication.writes.refused", lambda _session: True)
        monkeypatch.setattr("rds_encrypt.cutover.reverse_replication.channel.start", self._start)
        monkeypatch.setattr(reverse_replication, "_attach_again", lambda *_: self.tried.append("attach"))
        direction = direction or cutover_direction(NAMES, "db-S", "db-E")
        self.context = cast(
            CutoverContext,
            SimpleNamespace(
                names=NAMES,
                primary_name=direction.primary_name,
                direction=direction,
                deadlines=Deadlines(follows=0.05),
                snapshot_coordinates=None,
                timeline=Timeline(),
                aside=Aside(),
                progress=silent,
                primary=lambda: instance("orders-old"),
                encrypted=lambda: instance("orders", self.tags),
                note=lambda _which, tags: self.noted.update(tags),
                forget=lambda _which, keys: self.forgotten.extend(keys),
            ),
        )

    def _reach(self, _site: CutoverContext, _stack: ExitStack, *, deadline: float) -> Any:
        assert deadline > 0
        return self._left

    def _start(self, _session: Any) -> None:
        self.tried.append("start")
        failure = self.starts.pop(0) if len(self.starts) > 1 else self.starts[0]
        if failure is not None:
            raise failure


def left(**status: Any) -> FakeSession:
    answer: Answer = [{**OURS, **status}]
    return FakeSession({"SHOW REPLICA STATUS": answer})


def test_it_follows_and_an_old_note_that_it_could_not_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(monkeypatch, left())
    assert open_reverse_replication(place.context) == "open"
    assert place.forgotten == [Tag.ROLLBACK_LOST]
    assert place.tried == ["start"]


def test_one_that_cannot_follow_for_good_is_told_and_noted_as_a_tag_may_hold_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = Place(monkeypatch, left(**PURGED), starts=[ActionRequired("purged")])
    path = open_reverse_replication(place.context)
    assert path == "lost: orders-old can no longer follow production (13114: Got fatal error 1236: purged)"
    assert place.noted == {Tag.ROLLBACK_LOST: as_tag_value(path.removeprefix("lost: "))}
    assert settled(path)


def test_a_connection_that_is_lost_meanwhile_loses_no_rollback_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """RDS may reboot the old instance just then; its agent starts the channel afterwards."""
    cut = OutcomeUnknown("the connection was lost during a statement")
    place = Place(monkeypatch, left(), starts=[cut, None])
    assert open_reverse_replication(place.context) == "open"
    assert place.tried == ["start", "start"]
    place = Place(monkeypatch, left(), starts=[cut])
    assert not settled(open_reverse_replication(place.context))
    assert place.noted == {}


def test_an_account_that_was_dropped_is_made_again_once(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = {"Replica_IO_Running": "Connecting", "Last_IO_Errno": 1045, "Last_IO_Error": "Access denied"}
    place = Place(monkeypatch, left(**refused), starts=[ActionRequired("refused"), None])
    assert open_reverse_replication(place.context) == "open"
    assert place.tried == ["start", "attach", "start"]
    place = Place(monkeypatch, left(**refused), starts=[ActionRequired("refused")])
    assert open_reverse_replication(place.context).startswith(
        "lost: orders-old can no longer follow production (1045"
    )
    assert place.tried == ["start", "attach", "start"]


def test_one_whose_resolver_still_leads_it_to_itself_is_started_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    equal = {
        "Replica_IO_Running": "No",
        "Last_IO_Errno": 13117,
        "Last_IO_Error": "Fatal error: The replica I/O thread stops because source and replica have equal MySQL server UUIDs",
    }
    place = Place(monkeypatch, left(**equal), starts=[ActionRequired("stops"), ActionRequired("stops"), None])
    assert open_reverse_replication(place.context) == "open"
    assert place.tried == ["start"] * 3
    place = Place(monkeypatch, left(**equal), starts=[ActionRequired("stops")])
    path = open_reverse_replication(place.context)
    assert path.startswith("not yet confirmed: orders-old does not follow yet (it still reaches itself")


def test_what_may_pass_is_tried_for_a_while_and_then_not_confirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(monkeypatch, left(), starts=[TimedOut("slow"), Retryable("slow"), None])
    assert open_reverse_replication(place.context) == "open"
    place = Place(monkeypatch, left(), starts=[TimedOut("still connecting")])
    path = open_reverse_replication(place.context)
    assert path == "not yet confirmed: orders-old does not follow yet (still connecting)"
    assert (place.noted, place.forgotten) == ({}, [])
    assert not settled(path)


@pytest.mark.parametrize(
    ("away", "path"),
    [
        (Unreachable("orders-old was deleted", final=True), "lost: orders-old was deleted"),
        (Unreachable("orders-old is stopped"), "not yet confirmed: orders-old is stopped"),
    ],
)
def test_one_that_is_away_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, away: Unreachable, path: str
) -> None:
    place = Place(monkeypatch, away)
    assert open_reverse_replication(place.context) == path
    assert place.tried == []


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([], "has no replication channel, and its coordinates are unknown"),
        ([replica_row(Source_User="somebody")], "follows orders.example, which rds-encrypt did not set up"),
    ],
)
def test_a_channel_that_is_not_ours_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, rows: Answer, reason: str
) -> None:
    place = Place(monkeypatch, FakeSession({"SHOW REPLICA STATUS": rows}))
    assert open_reverse_replication(place.context) == f"lost: orders-old {reason}"
    assert place.tried == []


def test_one_that_takes_writes_in_a_group_of_its_owner_has_no_rollback_path(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = Place(monkeypatch, left())
    monkeypatch.setattr("rds_encrypt.cutover.reverse_replication.writes.refused", lambda _session: False)
    assert (
        open_reverse_replication(place.context)
        == "lost: orders-old accepts writes, which production would never see"
    )


def test_after_a_rollback_nothing_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(
        monkeypatch,
        left(**PURGED),
        starts=[ActionRequired("purged")],
        direction=rollback_direction(NAMES, "db-S", "db-E"),
    )
    assert open_reverse_replication(place.context).startswith("lost: ")
    assert place.noted == {}


def test_in_method_offline_there_is_nothing_to_open_and_nothing_to_note(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = Place(monkeypatch, left())
    place.context.__dict__["snapshot_coordinates"] = "b.000001:4"
    assert open_reverse_replication(place.context) == "lost: method `offline` has no reverse replication"
    assert (place.tried, place.noted) == ([], {})


def test_an_instance_with_writes_that_production_lacks_does_not_follow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = Place(monkeypatch, left())
    path = open_reverse_replication(place.context, "orders-old has writes to schema `shop`")
    assert path == "lost: orders-old has writes to schema `shop`"
    assert place.tried == []
    assert place.noted == {Tag.ROLLBACK_LOST: as_tag_value("orders-old has writes to schema `shop`")}
