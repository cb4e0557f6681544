"""What the engine does at the first need of it, and may as well do at once."""

from __future__ import annotations

from importlib.metadata import version
from typing import Final

from pulumi.runtime.proto.resource_pb2 import ResourceInvokeRequest
from pulumi.runtime.proto.resource_pb2_grpc import ResourceMonitorStub
from pulumi.runtime.settings import get_monitor

__all__ = ["start_aws_plugin"]

_ASKED: Final[list[object]] = []
"""A call that nobody holds is cancelled."""


def start_aws_plugin() -> None:
    """Let the engine start the AWS plugin now: by itself it would when the program has ended and all preflights have looked.

    What `pulumi_aws` has for asking something is put off until the program ends, so the engine is asked directly. The question
    is in which region it is, which the plugin knows without asking AWS; if it cannot tell, the first resource says so.
    """
    monitor = get_monitor()
    if isinstance(monitor, ResourceMonitorStub):
        question = ResourceInvokeRequest(
            tok="aws:index/getRegion:getRegion", version=version("pulumi-aws"), acceptResources=True
        )
        _ASKED.append(monitor.Invoke.future(question))
