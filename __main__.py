"""Encrypts running RDS MySQL instances: one migration for each source in the stack's config."""

from __future__ import annotations

import pulumi

from components.early import start_aws_plugin

start_aws_plugin()  # It takes as long as the imports below.

from components import settings
from components.backend import this_stack
from components.fleet import fleet_of, wanted
from components.migration import Migration, MigrationArgs
from components.reached import ALL, together
from components.workers import Workers
from rds_encrypt.aws.clients import Aws, AwsSettings
from rds_encrypt.core.errors import MigrationError
from rds_encrypt.outlook import look_out


def main() -> None:
    """Read the config, declare the migrations, export what each has come to."""
    stack = settings.load(pulumi.Config())
    config = pulumi.Config("aws")
    place = AwsSettings(region=config.get("region"), profile=config.get("profile"))
    aws, workers, owner = Aws(place), Workers(place), this_stack()
    outlooks = look_out(aws, wanted(stack))
    fleet = fleet_of(stack, outlooks)
    reached: dict[str, pulumi.Output[str | None]] = {}
    for source, outlook in zip(stack.sources, outlooks, strict=True):
        args = MigrationArgs(
            settings=source,
            phase=stack.phase_of(source),
            connection=stack.connection_of(source),
            owner=owner,
            fleet=fleet,
            outlook=outlook,
            aws=aws,
        )
        migration = Migration(source.identifier, args, workers.options_for(source.identifier))
        pulumi.export(source.identifier, migration.outputs)
        reached[source.identifier] = migration.reached
    pulumi.export(ALL, together(reached))


try:
    main()
except MigrationError as error:
    raise pulumi.RunError(str(error)) from error
