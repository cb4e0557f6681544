"""Binlog retention: set once, visible afterwards, and checked if the connection was lost meanwhile."""

from __future__ import annotations

import pytest

from rds_encrypt.core.errors import ActionRequired, OutcomeUnknown
from rds_encrypt.mysql import retention
from rds_encrypt.mysql.session import Row
from tests.unit.fakes import FakeSession


class Configuration:
    """RDS's table; ``takes`` is whether the procedure changes it, ``lost`` whether the call costs the connection."""

    def __init__(self, *, takes: bool = True, lost: bool = False) -> None:
        self.hours: str | None = None
        self.takes, self.lost = takes, lost
        self.session = FakeSession(
            {
                "SELECT value FROM mysql.rds_configuration": lambda: [{"value": self.hours}],
                "CALL mysql.rds_set_configuration": self._set,
            }
        )

    def _set(self) -> list[Row]:
        if self.takes:
            self.hours = str(self.session.sent[-1][1][1])
        if self.lost:
            raise OutcomeUnknown("the connection was lost")
        return []


@pytest.mark.parametrize("lost", [False, True])
def test_what_has_taken_has_taken(lost: bool) -> None:  # noqa: FBT001 - parametrized
    configuration = Configuration(lost=lost)
    retention.write(configuration.session, 24)
    assert retention.read(configuration.session) == 24
    retention.write(configuration.session, 24)
    assert sum(name.startswith("CALL") for name, _ in configuration.session.sent) == 1


def test_what_has_not_taken_is_told() -> None:
    with pytest.raises(ActionRequired, match="did not set binlog retention to 24 hours"):
        retention.write(Configuration(takes=False).session, 24)
    with pytest.raises(OutcomeUnknown):
        retention.write(Configuration(takes=False, lost=True).session, 24)
