"""Option groups; of their options the sandbox keeps none."""

from __future__ import annotations

from dev.sandbox.rds import identifiers, views
from dev.sandbox.rds.engines import VERSIONS
from dev.sandbox.rds.errors import RDSError, already_exists, invalid_combination, invalid_value
from dev.sandbox.rds.model import OptionGroup
from dev.sandbox.rds.pagination import page
from dev.sandbox.rds.region import Region, tags_from
from dev.sandbox.rds.registry import Parameters, Result, action

__all__: list[str] = []


@action("CreateOptionGroup")
def create(region: Region, parameters: Parameters) -> Result:
    name = identifiers.checked(parameters["OptionGroupName"], "OptionGroupName")
    if name in region.option_groups:
        raise already_exists("OptionGroupAlreadyExistsFault", "An option group with the name", name)
    if parameters["EngineName"] != "mysql":
        raise invalid_value("Invalid DB engine: the sandbox serves mysql only")
    if parameters["MajorEngineVersion"] not in VERSIONS:
        raise invalid_combination(f"Cannot find major version {parameters['MajorEngineVersion']} for mysql")
    group = OptionGroup(
        name, parameters["OptionGroupDescription"], parameters["MajorEngineVersion"], tags_from(parameters)
    )
    region.option_groups[name] = group
    return {"OptionGroup": views.option_group(region, group)}


@action("DescribeOptionGroups")
def describe(region: Region, parameters: Parameters) -> Result:
    groups = sorted(region.option_groups.values(), key=lambda group: group.name)
    if name := parameters.get("OptionGroupName"):
        groups = [region.option_group(name)]
    if major := parameters.get("MajorEngineVersion"):
        groups = [group for group in groups if group.major_version == major]
    if parameters.get("EngineName", "mysql") != "mysql":
        groups = []
    return page([views.option_group(region, group) for group in groups], parameters, "OptionGroupsList")


@action("DeleteOptionGroup")
def delete(region: Region, parameters: Parameters) -> Result:
    group = region.option_group(parameters["OptionGroupName"])
    used = any(instance.option_group is group for instance in region.instances.values())
    used = used or any(snapshot.option_group == group.name for snapshot in region.snapshots.values())
    if used or group.name.startswith("default:"):
        raise RDSError(
            "InvalidOptionGroupStateFault",
            f"The option group {group.name} is in use or is a default one: it cannot be deleted.",
        )
    del region.option_groups[group.name]
    return {}
