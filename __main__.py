"""Encrypts running RDS MySQL instances: one migration for each source in the stack's config."""

from __future__ import annotations

import pulumi

from components import settings
from components.migration import Migration, MigrationArgs
from controlplane.aws import Aws, AwsSettings
from foundation.errors import MigrationError


def main() -> None:
    """Read the config, declare the migrations, export what each has come to."""
    stack = settings.load(pulumi.Config())
    config = pulumi.Config("aws")
    aws = Aws(AwsSettings(region=config.get("region"), profile=config.get("profile")))
    owner = f"{pulumi.get_project()}/{pulumi.get_stack()}"
    for source in stack.sources:
        args = MigrationArgs(settings=source, phase=stack.phase_of(source), owner=owner, aws=aws)
        pulumi.export(source.identifier, Migration(source.identifier, args).outputs)


try:
    main()
except MigrationError as error:
    raise pulumi.RunError(str(error)) from error
