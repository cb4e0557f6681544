"""Stand-ins for a session and for AWS that answer from a script."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from rds_encrypt.access import AccessSettings
from rds_encrypt.aws.clients import Aws, AwsSettings
from rds_encrypt.aws.instance import Instance
from rds_encrypt.cutover.context import CutoverContext
from rds_encrypt.cutover.direction import cutover_direction
from rds_encrypt.mysql.session import Endpoint, Row, Session
from rds_encrypt.names import Names
from rds_encrypt.settings import CutoverSettings, VerifySettings

__all__ = ["ACCESS", "FakeAws", "FakeSession", "instance", "replica_row"]

ACCESS = AccessSettings(secret_id="orders/master")

Answer = Sequence[Row] | Exception | Callable[[], Sequence[Row]]


class FakeSession(Session):
    """A session whose statements are answered from a table; everything that was sent is remembered.

    Answers are found by the beginning of the statement; ``CALL name`` for procedures.
    """

    def __init__(self, answers: Mapping[str, Answer], version: tuple[int, int, int] = (8, 0, 31)) -> None:
        super().__init__(cast(Any, None), Endpoint("db.example", 3306))
        self.answers = dict(answers)
        self.sent: list[tuple[str, tuple[object, ...]]] = []
        self._version = version

    @property
    def version(self) -> tuple[int, int, int]:
        return self._version

    def rows(self, statement: str, *arguments: object) -> list[Row]:
        self.sent.append((statement, arguments))
        return self._answer(statement)

    def call(self, procedure: str, *arguments: object) -> list[Row]:
        self.sent.append((f"CALL {procedure}", arguments))
        return self._answer(f"CALL {procedure}")

    def _answer(self, statement: str) -> list[Row]:
        for beginning, answer in self.answers.items():
            if statement.startswith(beginning):
                if isinstance(answer, Exception):
                    raise answer
                return list(answer() if callable(answer) else answer)
        return []


def replica_row(**changes: Any) -> Row:
    """A row of SHOW REPLICA STATUS on a healthy replica of 8.0.31."""
    return {
        "Replica_IO_Running": "Yes",
        "Replica_SQL_Running": "Yes",
        "Source_Host": "orders.example",
        "Source_User": "rds_encrypt_replication",
        "Source_UUID": "f0",
        "Relay_Source_Log_File": "b.000002",
        "Exec_Source_Log_Pos": 400,
        "Source_Log_File": "b.000002",
        "Read_Source_Log_Pos": 400,
        "Seconds_Behind_Source": 0,
        "Last_IO_Errno": 0,
        "Last_IO_Error": "",
        "Last_SQL_Errno": 0,
        "Last_SQL_Error": "",
        "Auto_Position": 0,
        "Until_Condition": "None",
        **changes,
    }


class _Paginator:
    def __init__(self, pages: Callable[..., list[dict[str, Any]]]) -> None:
        self._pages = pages

    def paginate(self, **arguments: Any) -> list[dict[str, Any]]:
        return self._pages(**arguments)


class _Rds:
    def __init__(self, instances: list[dict[str, Any]]) -> None:
        self._instances = instances
        self.read_only = "1"

    def get_paginator(self, operation: str) -> _Paginator:
        answers: dict[str, Callable[..., list[dict[str, Any]]]] = {
            "describe_db_instances": self._describe,
            "describe_db_parameters": self._set,
        }
        return _Paginator(answers[operation])

    def _set(self, **_which: str) -> list[dict[str, Any]]:
        """Every parameter group closes the fence, or none."""
        return [{"Parameters": [{"ParameterName": "read_only", "ParameterValue": self.read_only}]}]

    def _describe(self, Filters: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:  # noqa: N803 - AWS's name
        keys = {"db-instance-id": "DBInstanceIdentifier", "dbi-resource-id": "DbiResourceId"}
        matching = [
            entry
            for entry in self._instances
            if all(entry[keys[criterion["Name"]]] in criterion["Values"] for criterion in Filters)
        ]
        return [{"DBInstances": matching}]


class FakeAws(Aws):
    """An account that holds the given instances and nothing else; all parameter groups say `read_only=1`, unless told otherwise."""

    def __init__(self, *instances: Instance, read_only: str = "1") -> None:
        self.settings = AwsSettings(region="eu-west-1")
        self.rds = cast(Any, _Rds([dict(database.description) for database in instances]))
        cast(Any, self.rds).read_only = read_only

    @property
    def region(self) -> str:
        return "eu-west-1"


def instance(identifier: str = "orders", tags: Mapping[str, str] | None = None, **changes: Any) -> Instance:
    """An instance that can be migrated."""
    return Instance(
        {
            "DBInstanceIdentifier": identifier,
            "DbiResourceId": f"db-{identifier.upper()}",
            "DBInstanceArn": f"arn:aws:rds:eu-west-1:123456789012:db:{identifier}",
            "DBInstanceStatus": "available",
            "DBInstanceClass": "db.t3.medium",
            "Engine": "mysql",
            "EngineVersion": "8.0.31",
            "Endpoint": {"Address": f"{identifier}.example", "Port": 3306},
            "AllocatedStorage": 20,
            "StorageType": "gp3",
            "StorageEncrypted": False,
            "BackupRetentionPeriod": 7,
            "DBParameterGroups": [
                {"DBParameterGroupName": "orders-mysql80", "ParameterApplyStatus": "in-sync"}
            ],
            "OptionGroupMemberships": [{"OptionGroupName": "orders", "Status": "in-sync"}],
            "VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-1", "Status": "active"}],
            "DBSubnetGroup": {"DBSubnetGroupName": "orders"},
            "TagList": [{"Key": key, "Value": value} for key, value in (tags or {}).items()],
            **changes,
        }
    )


def cutover_context(aws: Aws, encrypted_id: str) -> CutoverContext:
    """A cutover of `orders` to the encrypted instance; it asks nobody but ``aws``."""
    names = Names("orders")
    return CutoverContext(
        aws=aws,
        access=cast(Any, None),
        names=names,
        direction=cutover_direction(names, "db-ORDERS", encrypted_id),
        source_group="orders-mysql80",
        strategy=cast(Any, None),
        settings=CutoverSettings(),
        verify=VerifySettings(),
    )
