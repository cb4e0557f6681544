"""The seeded database `orders`: what a small shop would run on RDS, made as an ordinary user would make it."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from botocore.exceptions import ClientError, WaiterError

from dev.sandbox.process import SandboxError
from dev.sandbox.shop import DATABASE, fill, finish, grant_application, make_tables
from rds_encrypt.mysql.session import Credentials
from rds_encrypt.rehearse.client import Address, connected

__all__ = [
    "Seeded",
    "await_available",
    "make_key",
    "make_network",
    "make_parameter_group",
    "make_security_group",
    "seed",
    "set_parameters",
    "store",
]

MASTER_USER = "admin"
APPLICATION_USER = "app"


class Target(Protocol):
    """What the seed needs of a sandbox: clients, and where the CA bundle is."""

    @property
    def directory(self) -> Path: ...
    def client(self, service: str) -> Any: ...


@dataclass(frozen=True)
class Seeded:
    """What the seed made, and how to reach it."""

    identifier: str
    resource_id: str
    engine_version: str
    address: str
    port: int
    database: str
    master_user: str
    master_password: str = field(repr=False)
    master_secret: str
    application_user: str
    application_password: str = field(repr=False)
    key_arn: str
    ca_bundle: Path
    rows: int
    seconds: float

    @property
    def master(self) -> Credentials:
        return Credentials(self.master_user, self.master_password)

    @property
    def application(self) -> Credentials:
        return Credentials(self.application_user, self.application_password)


def seed(
    target: Target,
    engine: str = "8.0",
    rows: int = 200_000,
    identifier: str = "orders",
    *,
    gtids: bool = False,
) -> Seeded:
    """Make the instance with all that belongs to it, and fill its database with at least so many rows.

    With ``gtids``, its transactions have GTIDs; RDS's default, OFF_PERMISSIVE, gives them none.
    """
    begun = time.monotonic()
    password, application_password = _new_password(), _new_password()
    rds = target.client("rds")
    try:
        ec2 = target.client("ec2")
        vpc = make_network(ec2, rds, identifier)
        security_group = make_security_group(ec2, vpc, identifier)
        key_arn = make_key(target.client("kms"), identifier)
        groups = _make_groups(rds, identifier, engine, gtids=gtids)
        role = _make_monitoring_role(target.client("iam"), identifier)
        _make_instance(rds, identifier, engine, password, firewall=security_group, groups=groups, role=role)
    except ClientError as error:
        raise SandboxError(f"The sandbox can't be seeded with `{identifier}`: {error}") from error
    instance = await_available(rds, identifier)
    vault = target.client("secretsmanager")
    master = store(vault, f"{identifier}/master", MASTER_USER, password)
    store(vault, f"{identifier}/app", APPLICATION_USER, application_password)
    endpoint = instance["Endpoint"]
    bundle = target.directory / "ca.pem"
    where = Address(endpoint["Address"], endpoint["Port"], bundle)
    with connected(where, Credentials(MASTER_USER, password), database=DATABASE) as connection:
        make_tables(connection)
        made = fill(connection, rows)
        finish(connection)
        grant_application(connection, APPLICATION_USER, application_password)
    return Seeded(
        identifier=identifier,
        resource_id=instance["DbiResourceId"],
        engine_version=instance["EngineVersion"],
        address=endpoint["Address"],
        port=endpoint["Port"],
        database=DATABASE,
        master_user=MASTER_USER,
        master_password=password,
        master_secret=master,
        application_user=APPLICATION_USER,
        application_password=application_password,
        key_arn=key_arn,
        ca_bundle=bundle,
        rows=made,
        seconds=time.monotonic() - begun,
    )


def _new_password() -> str:
    return secrets.token_urlsafe(18)


def make_network(ec2: Any, rds: Any, identifier: str) -> str:
    """Make a VPC with subnets in two zones, and a subnet group of them; return the VPC."""
    tags = [{"Key": "Name", "Value": identifier}]
    vpc: str = ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    ec2.create_tags(Resources=[vpc], Tags=tags)
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.77.{number}.0/24", AvailabilityZone=zone)["Subnet"][
            "SubnetId"
        ]
        for number, zone in enumerate(("us-east-1a", "us-east-1b"), 1)
    ]
    rds.create_db_subnet_group(
        DBSubnetGroupName=identifier,
        DBSubnetGroupDescription=f"Subnets of {identifier}",
        SubnetIds=subnets,
        Tags=tags,
    )
    return vpc


def make_security_group(ec2: Any, vpc: str, identifier: str) -> str:
    """Make a security group that allows MySQL from inside the VPC, not from the group itself."""
    group: str = ec2.create_security_group(
        GroupName=f"{identifier}-db", Description=f"MySQL of {identifier}", VpcId=vpc
    )["GroupId"]
    ec2.authorize_security_group_ingress(
        GroupId=group,
        IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 3306, "ToPort": 3306, "IpRanges": [{"CidrIp": "10.77.0.0/16"}]}
        ],
    )
    return group


def make_key(kms: Any, identifier: str) -> str:
    key: str = kms.create_key(Description=f"Encrypts {identifier}")["KeyMetadata"]["Arn"]
    kms.create_alias(AliasName=f"alias/{identifier}", TargetKeyId=key)
    return key


def _make_groups(rds: Any, identifier: str, engine: str, *, gtids: bool) -> str:
    """A parameter group and an option group of the same name."""
    name = f"{identifier}-mysql{engine.replace('.', '')}"
    values = {
        "binlog_format": "ROW",
        "event_scheduler": "ON",
        # Without it nobody but SUPER may make triggers and routines while the binary log is on.
        "log_bin_trust_function_creators": "1",
        "long_query_time": "2",
        "max_connections": "200",
        "slow_query_log": "1",
    }
    make_parameter_group(rds, name, engine, values, method="immediate")
    if gtids:
        set_parameters(rds, name, {"gtid-mode": "ON", "enforce_gtid_consistency": "ON"}, "pending-reboot")
    rds.create_option_group(
        OptionGroupName=name,
        EngineName="mysql",
        MajorEngineVersion=engine,
        OptionGroupDescription=f"Options of {identifier}",
    )
    return name


def make_parameter_group(rds: Any, name: str, engine: str, values: Mapping[str, str], *, method: str) -> None:
    """Make a parameter group with values of its own."""
    rds.create_db_parameter_group(
        DBParameterGroupName=name,
        DBParameterGroupFamily=f"mysql{engine}",
        Description=f"Parameters of {name}",
        Tags=[{"Key": "application", "Value": "shop"}],
    )
    set_parameters(rds, name, values, method)


def set_parameters(rds: Any, group: str, values: Mapping[str, str], method: str) -> None:
    """Set parameters of a group, at once or at its instances' next reboot."""
    rds.modify_db_parameter_group(
        DBParameterGroupName=group,
        Parameters=[
            {"ParameterName": parameter, "ParameterValue": value, "ApplyMethod": method}
            for parameter, value in values.items()
        ],
    )


