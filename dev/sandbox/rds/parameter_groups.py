"""DB parameter groups: what is set in one reaches the servers of its instances."""

from __future__ import annotations

from dev.sandbox.rds import identifiers, transitions, views
from dev.sandbox.rds.errors import RDSError, already_exists, invalid_combination, invalid_value
from dev.sandbox.rds.model import ParameterGroup, ParameterStatus
from dev.sandbox.rds.pagination import page
from dev.sandbox.rds.parameters import FAMILIES, catalogue
from dev.sandbox.rds.region import Region, tags_from
from dev.sandbox.rds.registry import Parameters, Result, action

__all__: list[str] = []


@action("CreateDBParameterGroup")
def create(region: Region, parameters: Parameters) -> Result:
    family = parameters["DBParameterGroupFamily"]
    if family not in FAMILIES:
        raise invalid_value(f"ParameterGroupFamily {family} is not a valid parameter group family")
    name = _new_name(region, parameters["DBParameterGroupName"])
    group = ParameterGroup(name, family, parameters["Description"], tags=tags_from(parameters))
    region.parameter_groups[name] = group
    return {"DBParameterGroup": views.parameter_group(region, group)}


def _new_name(region: Region, given: str) -> str:
    name = identifiers.checked(given, "DBParameterGroupName")
    if name in region.parameter_groups:
        raise already_exists("DBParameterGroupAlreadyExists", "Parameter group", name)
    if len(region.parameter_groups) >= region.quotas["DBParameterGroups"]:
        raise RDSError(
            "DBParameterGroupQuotaExceeded", "This request would exceed your quota of DB parameter groups."
        )
    return name


@action("DescribeDBParameterGroups")
def describe(region: Region, parameters: Parameters) -> Result:
    if name := parameters.get("DBParameterGroupName"):
        groups = [region.parameter_group(name)]
    else:
        groups = sorted(region.parameter_groups.values(), key=lambda group: group.name)
    return page([views.parameter_group(region, group) for group in groups], parameters, "DBParameterGroups")


@action("DescribeDBParameters")
def describe_parameters(region: Region, parameters: Parameters) -> Result:
    group = region.parameter_group(parameters["DBParameterGroupName"])
    descriptions = [views.parameter(group, parameter) for parameter in catalogue(group.family).values()]
    if source := parameters.get("Source"):
        if source not in ("user", "system", "engine-default"):
            raise invalid_value(f"Invalid value {source} for Source")
        descriptions = [description for description in descriptions if description["Source"] == source]
    return page(descriptions, parameters, "Parameters")


@action("ModifyDBParameterGroup")
def modify(region: Region, parameters: Parameters) -> Result:
    group = _changeable(region, parameters["DBParameterGroupName"])
    known = catalogue(group.family)
    asked = parameters["Parameters"]
    if len(asked) > 20:
        raise invalid_value("A maximum of 20 parameters can be modified in a single request.")
    for change in asked:
        name, value = change["ParameterName"], change.get("ParameterValue")
        if name not in known:
            raise invalid_value(f"Could not find parameter with name: {name}")
        if value is None:
            raise invalid_value(f"The parameter {name} needs a value.")
        known[name].check(value)
        if change.get("ApplyMethod") == "immediate" and not known[name].dynamic:
            raise invalid_combination(f"cannot use immediate apply method for static parameter: {name}")
    for change in asked:
        group.values[change["ParameterName"]] = known[change["ParameterName"]].kept(change["ParameterValue"])
        group.apply_methods[change["ParameterName"]] = change.get("ApplyMethod", "pending-reboot")
        region.tell_group(
            group, f"Updated parameter {change['ParameterName']} to {change['ParameterValue']} "
            f"with apply method {change.get('ApplyMethod', 'pending-reboot')}"
        )  # fmt: skip
    at_once = {e["ParameterName"]: e["ParameterValue"] for e in asked if e.get("ApplyMethod") == "immediate"}
    _reach_instances(region, group, at_once, later=len(at_once) < len(asked))
    return {"DBParameterGroupName": group.name}


@action("ResetDBParameterGroup")
def reset(region: Region, parameters: Parameters) -> Result:
    group = _changeable(region, parameters["DBParameterGroupName"])
    known = catalogue(group.family)
    if parameters.get("ResetAllParameters", "Parameters" not in parameters):
        asked = {name: "immediate" if known[name].dynamic else "pending-reboot" for name in group.values}
    else:
        asked = {
            e["ParameterName"]: e.get("ApplyMethod", "pending-reboot")
            for e in parameters.get("Parameters", [])
        }
    for name, method in asked.items():
        if name not in known:
            raise invalid_value(f"Could not find parameter with name: {name}")
        if method == "immediate" and not known[name].dynamic:
            raise invalid_combination(f"cannot use immediate apply method for static parameter: {name}")
    for name in asked:
        group.values.pop(name, None)
        group.apply_methods.pop(name, None)
    at_once: dict[str, str | None] = {name: None for name, method in asked.items() if method == "immediate"}
    _reach_instances(region, group, at_once, later=len(at_once) < len(asked))
    return {"DBParameterGroupName": group.name}


def _reach_instances(
    region: Region, group: ParameterGroup, changed: dict[str, str | None], *, later: bool
) -> None:
    """Dynamic parameters reach the servers of all the group's instances in a moment, without a reboot."""
    for instance in region.instances.values():
        if instance.parameter_group is group and instance.answers:
            if instance.parameter_status == ParameterStatus.IN_SYNC and changed:
                instance.parameter_status = ParameterStatus.APPLYING
            instance.worker.submit(
                lambda instance=instance: transitions.apply_parameters(
                    region, instance, dict(changed), later=later
                )  # type: ignore[misc]
            )


def _changeable(region: Region, name: str) -> ParameterGroup:
    group = region.parameter_group(name)
    if group.is_default:
        raise RDSError(
            "InvalidDBParameterGroupState", f"The parameter group {group.name} cannot be modified."
        )
    return group


@action("DeleteDBParameterGroup")
def delete(region: Region, parameters: Parameters) -> Result:
    group = region.parameter_group(parameters["DBParameterGroupName"])
    if group.is_default:
        raise RDSError("InvalidDBParameterGroupState", "Cannot delete a default parameter group.")
    if any(instance.parameter_group is group for instance in region.instances.values()):
        raise RDSError(
            "InvalidDBParameterGroupState",
            f"One or more database instances are still members of this parameter group {group.name}, "
            "so the group cannot be deleted",
        )
    del region.parameter_groups[group.name]
    return {}
