"""Parameter groups: reads, sets and resets their user values, and deletes unused groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import botocore.exceptions

from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.errors import code_of, sorted_errors
from rds_encrypt.aws.instances import Instances

__all__ = ["Description", "ParameterGroups", "is_default"]

_NOT_FOUND = {"DBParameterGroupNotFound", "DBParameterGroupNotFoundFault"}
_AT_ONCE = 20
"""Parameters in one call (ModifyDBParameterGroup, RDS API Reference)."""


def is_default(name: str) -> bool:
    """Return whether the group is one of AWS's own, which you cannot change."""
    return name.startswith("default.")


@dataclass(frozen=True)
class Description:
    """A group as DescribeDBParameterGroups returns it: its purpose, and its family, such as ``mysql8.0``."""

    purpose: str
    family: str


class ParameterGroups:
    """The region's DB parameter groups."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws

    def all(self) -> dict[str, Description]:
        """Describe all groups of the region, by name; a page holds a hundred, and accounts seldom have more."""
        with sorted_errors(f"parameter groups in {self._aws.region}"):
            pages = self._aws.rds.get_paginator("describe_db_parameter_groups").paginate()
            return {
                group["DBParameterGroupName"]: Description(
                    group["Description"], group["DBParameterGroupFamily"]
                )
                for page in pages
                for group in page["DBParameterGroups"]
            }

    def description(self, name: str) -> str | None:
        """Return the group's description, or ``None`` if there is no such group."""
        with sorted_errors(f"parameter group {name}"):
            try:
                response = self._aws.rds.describe_db_parameter_groups(DBParameterGroupName=name)
            except botocore.exceptions.ClientError as error:
                if code_of(error) in _NOT_FOUND:
                    return None
                raise
        return response["DBParameterGroups"][0]["Description"]

    def user_values(self, name: str) -> dict[str, tuple[str, str]]:
        """Return the values that a user set: parameter name → (value, apply method)."""
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

    def set_now(self, name: str, values: Mapping[str, str]) -> None:
        """Set dynamic parameters immediately; only the server shows whether they are in effect."""
        with sorted_errors(f"parameter group {name}"):
            self._aws.rds.modify_db_parameter_group(
                DBParameterGroupName=name,
                Parameters=[
                    {"ParameterName": key, "ParameterValue": value, "ApplyMethod": "immediate"}
                    for key, value in values.items()
                ],
            )

    def set_as(self, name: str, values: Mapping[str, tuple[str, str]]) -> None:
        """Set parameters, each with its apply method, as ``user_values`` returns them."""
        given = list(values.items())
        for begin in range(0, len(given), _AT_ONCE):
            with sorted_errors(f"parameter group {name}"):
                self._aws.rds.modify_db_parameter_group(
                    DBParameterGroupName=name,
                    Parameters=[
                        {
                            "ParameterName": key,
                            "ParameterValue": value,
                            "ApplyMethod": "immediate" if method == "immediate" else "pending-reboot",
                        }
                        for key, (value, method) in given[begin : begin + _AT_ONCE]
                    ],
                )

    def modifiable(self, name: str, parameters: Sequence[str]) -> list[str]:
        """Return those of the parameters that the group's family has and a user may set."""
        with sorted_errors(f"parameter group {name}"):
            pages = self._aws.rds.get_paginator("describe_db_parameters").paginate(DBParameterGroupName=name)
            return [
                parameter["ParameterName"]
                for page in pages
                for parameter in page["Parameters"]
                if parameter["ParameterName"] in parameters and parameter.get("IsModifiable", True)
            ]

    def reset_now(self, name: str, parameters: list[str]) -> None:
        """Reset dynamic parameters to their engine defaults immediately."""
        with sorted_errors(f"parameter group {name}"):
            self._aws.rds.reset_db_parameter_group(
                DBParameterGroupName=name,
                ResetAllParameters=False,
                Parameters=[{"ParameterName": key, "ApplyMethod": "immediate"} for key in parameters],
            )

    def delete_unused(self, names: Iterable[str]) -> None:
        """Delete those of the groups that no instance uses; AWS refuses to delete one that an instance has started to use meanwhile."""
        used = {group for instance in Instances(self._aws).all() for group in instance.parameter_groups}
        for name in names:
            if name not in used:
                self._delete(name)

    def _delete(self, name: str) -> None:
        with sorted_errors(f"parameter group {name}"):
            try:
                self._aws.rds.delete_db_parameter_group(DBParameterGroupName=name)
            except botocore.exceptions.ClientError as error:
                if code_of(error) not in _NOT_FOUND:
                    raise
