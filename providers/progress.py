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

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 15.0


def progress_for(urn: str | None) -> Progress:
    """Return a receiver that shows its words in the row of ``urn``.

    Each message is a line of its own in a log that is not a terminal, so the pauses between them grow; a new kind of message
    (its first word) always shows.
    """
    if not urn or "DynamicResourceProviderServicer" not in dir(sys.modules["__main__"]):
        return silent
    # The engine starts its plugins with the address of its log service as the last argument.
    engine = engine_pb2_grpc.EngineStub(grpc.insecure_channel(sys.argv[-1]))
    shown_at, shown, pause = 0.0, "", _FIRST_PAUSE

    def show(message: str) -> None:
        nonlocal shown_at, shown, pause
        now = time.monotonic()
        same_kind = message.split(" ", 1)[0] == shown.split(" ", 1)[0]
        if message == shown or (same_kind and now - shown_at < pause):
            return
        pause = min(pause * 1.5, _LONGEST_PAUSE) if same_kind else _FIRST_PAUSE
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
