"""Encrypts running RDS MySQL instances: one migration for each source in the stack's config."""

from components.early import start_aws_plugin

start_aws_plugin()  # It takes as long as the imports below.

from components.migrations import declare

declare()
