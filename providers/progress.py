"""The messages of a running step: live progress in its own row of `pulumi up`, and messages that stay.

The engine's log service takes ephemeral messages for a resource, which replace each other in its row; others appear under
"Diagnostics" at the end.
"""

from __future__ import annotations

import os
import sys
import time

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

from rds_encrypt.core.waiting import Progress, silent

__all__ = ["DONE", "progress_for", "remark_for", "warning_for"]

DONE = "done"
"""Shown when a step is done, in place of its last progress message. The engine's display drops an empty one.
"""

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0 if os.environ.get("CI") else 15.0
"""In CI, each message is a line of a log."""


def progress_for(urn: str | None) -> Progress:
    """Return a receiver that shows messages in the row of ``urn``.

    Outside a terminal each message is a line of a log, so the pauses between them grow; a new kind of message (by its first word)
    always shows.
    """
    engine = _engine()
    if not urn or engine is None:
        return silent
    shown_at, shown, pause = 0.0, "", _FIRST_PAUSE

    def show(message: str) -> None:
        nonlocal shown_at, shown, pause
        now = time.monotonic()
        same_kind = message.split(" ", 1)[0] == shown.split(" ", 1)[0]
        if message == DONE:
            if not shown or shown.startswith(DONE):
                return  # there is nothing to replace
        elif message == shown or (same_kind and now - shown_at < pause):
            return
        pause = min(pause * 1.5, _LONGEST_PAUSE) if same_kind else _FIRST_PAUSE
        shown_at, shown = now, message
        _log(
            engine, engine_pb2.LogRequest(severity=engine_pb2.INFO, message=message, urn=urn, ephemeral=True)
        )

    return show


def remark_for(urn: str | None) -> Progress:
    """Return a receiver whose messages stay: each is shown under "Diagnostics" when the command ends."""
    return _lasting(urn, engine_pb2.INFO)


def warning_for(urn: str | None) -> Progress:
    """Return a receiver of warnings that stay."""
    return _lasting(urn, engine_pb2.WARNING)


def _lasting(urn: str | None, severity: engine_pb2.LogSeverity.ValueType) -> Progress:
    engine = _engine()
    if not urn or engine is None:
        return silent
    return lambda message: _log(
        engine, engine_pb2.LogRequest(severity=severity, message=message, urn=urn, ephemeral=False)
    )


def _engine() -> engine_pb2_grpc.EngineStub | None:
    """Return the engine that started this process, if it is the dynamic provider's host."""
    if "DynamicResourceProviderServicer" not in dir(sys.modules["__main__"]):
        return None
    # The engine starts its plugins with the address of its log service as the last argument.
    return engine_pb2_grpc.EngineStub(grpc.insecure_channel(sys.argv[-1]))


def _log(engine: engine_pb2_grpc.EngineStub, request: engine_pb2.LogRequest) -> None:
    try:
        engine.Log(request, timeout=2)
    except grpc.RpcError:
        # Messages are optional: the wait itself notices an engine that has gone.
        return
