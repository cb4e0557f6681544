"""Connects sessions to the instances: directly, through a bastion, or through Systems Manager."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.port_forwarding import PortForwarding
from rds_encrypt.core.errors import Retryable
from rds_encrypt.mysql.bastion import Bastion, BastionTunnels
from rds_encrypt.mysql.tunnel import REACH, Endpoint, OpenTunnel, Tunnel, has_answered

__all__ = ["Connection", "tunnel_opener"]

_ANSWER = 20.0


@dataclass(frozen=True)
class Connection:
    """The connection to the instances; direct if neither is set.

    Attributes:
        bastion: a host reached by SSH.
        target: an instance that Systems Manager manages.
    """

    bastion: Bastion | None = None
    target: str | None = None

    @classmethod
    def from_inputs(cls, inputs: Mapping[str, Any]) -> Connection:
        """Read what ``as_inputs`` wrote."""
        bastion = inputs.get("bastion")
        if bastion is None:
            return cls(target=inputs.get("target"))
        # Numbers in a state are floats.
        return cls(bastion=Bastion(**{**bastion, "port": int(bastion["port"])}))

    def as_inputs(self) -> dict[str, Any]:
        """Return what is set, as plain values that a state file may hold."""
        bastion = (
            {key: value for key, value in asdict(self)["bastion"].items() if value is not None}
            if self.bastion
            else None
        )
        return {
            key: value
            for key, value in {"bastion": bastion, "target": self.target}.items()
            if value is not None
        }


_bastions: dict[Bastion, BastionTunnels] = {}
_sessions: dict[tuple[str, str | None, str], PortForwarding] = {}
_making = threading.Lock()


def tunnel_opener(aws: Aws, connection: Connection) -> OpenTunnel | None:
    """Return what opens tunnels, shared by this process for equal settings; ``None`` for a direct connection."""
    with _making:
        if connection.bastion is not None:
            return _bastions.setdefault(connection.bastion, BastionTunnels(connection.bastion)).open_tunnel
        if connection.target is not None:
            key = (aws.region, aws.profile, connection.target)
            return _through(_sessions.setdefault(key, PortForwarding(connection.target)), aws)
    return None


def _through(sessions: PortForwarding, aws: Aws) -> OpenTunnel:
    def open_tunnel(endpoint: Endpoint) -> Tunnel:
        line = sessions.connect(aws, endpoint.host, endpoint.port)
        try:
            if has_answered(line, through=sessions.where, endpoint=endpoint, seconds=_ANSWER):
                return Tunnel(line, line.close)
        except BaseException:
            line.close()
            raise
        line.close()
        raise Retryable(f"it cannot reach {endpoint}", where=sessions.where, fix=REACH)

    return open_tunnel
