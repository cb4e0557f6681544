"""The end of the outage: a candidate that RDS has opened, and one that it believes open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rds_encrypt.core.errors import TimedOut
from rds_encrypt.cutover import opening
from rds_encrypt.cutover.opening import opened_candidate
from rds_encrypt.mysql import writes
from tests.unit.fakes import instance


class Candidate:
    """A context whose candidate accepts writes at once, after a reboot, or never."""

    def __init__(self, *, opens: str, group: str = "in-sync") -> None:
        self.opens, self.reboots = opens, 0
        self.settings = SimpleNamespace(max_write_outage=0.2)
        self.deadlines = SimpleNamespace(rename=1.0)
        self.instances = SimpleNamespace(reboot=self._reboot)
        self._group = group

    def progress(self, _text: str) -> None:
        return

    def candidate(self) -> Any:
        group = {"DBParameterGroupName": "orders", "ParameterApplyStatus": self._group}
        return instance("orders", DBParameterGroups=[group])

    @contextmanager
    def session_on_candidate(self) -> Iterator[Any]:
        yield self

    @property
    def endpoint(self) -> str:
        return "orders.example:3306"

    @property
    def open(self) -> bool:
        return self.opens == "at once" or (self.opens == "after a reboot" and self.reboots > 0)

    def _reboot(self, _resource_id: str, *, deadline: float) -> None:
        assert deadline == 1.0
        self.reboots += 1


@pytest.fixture(autouse=True)
def _asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writes, "read_only", lambda candidate: not candidate.open)
    monkeypatch.setattr(opening, "_APPLIED", 0.1)


@pytest.mark.parametrize(("opens", "reboots"), [("at once", 0), ("after a reboot", 1)])
def test_one_that_is_read_only_against_its_group_is_rebooted_once(opens: str, reboots: int) -> None:
    context = Candidate(opens=opens)
    with opened_candidate(cast(Any, context)) as session:
        assert cast(Any, session) is context
    assert context.reboots == reboots


def test_one_whose_group_rds_still_applies_is_waited_for() -> None:
    context = Candidate(opens="never", group="applying")
    with pytest.raises(TimedOut, match="writes to be allowed"), opened_candidate(cast(Any, context)):
        pass
    assert context.reboots == 0
