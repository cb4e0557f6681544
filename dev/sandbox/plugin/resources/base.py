"""What all resources share: check, diff and plan are tables over attributes; create, read, update, delete are theirs."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import pulumi
from botocore.exceptions import BotoCoreError, ClientError

from dev.sandbox.plugin.aws import Connections
from dev.sandbox.plugin.errors import aws_error
from dev.sandbox.plugin.schema import Schema, schema_of
from dev.sandbox.plugin.values import UNKNOWN, Properties, has_unknown, is_empty, same
from dev.sandbox.plugin.waits import Waiter

__all__ = ["OPTIONAL", "Attribute", "Change", "Failure", "Operation", "Resource", "tag_list"]


@dataclass(frozen=True)
class Attribute:
    """How the real provider's schema treats one input.

    `computed`: AWS or the provider fills it in when the program doesn't, so leaving it out changes nothing.
    `force_new`: a change replaces the resource. `unordered`: a set. `write_only`: never stored, nor compared.
    `unreadable`: no API call gives it back, so what the state says stands.
    """

    computed: bool = False
    force_new: bool = False
    default: Any = None
    unordered: bool = False
    write_only: bool = False
    unreadable: bool = False


OPTIONAL = Attribute()

#: How errors call the scalar types.
_KINDS: Mapping[Any, str] = {str: "string", int: "number", bool: "boolean"}


@dataclass(frozen=True)
class Failure:
    """A property that can't be as the program says."""

    name: str
    reason: str


@dataclass(frozen=True)
class Change:
    """A property that differs between state and program."""

    name: str
    kind: str
    replace: bool


@dataclass(frozen=True)
class Operation:
    """One call of the engine: the connections it may use, how it waits, and how long."""

    connections: Connections
    waiter: Waiter
    timeout: float | None = None

    def timeout_or(self, minutes: float) -> float:
        """Give the program's own timeout in seconds, else the resource's default."""
        return self.timeout or minutes * 60

    def rds(self, properties: Mapping[str, Any]) -> Any:
        """Give the RDS client of a resource's region."""
        return self.connections.client("rds", properties.get("region") or None)

    def region(self, properties: Mapping[str, Any]) -> str:
        """Give a resource's region."""
        return str(properties.get("region") or self.connections.settings.region)

    def merged_tags(self, tags: Mapping[str, str] | None) -> dict[str, str]:
        """Give a resource's tags with the provider's default tags under them."""
        return {**self.connections.settings.default_tags, **(tags or {})}


def conflict(resource: str, name: str, other: str) -> Failure:
    """Word a pair of inputs that exclude each other."""
    return Failure(
        name,
        f'Conflicting configuration arguments: "{_snake(name)}": conflicts with {_snake(other)}. '
        f"Examine values at '{resource}.{name}'.",
    )


