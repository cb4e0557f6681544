"""A source whose replica has a replica, for the tests of both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dev.sandbox.seed import await_available
from tests.engine.checks import wait_until
from tests.engine.road import Road, driving

__all__ = ["ABOVE", "BELOW", "cascading", "chain"]

ABOVE = "orders-c1"
BELOW = "orders-c2"


@contextmanager
def cascading(directory: Path) -> Iterator[Road]:
    """Make a source, its replica and the replica of that."""
    with driving(directory) as road:
        rds = road.client("rds")
        rds.create_db_instance_read_replica(
            DBInstanceIdentifier=ABOVE, SourceDBInstanceIdentifier="orders", DBInstanceClass="db.t3.small"
        )
        await_available(rds, ABOVE)
        with pytest.raises(rds.exceptions.InvalidDBInstanceStateFault, match="Automated backups"):
            rds.create_db_instance_read_replica(DBInstanceIdentifier=BELOW, SourceDBInstanceIdentifier=ABOVE)
        rds.modify_db_instance(DBInstanceIdentifier=ABOVE, BackupRetentionPeriod=3, ApplyImmediately=True)
        wait_until(lambda: road.instance(ABOVE)["BackupRetentionPeriod"] == 3, seconds=120.0)
        await_available(rds, ABOVE)
        rds.create_db_instance_read_replica(
            DBInstanceIdentifier=BELOW,
            SourceDBInstanceIdentifier=ABOVE,
            DBInstanceClass="db.t3.medium",
            Tags=[{"Key": "readers", "Value": "exports"}],
        )
        await_available(rds, BELOW)
        yield road


def chain(road: Road, name: str) -> list[str]:
    """Return the names of the instances that a replica gets its data through."""
    source = road.instance(name).get("ReadReplicaSourceDBInstanceIdentifier")
    return [source, *chain(road, source)] if source else []