def _make_monitoring_role(iam: Any, identifier: str) -> str:
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "monitoring.rds.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    role: str = iam.create_role(
        RoleName=f"{identifier}-monitoring", AssumeRolePolicyDocument=json.dumps(trust)
    )["Role"]["Arn"]
    return role


def _make_instance(
    rds: Any, identifier: str, engine: str, password: str, *, firewall: str, groups: str, role: str
) -> None:
    rds.create_db_instance(
        DBInstanceIdentifier=identifier,
        DBInstanceClass="db.t3.medium",
        Engine="mysql",
        EngineVersion=engine,
        MasterUsername=MASTER_USER,
        MasterUserPassword=password,
        DBName=DATABASE,
        AllocatedStorage=20,
        StorageType="gp3",
        MaxAllocatedStorage=100,
        BackupRetentionPeriod=7,
        DBSubnetGroupName=identifier,
        VpcSecurityGroupIds=[firewall],
        DBParameterGroupName=groups,
        OptionGroupName=groups,
        AutoMinorVersionUpgrade=False,
        CopyTagsToSnapshot=True,
        DeletionProtection=True,
        EnableCloudwatchLogsExports=["error", "slowquery"],
        EnableIAMDatabaseAuthentication=True,
        MonitoringInterval=60,
        MonitoringRoleArn=role,
        PubliclyAccessible=False,
        Tags=[
            {"Key": "application", "Value": "shop"},
            {"Key": "environment", "Value": "production"},
            {"Key": "owner", "Value": "shop-team"},
        ],
    )


def await_available(rds: Any, identifier: str) -> dict[str, Any]:
    """Wait until an instance can be used, and describe it."""
    try:
        rds.get_waiter("db_instance_available").wait(
            DBInstanceIdentifier=identifier, WaiterConfig={"Delay": 0.1, "MaxAttempts": 1200}
        )
    except WaiterError as error:
        raise SandboxError(f"The instance `{identifier}` is not available: {error}") from error
    instance: dict[str, Any] = rds.describe_db_instances(DBInstanceIdentifier=identifier)["DBInstances"][0]
    return instance


def store(vault: Any, name: str, user: str, password: str) -> str:
    """Keep an account in Secrets Manager."""
    vault.create_secret(Name=name, SecretString=json.dumps({"username": user, "password": password}))
    return name
