"""Serves engines from the sandbox's process: to start a Python with boto3, gRPC and Pulumi for each command takes half a second.

The engine still starts, stops and kills a process of its own for the provider (`bin/pulumi-resource-aws`), and what becomes of that
process becomes of the provider.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import threading
import time
from collections.abc import Mapping
from concurrent import futures
from pathlib import Path

import grpc
from pulumi.runtime.proto.provider_pb2_grpc import add_ResourceProviderServicer_to_server

from dev.sandbox.plugin.errors import ProviderError
from dev.sandbox.plugin.service import Provider

__all__ = ["PLUGIN_PATH", "Plugin", "serve"]

PLUGIN_PATH = "/_sandbox/plugin"
#: A create holds a thread for as long as it waits.
_THREADS = 128
_MESSAGE_BYTES = 400 * 1024 * 1024
_LOOK_AGAIN = 0.05
#: The kernel's flag of a process that is ending (include/linux/sched.h).
_PF_EXITING = 0x4


class Plugin:
    """The process that the engine takes for the provider."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._handle = os.pidfd_open(pid)

    def wait(self) -> None:
        """Wait until it has ended."""
        self._ended(None)

    def require_running(self) -> None:
        """Wait while it is stopped; where the real provider was killed, it makes no call either."""
        while True:
            stopped, dying = self._look()
            if dying or self._ended(0):
                raise ProviderError("the provider's process has ended")
            if not stopped:
                return
            time.sleep(_LOOK_AGAIN)

    def close(self) -> None:
        os.close(self._handle)

    def _ended(self, milliseconds: int | None) -> bool:
        poll = select.poll()
        poll.register(self._handle, select.POLLIN)
        return bool(poll.poll(milliseconds))

    def _look(self) -> tuple[bool, bool]:
        """Whether it is stopped, and whether it has begun to end: killed, it is neither for an instant."""
        try:
            fields = Path(f"/proc/{self._pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return False, True
        state, flags, pending = fields[0], int(fields[6]), int(fields[28])
        return state in "Tt", bool(flags & _PF_EXITING or pending & 1 << (signal.SIGKILL - 1))


def serve(pid: int, environment: Mapping[str, str]) -> int:
    """Serve a provider for as long as a process runs, and return the port."""
    # Debug logs of botocore show request bodies, and those hold passwords.
    logging.getLogger("botocore").setLevel(logging.WARNING)
    plugin = Plugin(pid)
    provider = Provider(environment, plugin.require_running)
    threads = futures.ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix=f"plugin-{pid}")
    server = grpc.server(
        threads,
        options=[
            ("grpc.max_receive_message_length", _MESSAGE_BYTES),
            ("grpc.max_send_message_length", _MESSAGE_BYTES),
        ],
    )
    add_ResourceProviderServicer_to_server(provider, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()

    def end() -> None:
        plugin.wait()
        server.stop(None).wait()
        provider.end()
        threads.shutdown()
        plugin.close()

    threading.Thread(target=end, name=f"plugin-{pid}-ends", daemon=True).start()
    return int(port)
