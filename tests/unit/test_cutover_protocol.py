"""The cutover's order of moves, and what a failure at each of them does: undone before the point of no return, never after."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

import pytest

from rds_encrypt.core import waiting
from rds_encrypt.core.errors import ActionRequired, Cancelled, TimedOut
from rds_encrypt.cutover import checks, protocol
from rds_encrypt.cutover.context import CutoverContext
from rds_encrypt.cutover.direction import cutover_direction
from rds_encrypt.cutover.protocol import Outcome, run
from rds_encrypt.journal import Tag
from rds_encrypt.mysql.coordinates import Coordinates
from rds_encrypt.names import Names
from rds_encrypt.settings import CutoverSettings, VerifySettings
from tests.unit.fakes import FakeSession, cutover_context, instance

NAMES = Names("orders")
FINAL = Coordinates("b.000009", 400)
BEFORE = [
    "undo",
    "permission",
    "account_for_reverse_replication",
    "note_due_events",
    "close",
    "drain",
    "check",
    "promote",
    "prepare_reverse_replication",
    "require_within_budget",
    "require_held",
    "begin",
]
"""The moves up to the point of no return; the first one takes back what an interrupted attempt left."""
AFTER = ["move", "confirm"]


class Deployment:
    """A context whose moves only note that they were made, or fail."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *, begun: bool = False, method: str = "online"
    ) -> None:
        self.moves: list[str] = []
        self.failing: dict[str, BaseException] = {}
        tags: dict[str, str] = {Tag.CUTOVER_BEGAN: "now"} if begun else {}

        class TestSite(CutoverContext):
            def encrypted(self) -> Any:
                return instance("orders-encrypted", tags=tags)

            @contextmanager
            def sessions(self) -> Iterator[tuple[Any, Any]]:
                yield FakeSession({}), FakeSession({})

        self.context = TestSite(
            aws=cast(Any, None),
            access=cast(Any, None),
            names=NAMES,
            direction=cutover_direction(NAMES, "db-S", "db-E"),
            source_group="orders-mysql80",
            strategy=cast(Any, self),
            settings=CutoverSettings(),
            verify=VerifySettings(),
            snapshot_coordinates=FINAL if method == "offline" else None,
        )
        answers: dict[str, Any] = {
            "permission": (),
            "account_for_reverse_replication": None,
            "close": FINAL,
            "confirm": Outcome("uuid", str(FINAL), (), ()),
        }
        monkeypatch.setattr(protocol, "fence_of", lambda _site: None)
        for name in [*BEFORE, "confirm"]:
            monkeypatch.setattr(protocol, f"_{name}", self._noted(name, answers.get(name)))

    def _noted(self, name: str, answer: Any) -> Callable[..., Any]:
        def made(*_arguments: Any, **_named: Any) -> Any:
            self.moves.append(name)
            if failure := self.failing.pop(name, None):
                raise failure
            return answer

        return made

    # As the strategy.

    def move(self, _site: CutoverContext) -> None:
        self._noted("move", None)()


@pytest.fixture
def deployment(monkeypatch: pytest.MonkeyPatch) -> Deployment:
    return Deployment(monkeypatch)


def test_the_moves_come_in_their_order(deployment: Deployment) -> None:
    assert run(deployment.context).server_uuid == "uuid"
    assert deployment.moves == BEFORE + AFTER


@pytest.mark.parametrize("move", BEFORE)
def test_a_failure_before_the_point_of_no_return_is_undone_and_its_cause_raised(
    deployment: Deployment, move: str
) -> None:
    cause = TimedOut("too slow")
    deployment.failing[move] = cause
    with pytest.raises(TimedOut) as raised:
        run(deployment.context)
    assert raised.value is cause
    made = BEFORE[: BEFORE.index(move) + 1]
    assert deployment.moves == [*made, "undo"]


def test_an_interrupt_is_undone_as_well(deployment: Deployment) -> None:
    deployment.failing["drain"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        run(deployment.context)
    assert deployment.moves[-1] == "undo"


def test_nothing_begins_that_nobody_is_left_to_finish(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "_COORDINATOR", -1)  # no process has that number
    with pytest.raises(Cancelled):
        run(deployment.context)
    assert "begin" not in deployment.moves
    assert deployment.moves[-1] == "undo"


@pytest.mark.parametrize("move", AFTER)
def test_a_failure_after_the_point_of_no_return_undoes_nothing(deployment: Deployment, move: str) -> None:
    deployment.failing[move] = ActionRequired("a rename failed")
    with pytest.raises(ActionRequired):
        run(deployment.context)
    assert deployment.moves.count("undo") == 1


def test_run_again_after_the_point_of_no_return_it_rolls_forward(monkeypatch: pytest.MonkeyPatch) -> None:
    deployment = Deployment(monkeypatch, begun=True)
    run(deployment.context)
    assert deployment.moves == AFTER


def test_an_undoing_that_fails_hides_neither_cause(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment.failing["promote"] = ActionRequired("written to despite the fence")
    looks = iter([None, TimedOut("still read-only")])

    def undo(*_arguments: Any) -> None:
        if failure := next(looks):
            raise failure

    monkeypatch.setattr(protocol, "_undo", undo)
    with pytest.raises(BaseExceptionGroup, match="the cutover failed, and so did undoing it") as raised:
        run(deployment.context)
    assert [str(error) for error in raised.value.exceptions] == [
        "written to despite the fence.",
        "still read-only.",
    ]


def test_in_method_offline_a_failure_leaves_the_fence(monkeypatch: pytest.MonkeyPatch) -> None:
    """One write would make the copy worthless, and downtime was agreed to."""
    deployment = Deployment(monkeypatch, method="offline")
    deployment.failing["promote"] = TimedOut("too slow")
    with pytest.raises(TimedOut):
        run(deployment.context)
    assert deployment.moves == BEFORE[: BEFORE.index("promote") + 1]


def test_a_budget_that_is_spent_calls_the_cut_over_off() -> None:
    context = cutover_context(cast(Any, None), "db-E")
    protocol._require_within_budget(context, 59.9)
    with pytest.raises(TimedOut, match="took 61 s, more than the 60 s allowed") as error:
        protocol._require_within_budget(context, 61.2)
    assert "The fence is lifted and replication goes on." in str(error.value)


def test_in_method_offline_nothing_claims_that_applications_write() -> None:
    at = Coordinates("mysql-bin-changelog.000007", 4)
    context = replace(cutover_context(cast(Any, None), "db-E"), snapshot_coordinates=at)
    with pytest.raises(TimedOut) as error:
        protocol._require_within_budget(context, 61.2)
    for text in (str(error.value), str(checks._failed(context, "backup-window (open)"))):
        assert "`orders` stays read-only, so that its copy stays valid" in text
        assert "`pulumi destroy` makes it writable" in text
