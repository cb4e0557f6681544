"""Somebody between a client and a MySQL server, who relays, or says that the server knows no TLS."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rds_encrypt.mysql.session import Endpoint

__all__ = ["relaying"]

_TLS = 1 << 11
"""CLIENT_SSL among a server's capabilities."""


@contextmanager
def relaying(server: Endpoint, *, strip_tls: bool = False) -> Iterator[Endpoint]:
    """Listen at an address of our own, and relay what comes to a server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener, server, strip_tls), daemon=True).start()
        yield Endpoint("127.0.0.1", listener.getsockname()[1])


def _accept(listener: socket.socket, server: Endpoint, strip_tls: bool) -> None:  # noqa: FBT001 - a thread's argument
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            upstream = socket.create_connection((server.host, server.port))
            greeting = upstream.recv(4096)
            client.sendall(_without_tls(greeting) if strip_tls else greeting)
            for one, other in ((client, upstream), (upstream, client)):
                threading.Thread(target=_pass_on, args=(one, other), daemon=True).start()


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while content := one.recv(65536):
            other.sendall(content)
        other.shutdown(socket.SHUT_WR)


def _without_tls(greeting: bytes) -> bytes:
    """Take the flag out of the server's greeting: header, version, a zero, thread, salt, filler, then the capabilities."""
    at = greeting.index(b"\0", 5) + 1 + 4 + 8 + 1
    (capabilities,) = struct.unpack_from("<H", greeting, at)
    return greeting[:at] + struct.pack("<H", capabilities & ~_TLS) + greeting[at + 2 :]
