"""The steps of cutover and rollback: what they do once it is complete. The protocol itself has tests of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest

from providers.arguments import StepArgs, as_inputs
from providers.cutover import CutoverProvider
from providers.cutover_protocol import ProtocolArgs
from providers.rollback import RollbackProvider
from providers.step import StepContext
from rds_encrypt.access import Access
from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.instances import Instances
from rds_encrypt.core.errors import ActionRequired
from rds_encrypt.core.waiting import silent
from rds_encrypt.cutover.direction import Direction
from rds_encrypt.journal import Tag
from rds_encrypt.settings import CutoverSettings, VerifySettings
from tests.unit.fakes import ACCESS, FakeAws, FakeSession, instance, replica_row

SINCE = "2026-11-25T01:00:00+00:00"
CUTOVER = as_inputs(CutoverSettings())
SETTINGS = {"cutover": CUTOVER, "verify": as_inputs(VerifySettings()), "access": as_inputs(ACCESS)}
INPUTS = {
    "identifier": "orders",
    "source_id": "db-ORDERS-OLD",
    "encrypted_id": "db-ORDERS",
    **SETTINGS,
    "named": True,
    "fenced": True,
    "following": True,
    "source_group": "orders-mysql80",
    "server_uuid": "as it was",
}
FENCE = [{"DBParameterGroupName": "orders-fence", "ParameterApplyStatus": "in-sync"}]


def encrypted(**more: str) -> Instance:
    return instance("orders", {Tag.CUTOVER_BEGAN: SINCE, Tag.OPENED: SINCE, **more})


def old(**changes: Any) -> Instance:
    return instance("orders-old", {}, **{"DBParameterGroups": FENCE, **changes})


class Sessions:
    """Opens the same session on each instance."""

    def __init__(self, session: FakeSession) -> None:
        self._session = session

    @contextmanager
    def session(self, _instance: Instance, **_options: float) -> Iterator[FakeSession]:
        yield self._session


def context(*instances: Instance, read_only: int = 1, follows: bool = False) -> StepContext:
    session = FakeSession(
        {
            "SELECT @@server_uuid": [{"uuid": "u-1"}],
            "SELECT @@GLOBAL.read_only": [{"on": read_only}],
            "SHOW REPLICA STATUS": [replica_row()] if follows else [],
        }
    )
    return StepContext(FakeAws(*instances), cast(Access, Sessions(session)), silent)


class Provider(CutoverProvider):
    """In a world of fakes."""

    def __init__(self, *instances: Instance, read_only: int = 1, follows: bool = False) -> None:
        super().__init__()
        self._context = context(*instances, read_only=read_only, follows=follows)

    def context(self, args: StepArgs) -> StepContext:
        return self._context


@pytest.fixture
def no_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rds_encrypt.aws.instance_reader._PAUSES", ())


@pytest.mark.parametrize(
    "rests", [(), (old(DBInstanceStatus="stopped"),), (old(DBInstanceStatus="stopping"),)]
)
@pytest.mark.usefixtures("no_second_look")
def test_a_complete_cut_over_whose_old_instance_rests_is_told_and_not_done(
    rests: tuple[Instance, ...],
) -> None:
    """In phase `cleanup`, with a state that was lost: nobody will ever answer at the old instance again."""
    made = Provider(encrypted(), *rests).create(INPUTS)

    assert made.outs is not None
    assert made.outs["server_uuid"] == "u-1"
    assert made.outs["timeline"] == {"swap_began": SINCE, "open": SINCE}
    assert made.outs["write_outage"] is None


@pytest.mark.parametrize(
    ("provider", "fenced"),
    [
        (Provider(encrypted(), old()), True),
        (Provider(encrypted(), old(), read_only=0), False),
        # Without the group that was made for it, as long as it follows.
        (Provider(encrypted(), instance("orders-old"), read_only=0, follows=True), False),
        # Its owner's again.
        (Provider(encrypted(), instance("orders-old"), read_only=0), True),
        (Provider(encrypted(), old(DBInstanceStatus="stopped"), read_only=0), True),
        # Not complete, or in a rollback: whatever completes that looks for itself.
        (Provider(encrypted(**{Tag.ROLLBACK_BEGAN: SINCE}), old(), read_only=0), True),
        (Provider(instance("orders", {Tag.CUTOVER_BEGAN: SINCE}), old(), read_only=0), True),
    ],
)
def test_a_refresh_sees_whether_the_fence_was_lifted(provider: Provider, *, fenced: bool) -> None:
    outs = provider.read("id", INPUTS).outs
    assert outs is not None
    assert (outs["named"], outs["fenced"]) == (True, fenced)
    assert provider.diff("id", outs, INPUTS).changes is not fenced


def test_a_refresh_sees_that_production_was_renamed_and_an_up_says_so_until_it_is_named_again() -> None:
    tags: dict[str, str] = {Tag.CUTOVER_BEGAN: SINCE, Tag.OPENED: SINCE}
    provider = Provider(instance("orders", tags, DBInstanceIdentifier="orders-2"), old())
    outs = provider.read("id", INPUTS).outs
    assert outs == {**INPUTS, "named": False, "old_clients": []}
    assert provider.diff("id", outs, INPUTS).changes

    with pytest.raises(ActionRequired, match="orders-2: production was renamed after the cutover"):
        provider.update("id", {**INPUTS, "named": False}, INPUTS)
    assert Provider(encrypted(), old()).update("id", {**INPUTS, "named": False}, INPUTS).outs == INPUTS


def test_where_no_name_moves_production_is_called_what_it_is() -> None:
    inputs = {**INPUTS, "cutover": {**CUTOVER, "strategy": "none"}}
    provider = Provider(
        instance("orders", {Tag.CUTOVER_BEGAN: SINCE, Tag.OPENED: SINCE}, DBInstanceIdentifier="x"),
        old(),
    )
    assert provider.read("id", inputs).outs == {**inputs, "old_clients": []}


def test_a_fence_that_holds_again_needs_nothing() -> None:
    outs = Provider(encrypted(), old()).update("id", {**INPUTS, "fenced": False}, INPUTS).outs
    assert outs == INPUTS


def test_a_group_that_others_use_is_not_changed() -> None:
    provider = Provider(encrypted(), old(), instance("billing", {}, DBParameterGroups=FENCE), read_only=0)
    with pytest.raises(ActionRequired, match="cannot be fenced: parameter group orders-fence is shared"):
        provider.update("id", {**INPUTS, "fenced": False}, INPUTS)


@pytest.mark.parametrize("tags", [{}, {Tag.ROLLBACK_BEGAN: "9"}, {Tag.CUTOVER_BEGAN: SINCE}])
def test_a_rollback_that_is_complete_is_told_and_not_begun_anew(
    tags: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the protocol it would look like one that has not begun, and it would undo the replication that the other way needs."""
    swapped: list[str] = []

    def perform(_context: StepContext, _args: StepArgs, direction: Direction) -> dict[str, Any]:
        swapped.append(direction.verb)
        return {}

    monkeypatch.setattr("providers.rollback.run_protocol", perform)
    monkeypatch.setattr("providers.rollback.follow_up", lambda _site: "open")
    back = instance("orders-encrypted", {Tag.ROLLED_BACK: SINCE, **tags})
    inputs = {
        "identifier": "orders",
        "source_id": "db-ORDERS",
        "encrypted_id": back.resource_id,
        "source_group": "orders-mysql80",
        **SETTINGS,
    }

    outputs = RollbackProvider().perform(context(instance("orders"), back), ProtocolArgs.from_inputs(inputs))

    assert swapped == (["rollback"] if tags else [])
    assert outputs.get("timeline") == (None if tags else {"open": SINCE})


