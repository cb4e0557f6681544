"""Saves a preview some tenths of a second before the program begins."""

from __future__ import annotations

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Final

from pulumi.runtime.proto.resource_pb2 import ResourceInvokeRequest
from pulumi.runtime.proto.resource_pb2_grpc import ResourceMonitorStub
from pulumi.runtime.settings import get_monitor

__all__ = ["importing", "start_aws_plugin"]

_ASKED: Final[list[object]] = []
"""References to calls: gRPC cancels a call without one."""


def start_aws_plugin() -> None:
    """Make the engine start the AWS plugin now; on its own it waits until the program has ended and all preflights have run.

    `pulumi_aws` defers its calls until the program ends, so this asks the engine directly. It asks for the region, which the
    plugin knows without asking AWS; if that fails, the first resource says so.
    """
    monitor = get_monitor()
    if isinstance(monitor, ResourceMonitorStub):
        question = ResourceInvokeRequest(
            tok="aws:index/getRegion:getRegion", version=version("pulumi-aws"), acceptResources=True
        )
        _ASKED.append(monitor.Invoke.future(question))
        # When Python ends, it is too late: gRPC would wait forever for a lock of a thread that no longer runs.
        atexit.register(_ASKED.clear)


@contextmanager
def importing() -> Iterator[None]:
    """Keep the garbage collector away from imported objects: none of them becomes garbage, neither now nor when Python ends."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
