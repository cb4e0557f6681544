"""What the engine does at the first need of it, and may as well do at once."""

from __future__ import annotations

import pulumi_aws as aws

__all__ = ["start_aws_plugin"]


def start_aws_plugin() -> None:
    """Let the engine start the AWS plugin while the preflights look: by itself it would when they are done.

    Which region it is in, the plugin knows without asking AWS.
    """
    aws.get_region_output()
