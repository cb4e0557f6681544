"""A source whose replica has a replica, for the tests of both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dev.sandbox.seed import await_available
from tests.engine.checks import wait_until
from tests.engine.readers import require_read, write
from tests.engine.road import Road, driving

__all__ = ["ABOVE", "BELOW", "cascading", "chain", "require_counterparts"]

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


def require_counterparts(road: Road) -> None:
    """Require both counterparts, each with its own settings, the deeper one following the one above."""
    assert chain(road, f"{BELOW}-encrypted") == [f"{ABOVE}-encrypted", "orders-encrypted"]
    counterpart = road.instance(f"{BELOW}-encrypted")
    assert counterpart["StorageEncrypted"]
    assert counterpart["DBInstanceClass"] == "db.t3.medium"
    assert road.instance(f"{ABOVE}-encrypted")["BackupRetentionPeriod"] == 3
    assert road.tags(f"{BELOW}-encrypted")["readers"] == "exports"
    write(road, "two levels")
    require_read(road, f"{BELOW}-encrypted", "two levels")
