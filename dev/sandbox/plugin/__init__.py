"""A stand-in for `pulumi-resource-aws`, for machines that can't have the real one: the few RDS resources we use, over boto3.

It serves the engine's ResourceProvider protocol, takes exactly the properties that pulumi-aws's own classes declare, and
behaves like the real provider where that matters: ids, replace triggers, defaults, waits, and whom a delete addresses.
"""

from __future__ import annotations

#: The pulumi-aws release whose behaviour this copies, and whose classes it reads.
VERSION = "7.51.1"

__all__ = ["VERSION"]
