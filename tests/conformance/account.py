"""An AWS account to ask for facts: the sandbox's, or any other that speaks RDS's API.

What a test asks, it asks through boto3 and SQL. What no caller can bring about on AWS, such as a long first backup, is provoked
where the account is the sandbox's; elsewhere such a test is skipped.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import pymysql
import pytest
from botocore.exceptions import ClientError
from pymysql.cursors import DictCursor

from dev.sandbox import Sandbox
from dev.sandbox.faults import Faults
from tests import waiting

__all__ = ["AUTHORITIES", "PASSWORD", "Account", "Elsewhere", "refusal_of", "until"]

PASSWORD = "a-good-Password1"
AUTHORITIES = "RDS_ENCRYPT_CONFORMANCE_CA"
"""Names a file of certificate authorities, and with that asks the AWS account of the environment."""
_PATIENCE = 3600.0 if os.environ.get(AUTHORITIES) else waiting.PATIENCE
"""Seconds to wait for one thing: AWS is slower than the sandbox."""
T = TypeVar("T")


class Elsewhere(Faults):
    """Provokes nothing, in an account that is not the sandbox's: a test that asks for it is skipped."""

    def __init__(self) -> None:
        super().__init__("")

    def clear(self) -> None:
        """Do nothing: nothing was provoked."""

    def _post(self, **fault: Any) -> None:
        pytest.skip(f"only AWS itself brings this about: {fault['kind']}")


