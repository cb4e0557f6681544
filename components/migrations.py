"""All sources of a stack: read from its config, declared, and summed up in its outputs."""

from __future__ import annotations

import pulumi

from components import settings
from components.migration import Migration
from components.reached import ALL, combined_summary
from components.run_errors import as_run_errors
from components.stack import Stack

__all__ = ["declare"]


def declare() -> None:
    """Declare a migration for each source of the stack's config, and export the outputs of each.

    Raises:
        pulumi.RunError: the config is wrong, or a source cannot be migrated; one sentence says what to do.
    """
    with as_run_errors():
        stack = Stack.look_up(settings.load(pulumi.Config()))
    reached: dict[str, pulumi.Output[str | None]] = {}
    for source in stack.settings.sources:
        migration = Migration(source.identifier, source, stack=stack)
        pulumi.export(source.identifier, migration.outputs)
        reached[source.identifier] = migration.reached
    pulumi.export(ALL, combined_summary(reached))
