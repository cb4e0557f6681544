"""Encrypts running RDS MySQL instances: one migration for each source in the stack's config."""

from __future__ import annotations

import pulumi

from components import settings
from components.early import start_aws_plugin
from components.lanes import Lanes
from components.migration import Fleet, Migration, MigrationArgs
from components.reached import ALL, together
from controlplane.aws import Aws, AwsSettings
from foundation.errors import MigrationError
from migration.names import Names
from migration.needs import need_of
from migration.outlook import Wanted, look_out


def main() -> None:
    """Read the config, declare the migrations, export what each has come to."""
    stack = settings.load(pulumi.Config())
    config = pulumi.Config("aws")
    where = AwsSettings(region=config.get("region"), profile=config.get("profile"))
    aws, lanes = Aws(where), Lanes(where)
    owner = f"{pulumi.get_project()}/{pulumi.get_stack()}"
    start_aws_plugin()
    outlooks = look_out(
        aws, [Wanted(Names.of(source.identifier), source.kms_key) for source in stack.sources]
    )
    each = list(zip(stack.sources, outlooks, strict=True))
    needs = [need_of(outlook.survey, stack.phase_of(source), source.mode) for source, outlook in each]
    reached: dict[str, pulumi.Output[str | None]] = {}
    for source, outlook in each:
        args = MigrationArgs(
            settings=source,
            phase=stack.phase_of(source),
            connection=stack.connection_of(source),
            owner=owner,
            fleet=Fleet(len(each), stack.fleet.copies_at_once, tuple(need for need in needs if need)),
            outlook=outlook,
            aws=aws,
        )
        lane = pulumi.ResourceOptions(providers=[lanes.of(source.identifier)])
        migration = Migration(source.identifier, args, lane)
        pulumi.export(source.identifier, migration.outputs)
        reached[source.identifier] = migration.reached
    pulumi.export(ALL, together(reached))


try:
    main()
except MigrationError as error:
    raise pulumi.RunError(str(error)) from error
