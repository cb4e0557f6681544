"""Whose turn it is to have a snapshot copied, as lists of snapshots show it; and the turnstile in front of them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.copies import Listed
from rds_encrypt.copy_slots import CopySlots, Queue
from rds_encrypt.core.errors import ActionRequired
from rds_encrypt.core.turnstile import Turnstile
from rds_encrypt.journal import Role, Tag, tags_for

NOW = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[2]


def listed(name: str, status: str = "available", origin: str | None = None, **tags: str) -> Listed:
    return Listed(name, f"arn:aws:rds:eu-west-1:123456789012:snapshot:{name}", status, origin, tags)


def replica_of(name: str, called: timedelta | None = None) -> Listed:
    turn = {Tag.COPY_SLOT: (NOW - called).isoformat(timespec="seconds")} if called is not None else {}
    return listed(f"{name}-not-encrypted", **tags_for(Role.REPLICA, f"db-{name}"), **turn)


def copy_of(name: str, status: str = "creating", origin: str | None = None) -> Listed:
    return listed(f"{name}-encrypted", status, origin, **tags_for(Role.ENCRYPTED, f"db-{name}"))


MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("others", "busy"),
    [
        ([], ()),
        ([copy_of("b")], ("b-encrypted",)),
        ([copy_of("b", "available")], ()),
        ([copy_of("b", "failed")], ()),
        ([listed("theirs", "creating", "arn:aws:rds:eu-west-1:123456789012:snapshot:x")], ("theirs",)),
        # A snapshot that is being made of an instance is no copy.
        ([listed("nightly", "creating")], ()),
        ([replica_of("b")], ()),
        ([replica_of("b", MINUTE)], ("b-not-encrypted",)),
        # Its run was killed, or its copy refused.
        ([replica_of("b", 11 * MINUTE)], ()),
        ([replica_of("b", MINUTE), copy_of("b")], ("b-encrypted",)),
        ([replica_of("b", MINUTE), copy_of("b", "available")], ()),
    ],
)
def test_what_counts(others: list[Listed], busy: tuple[str, ...]) -> None:
    slots = CopySlots.among([replica_of("a"), *others], "db-a", NOW)
    assert (slots.copied, slots.busy) == (False, busy)


def test_ones_own_turn_is_not_in_ones_way() -> None:
    assert CopySlots.among([replica_of("a", MINUTE)], "db-a", NOW).busy == ()


@pytest.mark.parametrize("status", ["creating", "available"])
def test_what_is_copied_waits_for_nobody(status: str) -> None:
    slots = CopySlots.among([replica_of("a"), copy_of("a", status), copy_of("b")], "db-a", NOW)
    assert slots.copied
    assert Queue(cast(Aws, None), replica_of("a").arn, "db-a", 1).may_begin(slots)


class Account:
    """What `Queue` sees of AWS: a list of snapshots, and the tags that are written."""

    rds = SimpleNamespace(meta=SimpleNamespace(endpoint_url="https://rds.eu-west-1.amazonaws.com"))

    def __init__(self, *snapshots: Listed) -> None:
        self.snapshots = list(snapshots)
        self.looks = 0
        self.called: list[str] = []


@pytest.fixture
def queue_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Account, str], Queue]:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)

    def look(account: Account) -> list[Listed]:
        account.looks += 1
        return account.snapshots

    def tag(account: Account, arn: str, tags: dict[str, str]) -> None:
        assert set(tags) == {Tag.COPY_SLOT}
        account.called.append(arn.rpartition(":")[2])

    monkeypatch.setattr("rds_encrypt.aws.copies.listed", look)
    monkeypatch.setattr("rds_encrypt.aws.copies.tag", tag)
    return lambda account, name: Queue(cast(Any, account), replica_of(name).arn, f"db-{name}", at_once=1)


def test_a_turn_is_taken_when_there_is_room(queue_at: Callable[[Account, str], Queue]) -> None:
    account = Account(replica_of("a"))
    queue = queue_at(account, "a")
    assert queue.may_begin(queue.look())
    assert account.called == ["a-not-encrypted"]


def test_where_there_is_none_the_others_need_not_look(queue_at: Callable[[Account, str], Queue]) -> None:
    account = Account(replica_of("a"), replica_of("b"), copy_of("c"))
    first = queue_at(account, "a")
    assert not first.may_begin(first.look())
    assert queue_at(account, "b").look() is None
    assert (account.looks, account.called) == (1, [])


def test_a_snapshot_that_has_gone_is_an_error(queue_at: Callable[[Account, str], Queue]) -> None:
    with pytest.raises(ActionRequired, match="a-not-encrypted"):
        queue_at(Account(), "a").look()


@pytest.fixture
def turnstile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Turnstile:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return Turnstile("test", 60.0)


def test_one_passes_at_a_time(turnstile: Turnstile) -> None:
    with turnstile.passing() as first, turnstile.passing() as second:
        assert (first, second) == (True, False)
    with turnstile.passing() as again:
        assert again


def test_another_process_is_kept_out_until_it_ends(turnstile: Turnstile) -> None:
    hold = (
        "import sys, time; from rds_encrypt.core.turnstile import Turnstile\n"
        "with Turnstile('test', 60.0).passing() as mine: print(mine, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        with turnstile.passing() as mine:
            assert not mine
        other.kill()
        other.wait()
        with turnstile.passing() as mine:
            assert mine


def test_a_link_in_its_place_is_not_followed(turnstile: Turnstile, tmp_path: Path) -> None:
    with turnstile.passing():
        pass
    (file,) = tmp_path.glob("rds-encrypt-*.lock")
    file.unlink()
    file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ActionRequired, match="cannot be opened"), turnstile.passing():
        pass
    assert not (tmp_path / "elsewhere").exists()
