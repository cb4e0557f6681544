"""DB subnet groups, over EC2's subnets."""

from __future__ import annotations

from dev.sandbox.rds import identifiers, neighbours, views
from dev.sandbox.rds.errors import RDSError, already_exists, invalid_value
from dev.sandbox.rds.model import SubnetGroup
from dev.sandbox.rds.neighbours import Subnet
from dev.sandbox.rds.region import Region, tags_from
from dev.sandbox.rds.registry import Parameters, Result, action

__all__: list[str] = []


@action("CreateDBSubnetGroup")
def create(region: Region, parameters: Parameters) -> Result:
    name = identifiers.checked(parameters["DBSubnetGroupName"], "DBSubnetGroupName", extra=r"._ ")
    if name == "default":
        raise invalid_value("The DB subnet group name default is reserved.")
    if name in region.subnet_groups:
        raise already_exists("DBSubnetGroupAlreadyExists", "The DB subnet group", name)
    subnets = _covering(region, parameters["SubnetIds"])
    group = SubnetGroup(name, parameters["DBSubnetGroupDescription"], subnets, tags_from(parameters))
    region.subnet_groups[name] = group
    return {"DBSubnetGroup": views.subnet_group(region, group)}


def _covering(region: Region, identifiers_: list[str]) -> list[Subnet]:
    subnets = neighbours.subnets(region.account_id, region.name, identifiers_)
    if len({subnet.vpc_id for subnet in subnets}) > 1:
        raise RDSError("InvalidSubnet", "The subnets of a DB subnet group must be in one VPC.")
    if len({subnet.availability_zone for subnet in subnets}) < 2:
        raise RDSError(
            "DBSubnetGroupDoesNotCoverEnoughAZs",
            "The DB subnet group doesn't meet Availability Zone (AZ) coverage requirement. "
            "Current AZ coverage: 1. Add subnets to cover at least 2 AZs.",
        )
    return subnets
