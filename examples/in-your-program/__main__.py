"""A platform team's own program: the migration of a database is one of its components."""

import pulumi

from components.migration import Migration

migration = Migration("orders", pulumi.Config().require_object("orders"))

pulumi.export("orders", migration.outputs)
pulumi.export("reached", migration.reached)