class Resource(ABC):
    """One resource type."""

    token: ClassVar[str]
    sdk: ClassVar[type[pulumi.CustomResource]]
    attributes: ClassVar[Mapping[str, Attribute]]
    conflicts: ClassVar[Sequence[tuple[str, str]]] = ()
    #: The input that names the thing in AWS, when the real provider makes names up for it.
    named_by: ClassVar[str | None] = None
    arn: ClassVar[str]
    #: The operations for which the real provider takes a timeout; the engine passes on any, and the provider ignores the others.
    timeouts: ClassVar[frozenset[str]] = frozenset()

    @cached_property
    def schema(self) -> Schema:
        """Give what the SDK declares for this type."""
        return schema_of(self.sdk)

    def attribute(self, name: str) -> Attribute:
        """Give how an input is treated."""
        return self.attributes.get(name, OPTIONAL)

    # --- check, diff, plan -------------------------------------------------------------------------------------------

    def check(
        self, resource: str, news: Properties, olds: Properties, seed: bytes
    ) -> tuple[Properties, list[Failure]]:
        """Refuse what the schema refuses, and fill in defaults and made-up names."""
        inputs = {name: value for name, value in news.items() if not name.startswith("__")}
        failures = [*self._check_names(resource, inputs), *self._check_types(resource, inputs)]
        for name, other in self.conflicts:
            if not is_empty(inputs.get(name)) and not is_empty(inputs.get(other)):
                failures.append(conflict(resource, name, other))
        if not failures:
            failures.extend(self.validate(resource, inputs))
        for name, attribute in self.attributes.items():
            if attribute.default is not None:
                inputs.setdefault(name, attribute.default)
        if (
            self.named_by is not None
            and self.named_by not in inputs
            and f"{self.named_by}Prefix" not in inputs
        ):
            inputs[self.named_by] = olds.get(self.named_by) or f"{resource.lower()}-{seed.hex()[:7]}"
        return inputs, failures

    def validate(self, resource: str, inputs: Properties) -> Iterable[Failure]:
        """Refuse values that this type can't take."""
        return ()

    def _check_names(self, resource: str, inputs: Properties) -> Iterable[Failure]:
        for name in sorted(set(inputs) - self.schema.inputs):
            yield Failure(
                name, f"An unexpected argument {name!r} was provided. Examine values at '{resource}.{name}'."
            )
        for name in sorted(self.schema.required):
            if is_empty(inputs.get(name)):
                yield Failure(
                    name,
                    f'Missing required argument: The argument "{_snake(name)}" is required, but no definition was '
                    f"found. Examine values at '{resource}.{name}'.",
                )

    def _check_types(self, resource: str, inputs: Properties) -> Iterable[Failure]:
        for name, value in inputs.items():
            declared = self.schema.outputs.get(name)
            if declared in _KINDS and value != UNKNOWN and type(value) is not declared:
                # Without the value: it may be a secret.
                yield Failure(
                    name, f"expected {_KINDS[declared]} type. Examine values at '{resource}.{name}'."
                )

    def diff(
        self, operation: Operation, state: Properties, inputs: Properties, ignored: Sequence[str]
    ) -> list[Change]:
        """Compare the program's inputs with the state, as the real provider does (not with the inputs before)."""
        changes = []
        for name in sorted(self.schema.inputs):
            attribute = self.attribute(name)
            if name in ignored or attribute.write_only or name == "region":
                continue
            old, new = state.get(name), inputs.get(name)
            if name not in inputs and (attribute.computed or is_empty(old)):
                continue
            if not has_unknown(new) and self.equal(name, old, new, state, inputs):
                continue
            kind = "delete" if name not in inputs else "add" if is_empty(old) else "update"
            changes.append(Change(name, kind, attribute.force_new))
        if inputs.get("region") and inputs["region"] != operation.region(state):
            changes.append(Change("region", "update", replace=True))
        tags = state.get("tags") if "tags" in ignored else inputs.get("tags")
        retagged = not has_unknown(tags) and not same(state.get("tagsAll"), operation.merged_tags(tags))
        if retagged and "tagsAll" not in ignored:
            changes.append(Change("tagsAll", "update", replace=False))
        return changes

    def equal(self, name: str, old: Any, new: Any, state: Properties, inputs: Properties) -> bool:
        """Tell whether an input asks for nothing that the state doesn't have."""
        return same(old, new, unordered=self.attribute(name).unordered)

    def plan(self, operation: Operation, inputs: Properties, state: Properties | None = None) -> Properties:
        """Foretell the state after a create or an update, for previews."""
        planned: Properties = dict.fromkeys(self.schema.outputs, UNKNOWN) if state is None else dict(state)
        for name in self.schema.inputs:
            attribute = self.attribute(name)
            if attribute.write_only:
                planned.pop(name, None)
            elif name in inputs:
                planned[name] = inputs[name]
            elif not attribute.computed:
                planned.pop(name, None)
        tags = inputs.get("tags")
        planned["tagsAll"] = UNKNOWN if has_unknown(tags) else operation.merged_tags(tags)
        planned["region"] = operation.region(inputs)
        return planned

    def half_made(self, operation: Operation, state: Properties) -> Properties:
        """Give the state to record of a thing that exists but was not finished: what we know of it."""
        known = {name: value for name, value in state.items() if not self.attribute(name).write_only}
        return {
            **known,
            "tagsAll": operation.merged_tags(state.get("tags")),
            "region": operation.region(state),
        }

    def inputs_of(self, state: Properties, before: Properties) -> Properties:
        """Give today's values of the inputs that there were before."""
        kept = {}
        for name, value in before.items():
            current = state.get(name)
            if self.attribute(name).write_only or self.equal(name, current, value, state, before):
                kept[name] = value
            elif current is not None:
                kept[name] = current
        return kept

    def all_inputs_of(self, state: Properties) -> Properties:
        """Give inputs that would make this state, for an import."""
        return {
            name: state[name]
            for name in self.schema.inputs
            if not is_empty(state.get(name)) or (name in state and self.attribute(name).default is not None)
        }

    # --- the world ---------------------------------------------------------------------------------------------------

    @abstractmethod
    def create(self, operation: Operation, inputs: Properties) -> tuple[str, Properties]:
        """Make the thing, wait until it is there, and give its id and state."""

    @abstractmethod
    def read(self, operation: Operation, identity: str, state: Properties) -> tuple[str, Properties] | None:
        """Look at the thing; None if there is none."""

    @abstractmethod
    def update(
        self,
        operation: Operation,
        identity: str,
        state: Properties,
        inputs: Properties,
        ignored: Sequence[str],
    ) -> Properties:
        """Change the thing in place, and give its state."""

    @abstractmethod
    def delete(self, operation: Operation, identity: str, state: Properties) -> None:
        """Delete the thing; fine if there is none."""

    def unread(self, state: Properties) -> Properties:
        """Give what no API call tells, and so stands as the state has it."""
        return {name: value for name, value in state.items() if self.attribute(name).unreadable}

    def keep_order(self, result: Properties, state: Properties) -> None:
        """Give sets in the order that they have in the state, so that nothing seems to have changed."""
        for name, attribute in self.attributes.items():
            if attribute.unordered and self.equal(name, result.get(name), state.get(name), result, state):
                result[name] = state.get(name)

    # --- tags --------------------------------------------------------------------------------------------------------

    def read_tags(self, operation: Operation, state: Properties) -> Properties:
        """Read the tags of what the state's ARN names."""
        try:
            answer = operation.rds(state).list_tags_for_resource(ResourceName=state[self.arn])
        except (ClientError, BotoCoreError) as error:
            raise aws_error(f"listing tags for RDS resource ({state[self.arn]})", error) from error
        tags = {
            tag["Key"]: tag.get("Value", "") for tag in answer["TagList"] if not tag["Key"].startswith("aws:")
        }
        defaults = operation.connections.settings.default_tags
        own = {key: value for key, value in tags.items() if defaults.get(key) != value}
        return {"tags": own, "tagsAll": tags}

    def update_tags(self, operation: Operation, state: Properties, tags: Mapping[str, str] | None) -> None:
        """Bring the tags up to date; the thing is addressed by the ARN *in state*, as the real provider does."""
        old, new = state.get("tagsAll") or {}, operation.merged_tags(tags)
        removed = [key for key in old if key not in new]
        added = {key: value for key, value in new.items() if old.get(key) != value}
        rds, arn = operation.rds(state), state[self.arn]
        try:
            if removed:
                rds.remove_tags_from_resource(ResourceName=arn, TagKeys=removed)
            if added:
                rds.add_tags_to_resource(ResourceName=arn, Tags=tag_list(added))
        except (ClientError, BotoCoreError) as error:
            raise aws_error(f"updating tags for RDS resource ({arn})", error) from error


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Write tags as the API takes them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda match: "_" + match.group(1).lower(), name)
