"""Encrypts running RDS MySQL instances: one migration for each source in the stack's config."""

from components.early import importing, start_aws_plugin

start_aws_plugin()  # It takes as long as the imports below.

with importing():
    from components.migrations import declare

declare()
