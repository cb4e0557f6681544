"""Renames that last, binlogs that RDS purges meanwhile, and an owner who never asked it to keep any."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from dev.workload.database import rows, value
from rds_encrypt.rehearse.client import connected
from tests.chaos import invariants
from tests.chaos.dead_ends import NAMES, Ground, Hand, ground
from tests.chaos.traffic import TABLE

pytestmark = [pytest.mark.engine, pytest.mark.slow]

RENAME, PURGE = 6.0, 0.5
"""Seconds. RDS takes minutes for a rename and purges every five: here the purge comes twelve times in each rename."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with ground(tmp_path_factory.mktemp("slow-renames")) as place:
        place.sandbox.faults.duration("away", RENAME)
        yield place


@pytest.fixture
def built(place: Ground) -> Iterator[Ground]:
    place.traffic.trial = -1
    place.build()
    yield place
    place.traffic.trial = -1
    place.clear()


def kept_by(place: Ground, resource_id: str) -> object:
    with connected(place.address(resource_id), place.master) as session:
        return value(
            session, "SELECT value FROM mysql.rds_configuration WHERE name = 'binlog retention hours'"
        )


def test_a_rollback_after_them_loses_nothing(built: Ground) -> None:
    assert kept_by(built, built.source_id) is None
    stack = Hand(built, "keep")
    stack.up("replicate")
    built.attach()
    built.sandbox.faults.duration("purge", PURGE)
    built.traffic.trial = 1
    time.sleep(1.0)
    built.sandbox.faults.grow(NAMES.source, 30)

    stack.up("cutover")

    assert stack.state["cutover"]["rollback_path"] == "open"
    assert built.instances()[built.encrypted_id]["AllocatedStorage"] == 30
    assert kept_by(built, built.encrypted_id) == "72"
    time.sleep(2.0)
    stack.up("rollback")

    assert stack.state["rollback"]["rollback_path"] == "open"
    time.sleep(1.0)
    built.traffic.trial = -1
    with connected(built.address(built.source_id), built.master, database=built.seeded.database) as session:
        present = rows(
            session,
            f"SELECT token, batch, COUNT(*) AS times FROM {TABLE} WHERE trial = 1 GROUP BY token, batch",
        )
    acks = built.traffic.acks(1)
    assert len({ack.server for ack in acks}) == 2
    assert invariants.accounting(acks, present) == []
    assert built.instances()[built.source_id]["DBInstanceIdentifier"] == NAMES.source


def test_without_that_step_the_cutover_completes_and_says_that_the_rollback_is_lost(built: Ground) -> None:
    """What RDS does to a restored instance: its binlogs are gone before the other one comes to read them."""
    stack = Hand(built, "keep", without="candidate", accept=("candidate-binlog-retention",))
    stack.up("replicate")
    built.attach()
    built.sandbox.faults.duration("purge", PURGE)
    built.traffic.trial = 2
    time.sleep(1.0)

    stack.up("cutover")

    path = stack.state["cutover"]["rollback_path"]
    assert path.startswith("lost: orders-old can no longer follow production")
    assert "1236" in path or "purged" in path
    with pytest.raises(
        Exception, match="rollback is no longer possible, because orders-old can no longer follow production"
    ):
        stack.up("rollback")
    stack.up("cleanup")
    stack.destroy()
    assert stack.state == {}