@dataclass(frozen=True)
class Account:
    """Clients of one account and region, and the means to provoke what only AWS does."""

    client: Callable[[str], Any]
    provoke: Faults
    ca: str

    @classmethod
    def of(cls, sandbox: Sandbox) -> Account:
        """Return the sandbox's account."""
        return cls(sandbox.client, sandbox.faults, str(sandbox.directory / "ca.pem"))

    @property
    def rds(self) -> Any:
        """The RDS client."""
        return self.client("rds")

    def begin(self, identifier: str, **more: Any) -> str:
        """Ask for an instance; return its DbiResourceId."""
        asked = {
            "DBInstanceClass": "db.t3.medium",
            "Engine": "mysql",
            "MasterUsername": "admin",
            "MasterUserPassword": PASSWORD,
            "AllocatedStorage": 20,
            "DBName": "shop",
            **more,
        }
        made = self.rds.create_db_instance(DBInstanceIdentifier=identifier, **asked)["DBInstance"]
        return str(made["DbiResourceId"])

    def make(self, identifier: str, **more: Any) -> dict[str, Any]:
        """Make an instance, and describe it."""
        return self.available(self.begin(identifier, **more))

    def replica(self, identifier: str, source: str) -> str:
        """Ask for a managed replica; return its DbiResourceId."""
        made = self.rds.create_db_instance_read_replica(
            DBInstanceIdentifier=identifier, SourceDBInstanceIdentifier=source
        )
        return str(made["DBInstance"]["DbiResourceId"])

    def snapshot(self, identifier: str, of: str) -> None:
        """Take a snapshot."""
        self.rds.create_db_snapshot(DBSnapshotIdentifier=identifier, DBInstanceIdentifier=of)
        self.await_snapshot(identifier)

    def copy(self, identifier: str, source: str, **more: Any) -> None:
        """Copy a snapshot."""
        self.rds.copy_db_snapshot(
            TargetDBSnapshotIdentifier=identifier, SourceDBSnapshotIdentifier=source, **more
        )
        self.await_snapshot(identifier)

    def await_snapshot(self, identifier: str) -> dict[str, Any]:
        """Wait until a snapshot is complete, or has failed, and describe it."""
        return until(lambda: self.see_snapshot(identifier), lambda snapshot: snapshot["Status"] != "creating")

    def see_snapshot(self, identifier: str) -> dict[str, Any]:
        """Describe a snapshot."""
        snapshots = self.rds.describe_db_snapshots(DBSnapshotIdentifier=identifier)["DBSnapshots"]
        return dict(snapshots[0])

    def group(self, name: str, family: str = "mysql8.0") -> str:
        """Make a parameter group."""
        self.rds.create_db_parameter_group(
            DBParameterGroupName=name, DBParameterGroupFamily=family, Description="facts"
        )
        return name

    def set_parameters(self, group: str, method: str = "immediate", **values: str) -> None:
        """Set parameters of a group."""
        self.rds.modify_db_parameter_group(
            DBParameterGroupName=group,
            Parameters=[
                {"ParameterName": name, "ParameterValue": value, "ApplyMethod": method}
                for name, value in values.items()
            ],
        )

    def restore(self, identifier: str, snapshot: str, **more: Any) -> str:
        """Ask for an instance restored from a snapshot; return its DbiResourceId."""
        made = self.rds.restore_db_instance_from_db_snapshot(
            DBInstanceIdentifier=identifier, DBSnapshotIdentifier=snapshot, **more
        )
        return str(made["DBInstance"]["DbiResourceId"])

    def see(self, resource_id: str) -> dict[str, Any]:
        """Describe an instance by its identity; empty if there is none."""
        answer = self.rds.describe_db_instances(
            Filters=[{"Name": "dbi-resource-id", "Values": [resource_id]}]
        )
        return dict(answer["DBInstances"][0]) if answer["DBInstances"] else {}

    def status(self, resource_id: str) -> str:
        """Return an instance's status."""
        return str(self.see(resource_id)["DBInstanceStatus"])

    def await_status(self, resource_id: str, *statuses: str) -> list[str]:
        """Wait until an instance is in one of the statuses; return all that were seen on the way, in their order."""
        history: list[str] = []

        def reached(status: str) -> bool:
            if status not in history[-1:]:
                history.append(status)
            return status in statuses

        until(lambda: self.status(resource_id), reached)
        return history

    def available(self, resource_id: str) -> dict[str, Any]:
        """Wait until an instance is available and nothing is pending on it, and describe it."""
        return until(
            lambda: self.see(resource_id),
            lambda instance: (
                instance["DBInstanceStatus"] == "available" and not instance.get("PendingModifiedValues")
            ),
        )

    def modify(self, identifier: str, **changes: Any) -> dict[str, Any]:
        """Modify an instance at once."""
        answer = self.rds.modify_db_instance(
            DBInstanceIdentifier=identifier, ApplyImmediately=True, **changes
        )
        return dict(answer["DBInstance"])

    def delete(self, identifier: str) -> None:
        """Delete an instance without a final snapshot."""
        self.rds.delete_db_instance(DBInstanceIdentifier=identifier, SkipFinalSnapshot=True)

    def gone(self, resource_id: str) -> None:
        """Wait until there is no such instance."""
        until(lambda: self.see(resource_id), lambda instance: not instance)

    def messages(self, identifier: str) -> list[str]:
        """Return the messages of the events about that name."""
        pages = self.rds.get_paginator("describe_events").paginate(Duration=60)
        events = [event for page in pages for event in page["Events"]]
        return [event["Message"] for event in events if event["SourceIdentifier"] == identifier]

    @contextmanager
    def sql(self, address: str, password: str = PASSWORD, user: str = "admin") -> Iterator[DictCursor]:
        """Open a session, as the master user unless another is named."""
        with (
            pymysql.connect(
                host=address,
                user=user,
                password=password,
                database="shop",
                autocommit=True,
                cursorclass=DictCursor,
                connect_timeout=5,
                ssl_ca=self.ca,
                ssl_verify_cert=True,
                ssl_verify_identity=True,
            ) as connection,
            connection.cursor() as cursor,
        ):
            yield cursor

    def rows(self, resource_id: str, statement: str, *values: object, **options: str) -> list[dict[str, Any]]:
        """Run one statement on an instance as its master user."""
        with self.sql(self.see(resource_id)["Endpoint"]["Address"], **options) as cursor:
            cursor.execute(statement, values or None)
            return list(cursor.fetchall())

    def value(self, resource_id: str, expression: str, **options: str) -> Any:
        """Evaluate an expression on an instance."""
        return self.rows(resource_id, f"SELECT {expression} AS found", **options)[0]["found"]


def until(look: Callable[[], T], accept: Callable[[T], bool]) -> T:
    """Look until the value is accepted; fail with the last one seen."""
    return waiting.until(look, accept, patience=_PATIENCE, pause=0.02)


def refusal_of(call: Callable[[], object]) -> tuple[str, str]:
    """Return the code and the message with which AWS refuses a call."""
    try:
        call()
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["Error"]["Message"]
    raise AssertionError("AWS did not refuse it")
