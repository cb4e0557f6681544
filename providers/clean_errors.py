"""Makes the dynamic provider's host print our errors as one sentence instead of a Python traceback.

The host (``python -m pulumi.dynamic``) answers every exception with ``traceback.format_exc()``, which no exception can
influence. It looks up the module by name on each use, so in that process, which is ours alone, we point the name at a
formatter that knows the errors meant for people. Bugs keep their traceback. If the host changes, tracebacks come back, and a test fails.

The program's own process also printed a needless traceback: when several steps fail at once, the engine cancels the program's
pending requests, and the SDK expects that only from an engine that has gone.
"""

from __future__ import annotations

import sys
import traceback

import grpc
from pulumi import RunError
from pulumi.runtime import settings

from rds_encrypt.core.errors import Bug, MigrationError

__all__ = ["install", "sentence"]


def sentence(error: BaseException) -> str | None:
    """Return what a person should read, or ``None`` for an error that only a traceback explains."""
    if isinstance(error, BaseExceptionGroup):
        parts = [sentence(inner) for inner in error.exceptions]
        return None if None in parts else f"{error.message}: " + " And: ".join(part for part in parts if part)
    if isinstance(error, MigrationError) and not isinstance(error, Bug):
        return str(error)
    return None


class _Formatter:
    @staticmethod
    def format_exc() -> str:
        error = sys.exception() if hasattr(sys, "exception") else sys.exc_info()[1]
        clean = sentence(error) if error is not None else None
        return (
            clean
            or f"This is a bug in rds-encrypt; please report it with these lines.\n{traceback.format_exc()}"
        )


_to_exception = settings.grpc_error_to_exception


def _explain_cancelled(exn: grpc.RpcError) -> Exception:
    if exn.code() == grpc.StatusCode.CANCELLED:
        return RunError("The engine has cancelled the rest")
    return _to_exception(exn)


def install() -> None:
    """Install the formatter if this process is the dynamic provider's host, and the handler of cancelled requests."""
    settings.grpc_error_to_exception = _explain_cancelled
    host = sys.modules["__main__"]
    if hasattr(host, "DynamicResourceProviderServicer"):
        host.traceback = _Formatter  # type: ignore[attr-defined]
