"""The plain runbook, as an operator would script it: the AWS CLI's waiters, a MySQL client, one step after the other.

From "Enabling KMS encryption for a running Amazon RDS instance". The numbers are the article's; steps 7 (one security group
for both) and 15 (cleaning up) need no command here. The operator never hesitates: a step begins when the one before it ends.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import botocore.exceptions
import pymysql

from dev.bench.command import BenchFailed, Say
from dev.workload.database import address, rows
from rds_encrypt.mysql.session import Credentials
from rds_encrypt.rehearse.client import Address, Connection, connected

__all__ = ["Runbook"]

_ATTEMPTS = 60
_CATCH_UP = 300.0
_LOOK = 1.0
"""Seconds between two looks at SHOW SLAVE STATUS, by hand or by `watch`."""


@dataclass
class Runbook:
    """One pass through the runbook.

    Attributes:
        source: the identifier of the running, unencrypted instance.
        authorities: the certificate authorities of the servers.
        delay: seconds between two looks of `aws rds wait`.
        say: is told each step as it begins.
    """

    rds: Any
    source: str
    master: Credentials
    authorities: Path
    kms_key: str
    delay: float
    say: Say
    _coordinates: tuple[str, int] = field(default=("", 0), init=False)

    @property
    def _replica(self) -> str:
        return f"{self.source}-not-encrypted"

    @property
    def _encrypted(self) -> str:
        return f"{self.source}-encrypted"

    def build(self) -> None:
        """Steps 1 to 11: an encrypted instance that follows the source."""
        self._1_create_replica()
        self._2_stop_replication()
        self._3_note_coordinates()
        self._4_snapshot()
        self._5_copy_encrypted()
        self._6_restore()
        self._8_set_external_master()
        self._9_start_replication()
        self._10_wait_until_in_sync()
        self._11_restart_replica()

    def swap(self) -> None:
        """Steps 12 to 14: promote, and swap the names."""
        self._10_wait_until_in_sync()
        self._12_reset_external_master()
        self._13_rename_source()
        self._14_rename_encrypted()

    def _1_create_replica(self) -> None:
        self.say("1 create-db-instance-read-replica")
        self.rds.create_db_instance_read_replica(
            DBInstanceIdentifier=self._replica, SourceDBInstanceIdentifier=self.source
        )
        self._wait_available(self._replica)

    def _2_stop_replication(self) -> None:
        self.say("2 CALL mysql.rds_stop_replication on the replica")
        self._call(self._replica, "mysql.rds_stop_replication")

    def _3_note_coordinates(self) -> None:
        self.say("3 SHOW SLAVE STATUS: note the coordinates")
        status = self._replica_status(self._replica)
        self._coordinates = status["Relay_Master_Log_File"], int(status["Exec_Master_Log_Pos"])

    def _4_snapshot(self) -> None:
        self.say("4 create-db-snapshot")
        self.rds.create_db_snapshot(DBSnapshotIdentifier=self._replica, DBInstanceIdentifier=self._replica)
        self._wait("db_snapshot_available", DBSnapshotIdentifier=self._replica)

    def _5_copy_encrypted(self) -> None:
        self.say("5 copy-db-snapshot --kms-key-id")
        self.rds.copy_db_snapshot(
            SourceDBSnapshotIdentifier=self._replica,
            TargetDBSnapshotIdentifier=self._encrypted,
            KmsKeyId=self.kms_key,
        )
        self._wait("db_snapshot_available", DBSnapshotIdentifier=self._encrypted)

    def _6_restore(self) -> None:
        """With the source's groups, without which the application could not use the instance afterwards."""
        self.say("6 restore-db-instance-from-db-snapshot")
        source = self._describe(self.source)
        self.rds.restore_db_instance_from_db_snapshot(
            DBInstanceIdentifier=self._encrypted,
            DBSnapshotIdentifier=self._encrypted,
            DBInstanceClass=source["DBInstanceClass"],
            DBSubnetGroupName=source["DBSubnetGroup"]["DBSubnetGroupName"],
            VpcSecurityGroupIds=[group["VpcSecurityGroupId"] for group in source["VpcSecurityGroups"]],
            DBParameterGroupName=source["DBParameterGroups"][0]["DBParameterGroupName"],
        )
        self._wait_available(self._encrypted)

    def _8_set_external_master(self) -> None:
        self.say("8 CALL mysql.rds_set_external_master on the encrypted instance")
        endpoint = self._describe(self.source)["Endpoint"]
        arguments = (endpoint["Address"], endpoint["Port"], self.master.user, self.master.password)
        deadline = time.monotonic() + _CATCH_UP
        while True:
            try:
                self._call(
                    self._encrypted, "mysql.rds_set_external_master", *arguments, *self._coordinates, 0
                )
            except pymysql.err.OperationalError as error:
                # RDS takes a restored instance for a read replica for a while: a person who follows the runbook tries again.
                if "Read Replica" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(_LOOK)
            else:
                return

    def _9_start_replication(self) -> None:
        self.say("9 CALL mysql.rds_start_replication")
        self._call(self._encrypted, "mysql.rds_start_replication")

    def _10_wait_until_in_sync(self) -> None:
        self.say("10 SHOW SLAVE STATUS until Seconds_Behind_Master is 0")
        deadline = time.monotonic() + _CATCH_UP
        while True:
            status = self._replica_status(self._encrypted)
            if status["Seconds_Behind_Master"] == 0:
                return
            if time.monotonic() > deadline:
                raise BenchFailed(
                    f"step 10: `{self._encrypted}` is not in sync after {_CATCH_UP:.0f} s:"
                    f" {status['Last_IO_Error'] or status['Last_SQL_Error'] or 'no error'}"
                )
            time.sleep(_LOOK)

    def _11_restart_replica(self) -> None:
        self.say("11 CALL mysql.rds_start_replication on the replica")
        self._call(self._replica, "mysql.rds_start_replication")

    def _12_reset_external_master(self) -> None:
        self.say("12 CALL mysql.rds_reset_external_master on the encrypted instance")
        self._call(self._encrypted, "mysql.rds_reset_external_master")

    def _13_rename_source(self) -> None:
        self.say(f"13 modify-db-instance {self.source} --new-db-instance-identifier {self.source}-old")
        self._rename(self.source, f"{self.source}-old")

    def _14_rename_encrypted(self) -> None:
        self.say(f"14 modify-db-instance {self._encrypted} --new-db-instance-identifier {self.source}")
        self._rename(self._encrypted, self.source)

    def _rename(self, old: str, new: str) -> None:
        self.rds.modify_db_instance(
            DBInstanceIdentifier=old, NewDBInstanceIdentifier=new, ApplyImmediately=True
        )
        # The waiter gives up on a name that nobody has yet, so it is started again until it finds the new one.
        while True:
            try:
                self._wait_available(new)
                return
            except botocore.exceptions.WaiterError as error:
                if "not found" not in str(error).lower():
                    raise
                time.sleep(self.delay)

    def _wait_available(self, identifier: str) -> None:
        self._wait("db_instance_available", DBInstanceIdentifier=identifier)

    def _wait(self, waiter: str, **what: str) -> None:
        self.rds.get_waiter(waiter).wait(**what, WaiterConfig={"Delay": self.delay, "MaxAttempts": _ATTEMPTS})

    def _describe(self, identifier: str) -> dict[str, Any]:
        instance: dict[str, Any] = self.rds.describe_db_instances(DBInstanceIdentifier=identifier)[
            "DBInstances"
        ][0]
        return instance

    def _replica_status(self, identifier: str) -> dict[str, Any]:
        with connected(self._address(identifier), self.master) as connection:
            return rows(connection, "SHOW SLAVE STATUS")[0]

    def _call(self, identifier: str, procedure: str, *arguments: object) -> None:
        with connected(self._address(identifier), self.master) as connection:
            _call(connection, procedure, arguments)

    def _address(self, identifier: str) -> Address:
        return address(self.rds, identifier, self.authorities)


def _call(connection: Connection, procedure: str, arguments: tuple[object, ...]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"CALL {procedure}({', '.join(['%s'] * len(arguments))})", arguments)
        while cursor.nextset():
            cursor.fetchall()
