"""DB subnet groups, over EC2's subnets."""

from __future__ import annotations

from dev.sandbox.rds import identifiers, neighbours, views
from dev.sandbox.rds.errors import RDSError, already_exists, invalid_value
from dev.sandbox.rds.model import SubnetGroup
from dev.sandbox.rds.neighbours import Subnet
from dev.sandbox.rds.pagination import page
from dev.sandbox.rds.region import Region, tags_from
from dev.sandbox.rds.registry import Parameters, Result, action

__all__: list[str] = []


@action("CreateDBSubnetGroup")
def create(region: Region, parameters: Parameters) -> Result:
    name = identifiers.plain_name(parameters["DBSubnetGroupName"], "DBSubnetGroupName", r"._ ")
    if name == "default":
        raise invalid_value("The DB subnet group name default is reserved.")
    if name in region.subnet_groups:
        raise already_exists("DBSubnetGroupAlreadyExists", "The DB subnet group", name)
    subnets = _covering(region, parameters["SubnetIds"])
    group = SubnetGroup(name, parameters["DBSubnetGroupDescription"], subnets, tags_from(parameters))
    region.subnet_groups[name] = group
    return {"DBSubnetGroup": views.subnet_group(region, group)}


def _covering(region: Region, identifiers_: list[str]) -> list[Subnet]:
    found = neighbours.subnets(region.account_id, region.name, identifiers_)
    if len({each.vpc_id for each in found}) > 1:
        raise RDSError("InvalidSubnet", "The subnets of a DB subnet group must be in one VPC.")
    if len({each.availability_zone for each in found}) < 2:
        raise RDSError(
            "DBSubnetGroupDoesNotCoverEnoughAZs",
            "The DB subnet group doesn't meet Availability Zone (AZ) coverage requirement. "
            "Current AZ coverage: 1. Add subnets to cover at least 2 AZs.",
        )
    return found


@action("DescribeDBSubnetGroups")
def describe(region: Region, parameters: Parameters) -> Result:
    if name := parameters.get("DBSubnetGroupName"):
        found = [region.subnet_group(name)]
    else:
        found = sorted(region.subnet_groups.values(), key=lambda each: each.name)
    return page([views.subnet_group(region, each) for each in found], parameters, "DBSubnetGroups")


@action("ModifyDBSubnetGroup")
def modify(region: Region, parameters: Parameters) -> Result:
    group = region.subnet_group(parameters["DBSubnetGroupName"])
    group.subnets = _covering(region, parameters["SubnetIds"])
    group.description = parameters.get("DBSubnetGroupDescription", group.description)
    return {"DBSubnetGroup": views.subnet_group(region, group)}


@action("DeleteDBSubnetGroup")
def delete(region: Region, parameters: Parameters) -> Result:
    group = region.subnet_group(parameters["DBSubnetGroupName"])
    users = [each.identifier for each in region.instances.values() if each.subnet_group is group]
    if users or group.name == "default":
        raise RDSError(
            "InvalidDBSubnetGroupStateFault",
            f"Cannot delete the subnet group '{group.name}' because at least one database instance: "
            f"{', '.join(users)} is still using it.",
        )
    del region.subnet_groups[group.name]
    return {}
