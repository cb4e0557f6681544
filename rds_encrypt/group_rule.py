"""The rule that lets the members of a security group reach each other's MySQL: sources that share the group share the rule."""

from __future__ import annotations

from collections.abc import Sequence

from rds_encrypt.aws import network
from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.instances import Instances
from rds_encrypt.journal import Tag

__all__ = ["allow", "release"]


def allow(aws: Aws, source_id: str, groups: Sequence[str], port: int) -> str:
    """Let the members of one of the groups reach each other.

    Returns:
        The group whose rule is ours, noted on the source; empty if a rule of the owner's allows it.
    """
    rules = network.rules_of(aws, groups)
    ours = rules.tagged(Tag.MIGRATION)
    if not ours and rules.allowed_inside(groups, port):
        return ""
    group = next(iter(ours.values()), groups[0])
    # Noted first: from then on no other source removes the rule.
    Instances(aws).tag(source_id, {Tag.GROUP_RULE: group})
    if not network.rules_of(aws, [group]).allowed_inside([group], port):
        network.allow_inside(aws, group, port, {Tag.MIGRATION: source_id})
    return group


def release(aws: Aws, source_id: str, group: str) -> None:
    """Note that the source no longer needs the rule in the group, and remove the rule unless another source does."""
    instances = Instances(aws)
    if (source := instances.find(source_id)) is not None:
        instances.untag(source, [Tag.GROUP_RULE])
    if any(
        other.tags.get(Tag.GROUP_RULE) == group for other in instances.all() if other.resource_id != source_id
    ):
        return
    for rule in network.rules_of(aws, [group]).tagged(Tag.MIGRATION):
        network.revoke(aws, group, rule)
