"""Modern TLS in front of a server whose own ends at TLS 1.1 (MySQL 5.7.22): RDS's 5.7 speaks 1.2, and today's clients want it.

Runs as a process of its own (`gateway.py <settings.json> <listening descriptor>`) with the standard library only. It
passes the server's greeting on, and the client's answer. If that asks for TLS, both sides get it, each its own; so
`REQUIRE SSL` and `Ssl_cipher` work as ever. From there on it only passes bytes. The server sees the client's address.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import sys
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["GatewaySettings"]

_HEADER = 4
_SSL_REQUEST = 32
_CLIENT_SSL = 0x0800
_LEGACY_SERVER_CONNECT = 0x4
_CHUNK = 1 << 16
_HANDSHAKE_DEADLINE = 30.0


@dataclass(frozen=True)
class GatewaySettings:
    """Which server it stands in front of, and the certificate that it shows."""

    server_address: str
    server_port: int
    certificate: str
    key: str

    def write(self, file: Path) -> None:
        file.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, file: Path) -> GatewaySettings:
        return cls(**json.loads(file.read_text()))


class Gateway:
    """Accepts clients and joins each to a connection of its own to the server."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings
        self._to_clients = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._to_clients.load_cert_chain(settings.certificate, settings.key)
        self._to_server = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._to_server.check_hostname = False
        self._to_server.verify_mode = ssl.CERT_NONE
        self._to_server.options |= _LEGACY_SERVER_CONNECT
        for context in (self._to_clients, self._to_server):
            # The server's side, and replicas of this version as clients, know nothing newer than 1.1.
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.set_ciphers("DEFAULT:@SECLEVEL=0")

    async def serve(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        listener.setblocking(False)
        connections: set[asyncio.Task[None]] = set()
        while True:
            client, peer = await loop.sock_accept(listener)
            task = asyncio.create_task(self._join(client, peer[0]))
            connections.add(task)
            task.add_done_callback(connections.discard)

    async def _join(self, client: socket.socket, peer: str) -> None:
        server = socket.socket()
        try:
            for end in (client, server):
                end.setblocking(False)
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout(_HANDSHAKE_DEADLINE):
                await self._connect(server, peer)
                encrypted = await _greet(client, server)
                client_streams = await self._client_streams(client, encrypted=encrypted)
                server_streams = await self._server_streams(server, encrypted=encrypted)
        except (OSError, EOFError, TimeoutError):
            # Whoever broke off knows why; the other side sees a connection that closes, as from the server itself.
            client.close()
            server.close()
            return
        await asyncio.gather(
            _pass_on(client_streams[0], server_streams[1]), _pass_on(server_streams[0], client_streams[1])
        )

    async def _connect(self, server: socket.socket, peer: str) -> None:
        server.bind((peer, 0))
        await asyncio.get_running_loop().sock_connect(
            server, (self._settings.server_address, self._settings.server_port)
        )

    async def _client_streams(self, client: socket.socket, *, encrypted: bool) -> _Streams:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol, client, ssl=self._to_clients if encrypted else None
        )
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    async def _server_streams(self, server: socket.socket, *, encrypted: bool) -> _Streams:
        if encrypted:
            return await asyncio.open_connection(sock=server, ssl=self._to_server, server_hostname="")
        return await asyncio.open_connection(sock=server)


_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _greet(client: socket.socket, server: socket.socket) -> bool:
    """Pass the greeting and the client's first packet on; True if the client asks for TLS."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(client, await _packet(server))
    answer = await _packet(client)
    await loop.sock_sendall(server, answer)
    body = answer[_HEADER:]
    return len(body) == _SSL_REQUEST and bool(int.from_bytes(body[:4], "little") & _CLIENT_SSL)


async def _packet(source: socket.socket) -> bytes:
    # Not a byte more than the packet: what follows may be the beginning of TLS.
    header = await _exactly(source, _HEADER)
    return header + await _exactly(source, int.from_bytes(header[:3], "little"))


async def _exactly(source: socket.socket, size: int) -> bytes:
    loop = asyncio.get_running_loop()
    received = b""
    while len(received) < size:
        part = await loop.sock_recv(source, size - len(received))
        if not part:
            raise EOFError
        received += part
    return received


async def _pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while chunk := await source.read(_CHUNK):
            target.write(chunk)
            await target.drain()
    except OSError:
        return  # one end broke off: closing the other is all there is to do
    finally:
        target.close()


def main() -> None:
    """Serve until told to end."""
    warnings.simplefilter("ignore", DeprecationWarning)
    settings = GatewaySettings.read(Path(sys.argv[1]))
    listener = socket.socket(fileno=int(sys.argv[2]))
    asyncio.run(Gateway(settings).serve(listener))


if __name__ == "__main__":
    main()
