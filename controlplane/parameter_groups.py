"""Parameter groups: what a user set in them, who uses them, and changing one value at once."""

from __future__ import annotations

from collections.abc import Mapping

import botocore.exceptions

from controlplane.aws import Aws, code_of, sorted_errors

__all__ = ["ParameterGroups", "is_default"]

_NOT_FOUND = {"DBParameterGroupNotFound", "DBParameterGroupNotFoundFault"}


def is_default(name: str) -> bool:
    """Whether the group is one of AWS's own, which cannot be changed."""
    return name.startswith("default.")


class ParameterGroups:
    """The region's DB parameter groups."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws

    def description(self, name: str) -> str | None:
        """Return the group's description, or ``None`` if there is no such group."""
        with sorted_errors(f"parameter group {name}"):
            try:
                found = self._aws.rds.describe_db_parameter_groups(DBParameterGroupName=name)
            except botocore.exceptions.ClientError as error:
                if code_of(error) in _NOT_FOUND:
                    return None
                raise
        return found["DBParameterGroups"][0]["Description"]

    def existing(self) -> set[str]:
        """Return the names of all groups of the region."""
        with sorted_errors("parameter groups"):
            pages = self._aws.rds.get_paginator("describe_db_parameter_groups").paginate()
            return {group["DBParameterGroupName"] for page in pages for group in page["DBParameterGroups"]}

    def family(self, name: str) -> str:
        """Return the group's family, such as ``mysql8.0``."""
        with sorted_errors(f"parameter group {name}"):
            groups = self._aws.rds.describe_db_parameter_groups(DBParameterGroupName=name)
        return groups["DBParameterGroups"][0]["DBParameterGroupFamily"]

    def user_values(self, name: str) -> dict[str, tuple[str, str]]:
        """Return what a user set: parameter name → (value, apply method)."""
        with sorted_errors(f"parameter group {name}"):
            pages = self._aws.rds.get_paginator("describe_db_parameters").paginate(
                DBParameterGroupName=name, Source="user"
            )
            return {
                parameter["ParameterName"]: (
                    parameter["ParameterValue"],
                    parameter.get("ApplyMethod", "pending-reboot"),
                )
                for page in pages
                for parameter in page["Parameters"]
                if "ParameterValue" in parameter
            }

    def users(self, name: str) -> set[str]:
        """Return the DbiResourceIds of the instances associated with the group."""
        with sorted_errors(f"parameter group {name}"):
            pages = self._aws.rds.get_paginator("describe_db_instances").paginate()
            return {
                instance["DbiResourceId"]
                for page in pages
                for instance in page["DBInstances"]
                if any(group["DBParameterGroupName"] == name for group in instance["DBParameterGroups"])
            }

    def set_now(self, name: str, values: Mapping[str, str]) -> None:
        """Set dynamic parameters at once; whether they are in effect, only the server can tell."""
        with sorted_errors(f"parameter group {name}"):
            self._aws.rds.modify_db_parameter_group(
                DBParameterGroupName=name,
                Parameters=[
                    {"ParameterName": key, "ParameterValue": value, "ApplyMethod": "immediate"}
                    for key, value in values.items()
                ],
            )

    def reset_now(self, name: str, parameters: list[str]) -> None:
        """Give dynamic parameters back their engine defaults at once."""
        with sorted_errors(f"parameter group {name}"):
            self._aws.rds.reset_db_parameter_group(
                DBParameterGroupName=name,
                ResetAllParameters=False,
                Parameters=[{"ParameterName": key, "ApplyMethod": "immediate"} for key in parameters],
            )

    def delete_if_unused(self, name: str) -> bool:
        """Delete a group unless an instance uses it; return whether it is gone."""
        if self.users(name):
            return False
        with sorted_errors(f"parameter group {name}"):
            try:
                self._aws.rds.delete_db_parameter_group(DBParameterGroupName=name)
            except botocore.exceptions.ClientError as error:
                if code_of(error) not in _NOT_FOUND:
                    raise
        return True
