"""`python -m dev.sandbox.plugin [engine address]`: serve on a free port, and print it, as the engine expects of a plugin."""

from __future__ import annotations

import gc

gc.disable()  # The imports below leave no garbage, and looking for it would take a third of their time.

import logging
import os
import sys
import threading
import time
from concurrent import futures

import grpc
from pulumi.runtime.proto.provider_pb2_grpc import add_ResourceProviderServicer_to_server

from dev.sandbox.plugin.service import Provider

#: A create holds a thread for as long as it waits.
_THREADS = 128
_MESSAGE_BYTES = 400 * 1024 * 1024


def main() -> None:
    """Serve until the engine ends us, or is gone."""
    gc.freeze()
    gc.enable()
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    # Debug logs of botocore show request bodies, and those hold passwords.
    logging.getLogger("botocore").setLevel(logging.WARNING)
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=_THREADS),
        options=[
            ("grpc.max_receive_message_length", _MESSAGE_BYTES),
            ("grpc.max_send_message_length", _MESSAGE_BYTES),
        ],
    )
    add_ResourceProviderServicer_to_server(Provider(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    server.wait_for_termination()


def _end_with(parent: int) -> None:
    """End when the engine's process has: whatever is being created is left as it is, as the real provider leaves it."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(0)


if __name__ == "__main__":
    main()
