"""Instances: created, described, and found."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from typing import Any

from dev.sandbox.rds import identifiers, managed_password, neighbours, settings, transitions, views
from dev.sandbox.rds.engines import require_support, resolve_version
from dev.sandbox.rds.errors import (
    RDSError,
    already_exists,
    instance_not_found,
    invalid_combination,
    invalid_value,
)
from dev.sandbox.rds.mirror import Seen
from dev.sandbox.rds.model import DBInstance, OptionGroup, ParameterGroup, SubnetGroup
from dev.sandbox.rds.pagination import filters, page
from dev.sandbox.rds.region import Region, tags_from
from dev.sandbox.rds.registry import Parameters, Result, action
from dev.sandbox.rds.worker import Worker

__all__ = [
    "check_class",
    "check_encryption",
    "chosen_groups",
    "fitting_option_group",
    "fitting_parameter_group",
    "new_identifier",
    "new_worker",
    "to_be_seen",
    "windows",
]

# AWS: storage can't be encrypted on these previous generation classes.
_UNENCRYPTABLE = re.compile(r"db\.(m1|m2)\..*|db\.t2\.micro")
_CLASS = re.compile(r"db\.[a-z][a-z0-9]*\.(nano|micro|small|medium|large|\d*xlarge|metal)")

# A server that does not come up again: on RDS a parameter is to blame, and it can be changed.
_AFTER_FAILURE = dict.fromkeys(("modifying", "rebooting", "renaming", "starting"), "incompatible-parameters")


@action("DescribeDBInstances")
def describe(region: Region, parameters: Parameters) -> Result:
    criteria = filters(parameters, ("db-cluster-id", "db-instance-id", "dbi-resource-id", "domain", "engine"))
    name = parameters.get("DBInstanceIdentifier")
    entries = region.mirror.seen(lambda: to_be_seen(region))
    if name:
        identifier = identifiers.name_from_arn(name, "db").lower()
        # In the middle of a rename no name answers.
        entries = [
            (view, away) for view, away in entries if view["DBInstanceIdentifier"] == identifier and not away
        ]
    matching = [view for view, _ in entries if _matches(view, criteria)]
    if name and not matching:
        raise instance_not_found(name)
    return page(sorted(matching, key=lambda view: view["DBInstanceIdentifier"]), parameters, "DBInstances")


def to_be_seen(region: Region) -> Seen:
    """Return the description of every instance, and whether its name is away."""
    with region.lock:
        return [(views.instance(region, instance), instance.away) for instance in region.instances.values()]


def _matches(view: dict[str, Any], criteria: dict[str, list[str]]) -> bool:
    answers = {
        "db-cluster-id": (),
        "db-instance-id": (view["DBInstanceIdentifier"], view["DBInstanceArn"]),
        "dbi-resource-id": (view["DbiResourceId"],),
        "domain": (),
        "engine": ("mysql",),
    }
    return all(set(answers[name]) & set(values) for name, values in criteria.items())


@action("CreateDBInstance")
def create(region: Region, parameters: Parameters) -> Result:
    identifier = new_identifier(region, parameters["DBInstanceIdentifier"])
    if parameters["Engine"] != "mysql":
        raise invalid_value("Invalid DB engine: the sandbox serves mysql only")
    version = resolve_version(parameters.get("EngineVersion"))
    check_class(parameters["DBInstanceClass"])
    username, password = _master_user(parameters)
    values = settings.from_request(parameters)
    require_support(version, values.get("EngineLifecycleSupport"))
    settings.storage_defaults(values)
    windows(values, identifier)
    subnet_group, security_groups = chosen_groups(region, parameters, None)
    values.setdefault("AvailabilityZone", subnet_group.subnets[0].availability_zone)
    kms_key = _encryption(region, parameters)
    instance = DBInstance(
        resource_id=identifiers.new_resource_id(),
        identifier=identifier,
        settings=values,
        engine_version=version,
        master_username=username,
        master_password=password,
        db_name=parameters.get("DBName"),
        port=parameters.get("Port", 3306),
        parameter_group=fitting_parameter_group(region, parameters.get("DBParameterGroupName"), version),
        option_group=fitting_option_group(region, parameters.get("OptionGroupName"), version),
        subnet_group=subnet_group,
        security_groups=security_groups,
        kms_key_arn=kms_key,
        tags=tags_from(parameters),
        worker=new_worker(region, identifier),
    )
    if parameters.get("ManageMasterUserPassword"):
        managed_password.keep(region, instance, password)
    region.instances[instance.resource_id] = instance
    instance.worker.submit(lambda: transitions.create(region, instance))
    return {"DBInstance": views.instance(region, instance)}


def new_identifier(region: Region, given: str) -> str:
    """Check the identifier of an instance that is to be."""
    identifier = identifiers.instance_identifier(given)
    if region.name_is_taken(identifier):
        raise already_exists("DBInstanceAlreadyExists", "DB instance", identifier)
    if len(region.instances) >= region.quotas["DBInstances"]:
        raise RDSError("InstanceQuotaExceeded", "This request would exceed your quota of DB instances.")
    return identifier


def new_worker(region: Region, identifier: str) -> Worker:
    """Make the worker of an instance; a transition that fails leaves the instance as RDS would."""

    def failed(error: Exception) -> None:
        with region.lock:
            for instance in region.instances.values():
                if instance.worker is worker:
                    instance.status = _AFTER_FAILURE.get(instance.status, "failed")
                    instance.away, instance.new_identifier = False, None
                    region.tell(instance, f"The DB instance is {instance.status}: {error}", "failure")

    worker = Worker(f"instance-{identifier}", failed)
    return worker


def check_class(name: str) -> None:
    if not _CLASS.fullmatch(name):
        raise invalid_value(f"Invalid DB Instance class: {name}")


def check_encryption(instance_class: str) -> None:
    if _UNENCRYPTABLE.fullmatch(instance_class):
        raise invalid_combination(f"DB Instance class {instance_class} does not support encryption at rest")


def _encryption(region: Region, parameters: Parameters) -> str | None:
    if not parameters.get("StorageEncrypted"):
        if parameters.get("KmsKeyId"):
            raise invalid_combination("You can specify KmsKeyId only when StorageEncrypted is true.")
        return None
    check_encryption(parameters["DBInstanceClass"])
    return region.key_arn(parameters.get("KmsKeyId"))


def _master_user(parameters: Parameters) -> tuple[str, str]:
    managed_password.check_create(parameters)
    username = parameters.get("MasterUsername")
    password = parameters.get("MasterUserPassword")
    if parameters.get("ManageMasterUserPassword"):
        password = managed_password.new_password()
    if not username or not password:
        raise invalid_value("MasterUsername and MasterUserPassword must be provided and must not be blank.")
    return username, password


def windows(values: dict[str, Any], identifier: str) -> None:
    """Choose the windows that were not given: half hours that depend on the name, and lie hours ahead."""
    number, today = hashlib.sha256(identifier.encode()).digest()[0], datetime.now(UTC)
    hour = (today.hour + 8 + number % 8) % 24
    values.setdefault("PreferredBackupWindow", f"{hour:02}:10-{hour:02}:40")
    day = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[(today.weekday() + 2 + number % 4) % 7]
    values.setdefault("PreferredMaintenanceWindow", f"{day}:09:05-{day}:09:35")
    values["PreferredMaintenanceWindow"] = values["PreferredMaintenanceWindow"].lower()
    if not re.fullmatch(r"\d\d:\d\d-\d\d:\d\d", values["PreferredBackupWindow"]):
        raise invalid_value(f"Invalid backup window: {values['PreferredBackupWindow']}")


def chosen_groups(
    region: Region, parameters: Parameters, inherited: DBInstance | None
) -> tuple[SubnetGroup, list[str]]:
    """Return the subnet group and the security groups of a new instance."""
    given = parameters.get("DBSubnetGroupName")
    if given or inherited is None:
        subnet_group = region.subnet_group(given or "default")
    else:
        subnet_group = inherited.subnet_group
    asked = parameters.get("VpcSecurityGroupIds")
    if asked:
        return subnet_group, neighbours.security_groups(region.account_id, region.name, asked)
    if inherited is not None:
        return subnet_group, list(inherited.security_groups)
    default = neighbours.default_security_group(region.account_id, region.name, subnet_group.vpc_id)
    return subnet_group, [default]


def fitting_parameter_group(region: Region, name: str | None, version: str) -> ParameterGroup:
    """Return the parameter group when its family is the version's; none given is the family's default one."""
    family = "mysql" + ".".join(version.split(".")[:2])
    group = region.parameter_group(name or f"default.{family}")
    if group.family != family:
        raise invalid_combination(
            f"The Parameter Group {group.name} with DBParameterGroupFamily {group.family} can't be used for this instance. "
            f"Please use a Parameter Group with DBParameterGroupFamily {family}"
        )
    return group


def fitting_option_group(region: Region, name: str | None, version: str) -> OptionGroup:
    major = ".".join(version.split(".")[:2])
    group = region.option_group(name or f"default:mysql-{major.replace('.', '-')}")
    if group.major_version != major:
        raise invalid_combination(
            f"The option group {group.name} with major engine version {group.major_version} can't be used for mysql {version}"
        )
    return group
