"""Live progress: a few words in the resource's own row of `pulumi up`.

The engine's log service takes ephemeral messages for a resource, which replace each other in its row.
"""

from __future__ import annotations

import sys
import time

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

from foundation.waiting import Progress, silent

__all__ = ["progress_for"]

_EVERY = 1.0


def progress_for(urn: str | None) -> Progress:
    """Return a receiver that shows its words in the row of ``urn``, at most once a second."""
    if not urn or "DynamicResourceProviderServicer" not in dir(sys.modules["__main__"]):
        return silent
    # The engine starts its plugins with the address of its log service as the last argument.
    engine = engine_pb2_grpc.EngineStub(grpc.insecure_channel(sys.argv[-1]))
    shown_at, shown = 0.0, ""

    def show(message: str) -> None:
        nonlocal shown_at, shown
        now = time.monotonic()
        if message == shown or now - shown_at < _EVERY:
            return
        shown_at, shown = now, message
        try:
            engine.Log(
                engine_pb2.LogRequest(severity=engine_pb2.INFO, message=message, urn=urn, ephemeral=True),
                timeout=2,
            )
        except grpc.RpcError:
            # Progress is decoration: an engine that has gone is noticed by the wait itself.
            return

    return show
