"""A server's endpoint, and the tunnel through which a session can reach it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass

from rds_encrypt.core.errors import Retryable

__all__ = ["Endpoint", "OpenTunnel", "Tunnel", "has_answered"]


@dataclass(frozen=True)
class Endpoint:
    """The host and port of a server."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Tunnel:
    """A connected socket, and what closes the tunnel."""

    socket: socket.socket
    close: Callable[[], object]


OpenTunnel = Callable[[Endpoint], Tunnel]
"""Opens a tunnel to a server; raises ``Retryable`` or ``ActionRequired`` if it cannot."""


def has_answered(line: socket.socket, *, through: str, endpoint: Endpoint, seconds: float) -> bool:
    """Wait for the server's first byte, which stays unread (MySQL servers speak first); return false if the tunnel was closed.

    Raises:
        Retryable: neither happened in time.
    """
    line.settimeout(seconds)
    try:
        return bool(line.recv(1, socket.MSG_PEEK))
    except TimeoutError:
        raise Retryable(
            f"{endpoint} did not answer within {seconds:.0f} s",
            where=through,
            fix=REACH,
        ) from None
    except ConnectionError:
        return False


REACH = "Check that the instance is available, and that its security group lets this host in"
