"""Clients that try to write past the fence: what they share.

A swap is held at the moments between the fence and the rename; what the primary acknowledges then is lost, so it
must refuse it all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import pymysql

from dev.workload.database import rows
from rds_encrypt.mysql.session import Credentials
from rds_encrypt.rehearse.client import Connection, connect
from tests.chaos import invariants
from tests.chaos.child import Child
from tests.chaos.stage import Direction, Stage
from tests.chaos.traffic import TABLE

__all__ = ["CUT", "INSERT", "REFUSED", "answer", "each_moment", "opened", "refuse_all", "swapping", "taken"]

T = TypeVar("T")

MOMENTS = ("fenced", "drained", "promoted", "swap_began")
"""Where each cutover holds, while the primary still has the name."""
REFUSED = {1290, 1836, 1792, 3100}
CUT = {2006, 2013, 2003, 2002, 0, 1053, 3169}
INSERT = f"INSERT INTO {TABLE} (trial, token, batch) VALUES (%s, %s, 'fence')"


@contextmanager
def swapping(stage: Stage) -> Iterator[tuple[Direction, Child]]:
    """Run one cutover that holds at each moment; afterwards it must be done, and every write be accounted for."""
    direction = stage.direction
    stage.traffic.trial += 1
    child = stage.start(direction, *MOMENTS)
    try:
        yield direction, child
    finally:
        for _ in MOMENTS:
            child.go()
        ending = child.ending()
        stage.swapped ^= ending.kind == "completed"
    assert ending.kind == "completed", str(ending)
    acks = stage.traffic.acks(stage.traffic.trial)
    primary, candidate = stage.servers[direction.primary], stage.servers[direction.candidate]
    wrong = [
        *invariants.one_writer(acks, primary, candidate),
        *invariants.accounting(acks, stage.rows_of(direction.candidate, stage.traffic.trial)),
        *invariants.completed(stage, direction),
    ]
    assert not wrong, wrong


def opened(stage: Stage, who: Credentials) -> Connection:
    """Open a connection to whoever has the name now."""
    return connect(
        stage.deployment.address("orders"), who, database=stage.deployment.seeded.database, timeout=10.0
    )


def answer(connection: Connection, statement: str, *arguments: object) -> int | None:
    """Return the number of the error, ``None`` if the server took it."""
    try:
        rows(connection, statement, *arguments)
    except pymysql.err.MySQLError as error:
        return int(error.args[0]) if error.args else 0
    return None


def taken(connection: Connection, statements: Iterable[str]) -> list[str]:
    """Return the statements that the server took."""
    return [statement for statement in statements if answer(connection, statement) is None]


def each_moment(child: Child, act: Callable[[], T]) -> list[tuple[str, T]]:
    """Do the same at each moment at which the cutover holds."""
    answers = []
    for moment in MOMENTS:
        assert child.wait_held(moment), f"the run ended before {moment}"
        answers.append((moment, act()))
        child.go()
    return answers


def refuse_all(answers: list[tuple[str, int | None]]) -> None:
    """Require that no moment's answer was that the server took it."""
    accepted = [moment for moment, code in answers if code not in REFUSED | CUT]
    assert accepted == [], f"{answers}"
