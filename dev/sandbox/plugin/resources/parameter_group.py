"""`aws:rds/parameterGroup:ParameterGroup`."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from pulumi_aws import rds

from dev.sandbox.plugin.errors import PartialFailure, ProviderError, aws_error, code_of
from dev.sandbox.plugin.resources.base import Attribute, Failure, Operation, Resource, tag_list
from dev.sandbox.plugin.values import UNKNOWN, Properties, has_unknown, is_empty

__all__ = ["ParameterGroup"]

#: ModifyDBParameterGroup takes no more parameters at a time.
_CHUNK = 20
#: How long a delete is retried while an instance still uses the group, in (scaled) seconds, and no less than that.
_DELETE_SECONDS, _DELETE_SECONDS_AT_LEAST = 180.0, 5.0
_MISSING = ("DBParameterGroupNotFound", "DBParameterGroupNotFoundFault")


_ATTRIBUTES: Mapping[str, Attribute] = {
    "description": Attribute(force_new=True, default="Managed by Pulumi"),
    "family": Attribute(force_new=True),
    "name": Attribute(computed=True, force_new=True),
    "namePrefix": Attribute(computed=True, force_new=True),
    "parameters": Attribute(unordered=True),
    "skipDestroy": Attribute(default=False, unreadable=True),
}


class ParameterGroup(Resource):
    """A DB parameter group: its id is its name, its state holds the parameters that are set by users."""

    token = "aws:rds/parameterGroup:ParameterGroup"
    sdk = rds.ParameterGroup
    named_by = "name"
    arn = "arn"
    attributes = _ATTRIBUTES
    conflicts = (("name", "namePrefix"),)

    def check(
        self, resource: str, news: Properties, olds: Properties, seed: bytes
    ) -> tuple[Properties, list[Failure]]:
        """Fill in how parameters are applied, too."""
        inputs, failures = super().check(resource, news, olds, seed)
        if isinstance(inputs.get("parameters"), list):
            inputs["parameters"] = [
                {"applyMethod": "immediate", **item} if isinstance(item, dict) else item
                for item in inputs["parameters"]
            ]
        return inputs, failures

    def validate(self, resource: str, inputs: Properties) -> Iterable[Failure]:
        """Refuse names that AWS would, and parameters without a name or value."""
        name = inputs.get("name")
        if name and name != UNKNOWN and not re.fullmatch(r"[a-z](-?[0-9a-z.])*", name):
            yield Failure(
                "name",
                'only lowercase alphanumeric characters and single hyphens allowed in "name", starting with a letter. '
                f"Examine values at '{resource}.name'.",
            )
        for index, item in enumerate(inputs.get("parameters") or ()):
            if isinstance(item, dict):
                for key in sorted(set(item) - {"name", "value", "applyMethod"}):
                    yield Failure("parameters", f"An unexpected argument {key!r} was provided at [{index}].")
                for key in ("name", "value"):
                    if key not in item:
                        yield Failure("parameters", f"Missing required argument {key!r} at [{index}].")

    def equal(self, name: str, old: Any, new: Any, state: Properties, inputs: Properties) -> bool:
        """Compare parameters as the set that they are."""
        if name == "parameters" and not has_unknown(new):
            return _as_set(old) == _as_set(new)
        return super().equal(name, old, new, state, inputs)

    def create(self, operation: Operation, inputs: Properties) -> tuple[str, Properties]:
        """Create the group, then set its parameters."""
        name = inputs.get("name") or f"{inputs['namePrefix']}{time.time_ns()}"
        rds_client = operation.rds(inputs)
        try:
            made = rds_client.create_db_parameter_group(
                DBParameterGroupName=name,
                DBParameterGroupFamily=inputs["family"],
                Description=inputs["description"],
                Tags=tag_list(operation.merged_tags(inputs.get("tags"))),
            )["DBParameterGroup"]
        except (ClientError, BotoCoreError) as error:
            raise aws_error(f"creating RDS DB Parameter Group ({name})", error) from error
        state = {**inputs, "name": made["DBParameterGroupName"], "arn": made.get("DBParameterGroupArn")}
        try:
            self._modify(rds_client, state["name"], [], inputs.get("parameters") or [])
            result = self.read(operation, state["name"], state)
        except ProviderError as error:
            known = {**self.half_made(operation, state), "parameters": []}
            raise PartialFailure(str(error), identity=state["name"], state=known) from error
        if result is None:
            raise ProviderError(f"reading RDS DB Parameter Group ({name}): couldn't find resource")
        return result

    def read(self, operation: Operation, identity: str, state: Properties) -> tuple[str, Properties] | None:
        """Read the group, its user-set parameters (and those of the state, set or not), and its tags."""
        rds_client = operation.rds(state)
        known = {name for name, *_ in _as_set(state.get("parameters"))}
        try:
            group = rds_client.describe_db_parameter_groups(DBParameterGroupName=identity)[
                "DBParameterGroups"
            ][0]
            request = {"DBParameterGroupName": identity, **({} if known else {"Source": "user"})}
            pages = rds_client.get_paginator("describe_db_parameters").paginate(**request)
            parameters = [parameter for page in pages for parameter in page["Parameters"]]
        except (ClientError, BotoCoreError) as error:
            if isinstance(error, ClientError) and code_of(error) in _MISSING:
                return None
            raise aws_error(f"reading RDS DB Parameter Group ({identity})", error) from error
        kept = [
            _flat(parameter)
            for parameter in parameters
            if parameter.get("Source") == "user" or parameter["ParameterName"].lower() in known
        ]
        before = state.get("parameters")
        result: Properties = {
            "arn": group["DBParameterGroupArn"],
            "description": group["Description"],
            "family": group["DBParameterGroupFamily"],
            "name": group["DBParameterGroupName"],
            "namePrefix": state.get("namePrefix") or "",
            # A set keeps the order that it has in the state.
            "parameters": before
            if _as_set(before) == _as_set(kept)
            else sorted(kept, key=lambda parameter: parameter["name"]),
            "region": operation.region(state),
            "skipDestroy": bool(state.get("skipDestroy")),
        }
        result.update(self.read_tags(operation, result))
        return identity, {name: value for name, value in result.items() if value is not None}

    def update(
        self,
        operation: Operation,
        identity: str,
        state: Properties,
        inputs: Properties,
        ignored: Sequence[str],
    ) -> Properties:
        """Set what is new or otherwise, reset what is gone, and retag."""
        changed = {change.name for change in self.diff(operation, state, inputs, ignored)}
        if "parameters" in changed:
            self._modify(
                operation.rds(state), identity, state.get("parameters") or [], inputs.get("parameters") or []
            )
        if "tagsAll" in changed:
            self.update_tags(operation, state, state.get("tags") if "tags" in ignored else inputs.get("tags"))
        result = self.read(operation, identity, self.plan(operation, inputs, state))
        if result is None:
            raise ProviderError(f"reading RDS DB Parameter Group ({identity}): couldn't find resource")
        return result[1]

    def delete(self, operation: Operation, identity: str, state: Properties) -> None:
        """Delete the group, trying again for a while if it is in use."""
        if state.get("skipDestroy"):
            return
        budget = max(_DELETE_SECONDS * operation.waiter.factor, _DELETE_SECONDS_AT_LEAST)
        deadline = time.monotonic() + budget
        while True:
            try:
                operation.rds(state).delete_db_parameter_group(DBParameterGroupName=identity)
                return
            except (ClientError, BotoCoreError) as error:
                code = code_of(error) if isinstance(error, ClientError) else ""
                if code in _MISSING:
                    return
                in_use = code in ("InvalidDBParameterGroupState", "InvalidDBParameterGroupStateFault")
                if not in_use or time.monotonic() > deadline:
                    raise aws_error(f"deleting RDS DB Parameter Group ({identity})", error) from error
            operation.waiter.sleep(10)

    def _modify(self, rds_client: Any, name: str, old: list[Any], new: list[Any]) -> None:
        before, now = _as_set(old), _as_set(new)
        changed = sorted(now - before)
        gone = {key for key, *_ in before} - {key for key, *_ in now}
        # Immediate ones first, as the real provider sends them.
        changed.sort(key=lambda parameter: parameter[1] != "immediate")
        try:
            for chunk in _chunks([_api(*parameter) for parameter in changed]):
                rds_client.modify_db_parameter_group(DBParameterGroupName=name, Parameters=chunk)
        except (ClientError, BotoCoreError) as error:
            raise aws_error(f"modifying RDS DB Parameter Group ({name})", error) from error
        try:
            for chunk in _chunks([_api(*parameter) for parameter in sorted(before) if parameter[0] in gone]):
                rds_client.reset_db_parameter_group(
                    DBParameterGroupName=name, ResetAllParameters=False, Parameters=chunk
                )
        except (ClientError, BotoCoreError) as error:
            raise aws_error(f"resetting RDS DB Parameter Group ({name})", error) from error


def _as_set(parameters: Any) -> set[tuple[str, str, str]]:
    return {
        (
            str(item["name"]).lower(),
            str(item.get("applyMethod") or "immediate").lower(),
            str(item.get("value", "")),
        )
        for item in parameters or ()
        if isinstance(item, dict) and not is_empty(item.get("name"))
    }


def _api(name: str, method: str, value: str) -> dict[str, str]:
    return {"ParameterName": name, "ParameterValue": value, "ApplyMethod": method}


def _flat(parameter: Mapping[str, Any]) -> dict[str, str]:
    return {
        "name": parameter["ParameterName"].lower(),
        "value": parameter.get("ParameterValue", ""),
        "applyMethod": str(parameter.get("ApplyMethod") or "immediate").lower(),
    }


def _chunks(items: Sequence[Any]) -> Iterable[list[Any]]:
    for start in range(0, len(items), _CHUNK):
        yield list(items[start : start + _CHUNK])
