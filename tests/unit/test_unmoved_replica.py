"""The copy slot's first question: did the replica stay where it stopped until its snapshot was complete?"""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

import pytest

from providers.copy_slot import CopySlotArgs, CopySlotProvider
from providers.step import StepContext
from rds_encrypt.access import AccessSettings
from rds_encrypt.aws import copies, snapshots
from rds_encrypt.aws.snapshots import Snapshot
from rds_encrypt.core.errors import ActionRequired
from rds_encrypt.journal import Tag
from rds_encrypt.mysql import channel
from rds_encrypt.mysql.coordinates import Coordinates

AT, LATER = Coordinates("mysql-bin-changelog.000006", 9897), Coordinates("mysql-bin-changelog.000009", 157)
STOPPED = SimpleNamespace(stopped=True, executed=AT)
MOVED = SimpleNamespace(stopped=True, executed=LATER)
RUNNING = SimpleNamespace(stopped=False, executed=AT)
ARGS = CopySlotArgs(
    source_id="db-1",
    access=AccessSettings(secret_id="orders/master"),
    snapshot="arn:aws:rds:eu-west-1:1:snapshot:orders-not-encrypted",
    at_once=1,
    replica_id="db-2",
    file=AT.file,
    position=AT.position,
)


@pytest.fixture
def tagged(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """What was noted on the snapshot."""
    tags: list[dict[str, str]] = []
    monkeypatch.setattr(copies, "tag", lambda _aws, _snapshot, given: tags.append(given))
    monkeypatch.setattr("providers.copy_slot.until", lambda *_a, **_k: None)
    return tags


def perform(
    monkeypatch: pytest.MonkeyPatch,
    status: object,
    *,
    noted: str = "",
    copied: bool = False,
    serving: bool = True,
) -> None:
    existing = {"orders-not-encrypted": Snapshot("available", {Tag.UNMOVED: noted} if noted else {})}
    if copied:
        existing["orders-encrypted"] = Snapshot("available", {})
    monkeypatch.setattr(snapshots, "existing", lambda _aws, _names: existing)
    monkeypatch.setattr(channel, "status", lambda _session: status)
    instances = SimpleNamespace(
        get=lambda _id: SimpleNamespace(identifier="orders"),
        find=lambda _id: SimpleNamespace(serving=serving, resource_id="db-2"),
    )
    access = SimpleNamespace(session=lambda _instance: nullcontext())
    context = SimpleNamespace(aws=None, instances=instances, access=access, progress=lambda _text: None)
    CopySlotProvider().perform(cast(StepContext, context), ARGS)


def test_one_that_stayed_is_noted_on_the_snapshot(
    monkeypatch: pytest.MonkeyPatch, tagged: list[dict[str, str]]
) -> None:
    perform(monkeypatch, STOPPED)
    assert tagged == [{Tag.UNMOVED: str(AT)}]


@pytest.mark.parametrize("status", [MOVED, RUNNING, None])
def test_one_that_moved_ends_the_run_before_hours_of_copy_and_restore(
    monkeypatch: pytest.MonkeyPatch, tagged: list[dict[str, str]], status: object
) -> None:
    with pytest.raises(ActionRequired, match=r"should have stopped at mysql-bin-changelog.000006:9897"):
        perform(monkeypatch, status)
    assert tagged == []


@pytest.mark.parametrize("known", [{"noted": str(AT)}, {"copied": True}, {"serving": False}])
def test_what_is_noted_copied_or_cannot_be_asked_is_no_reason_to_end(
    monkeypatch: pytest.MonkeyPatch, tagged: list[dict[str, str]], known: dict[str, Any]
) -> None:
    perform(monkeypatch, RUNNING, **known)
    assert tagged == []