def test_a_rollback_that_is_complete_removes_the_tags_that_aws_refused_to_remove(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    removed: dict[str, list[str]] = {}
    monkeypatch.setattr(
        Instances, "untag", lambda _self, which, keys: removed.update({which.identifier: keys})
    )
    monkeypatch.setattr("providers.rollback.follow_up", lambda _context: "open")
    left: dict[str, str] = {
        Tag.ROLLBACK_BEGAN: SINCE,
        Tag.CUTOVER_BEGAN: "2026-11-24",
        Tag.ROLLED_BACK: SINCE,
    }
    back = instance("orders-encrypted", left)
    source = instance("orders", {Tag.PROMOTED_AT: "mysql-bin.000001:4"})
    args = ProtocolArgs.from_inputs({**INPUTS, "source_id": "db-ORDERS", "encrypted_id": back.resource_id})

    RollbackProvider().perform(context(source, back), args)

    assert removed == {
        "orders": [Tag.PROMOTED_AT],
        "orders-encrypted": [Tag.ROLLBACK_BEGAN, Tag.CUTOVER_BEGAN],
    }


REVERSE = replica_row(Source_User="rds_encrypt_reverse")
LOST: dict[str, str] = {Tag.ROLLBACK_LOST: "orders-old cannot follow"}


class Follower(Provider):
    """With an old instance whose channel is in some state."""

    def __init__(self, tags: dict[str, str], **status: Any) -> None:
        super().__init__(encrypted(**tags), old())
        session = FakeSession(
            {"SELECT @@GLOBAL.read_only": [{"on": 1}], "SHOW REPLICA STATUS": [{**REVERSE, **status}]}
        )
        self._context = StepContext(
            FakeAws(encrypted(**tags), old()), cast(Access, Sessions(session)), silent
        )


@pytest.mark.parametrize(
    ("provider", "following", "path"),
    [
        (Follower({}), True, "open"),
        (Follower({}, Replica_IO_Running="Connecting"), False, "was"),
        (Follower({}, Replica_IO_Running="No", Last_IO_Errno=13114, Last_IO_Error="purged"), False, "was"),
        # It is known already that nothing can be done.
        (Follower(LOST, Replica_IO_Running="No", Last_IO_Errno=13114, Last_IO_Error="purged"), True, "was"),
        # Somebody has mended it.
        (Follower(LOST), True, "open"),
        # Let go by cleanup, or stopped.
        (Provider(encrypted(), old()), True, "was"),
        (Provider(encrypted(), old(DBInstanceStatus="stopped"), follows=True), True, "was"),
    ],
)
def test_a_refresh_sees_whether_old_follows(provider: Provider, path: str, *, following: bool) -> None:
    outs = provider.read("id", {**INPUTS, "rollback_path": "was"}).outs
    assert outs is not None
    assert (outs["following"], outs["rollback_path"]) == (following, path)
    assert provider.diff("id", outs, INPUTS).changes is not following


@pytest.mark.parametrize(
    ("path", "following"),
    [("open", True), ("lost: it was deleted", True), ("not yet confirmed: it is away", False)],
)
def test_the_next_up_lets_it_follow_or_says_why_not(
    monkeypatch: pytest.MonkeyPatch, path: str, *, following: bool
) -> None:
    warnings: list[str] = []
    monkeypatch.setattr("providers.cutover.follow_up", lambda _site: path)
    monkeypatch.setattr("providers.cutover.warning_for", lambda _urn: warnings.append)
    outs = Provider(encrypted(), old()).update("id", {**INPUTS, "following": False}, INPUTS).outs
    assert outs is not None
    assert (outs["rollback_path"], outs["following"]) == (path, following)
    assert warnings == ([] if path == "open" else [f"rollback path {path}"])
