"""Tags, on the ARN of any resource."""

from __future__ import annotations

from dev.sandbox.rds import identifiers, views
from dev.sandbox.rds.errors import instance_not_found, invalid_value
from dev.sandbox.rds.model import Tags
from dev.sandbox.rds.region import Region, require_few, tags_from
from dev.sandbox.rds.registry import Parameters, Result, action

__all__: list[str] = []


def _tags(region: Region, arn: str) -> Tags:
    """Return the tags of the resource, to be read or changed."""
    parts = arn.split(":", 6)
    if len(parts) != 7 or parts[2] != "rds":
        raise invalid_value(f"Invalid resource name: {arn}")
    kind, name = parts[5], parts[6]
    match kind:
        case "db":
            instances = [instance for instance in region.instances.values() if instance.identifier == name]
            if not instances:
                raise instance_not_found(name)
            return instances[0].tags
        case "snapshot":
            return region.snapshot(name).tags
        case "pg":
            return region.parameter_group(name).tags
        case "og":
            return region.option_group(name).tags
        case "subgrp":
            return region.subnet_group(name).tags
    raise invalid_value(f"Invalid resource name: {identifiers.name_from_arn(arn, kind)}")


@action("ListTagsForResource")
def list_tags(region: Region, parameters: Parameters) -> Result:
    return {"TagList": views.tag_list(_tags(region, parameters["ResourceName"]))}


@action("AddTagsToResource")
def add(region: Region, parameters: Parameters) -> Result:
    tags = _tags(region, parameters["ResourceName"])
    added = tags_from(parameters)
    require_few(tags | added)
    tags.update(added)
    return {}


@action("RemoveTagsFromResource")
def remove(region: Region, parameters: Parameters) -> Result:
    tags = _tags(region, parameters["ResourceName"])
    for key in parameters["TagKeys"]:
        tags.pop(key, None)
    return {}
