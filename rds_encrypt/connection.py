"""Connects sessions to the instances: directly, through a bastion, or through Systems Manager."""

from __future__ import annotations

import threading

from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.port_forwarding import PortForwarding
from rds_encrypt.core.errors import Retryable
from rds_encrypt.mysql.bastion import BastionTunnels
from rds_encrypt.mysql.tunnel import REACH, Endpoint, OpenTunnel, Tunnel, has_answered
from rds_encrypt.settings import ConnectionSettings, SshSettings

__all__ = ["tunnel_opener"]

_ANSWER = 20.0


_bastions: dict[SshSettings, BastionTunnels] = {}
_sessions: dict[tuple[str, str | None, str], PortForwarding] = {}
_making = threading.Lock()


def tunnel_opener(aws: Aws, connection: ConnectionSettings) -> OpenTunnel | None:
    """Return what opens tunnels, shared by this process for equal settings; ``None`` for a direct connection."""
    with _making:
        if connection.ssh is not None:
            return _bastions.setdefault(connection.ssh, BastionTunnels(connection.ssh)).open_tunnel
        if connection.ssm is not None:
            target = connection.ssm.target
            key = (aws.region, aws.profile, target)
            return _through(_sessions.setdefault(key, PortForwarding(target)), aws)
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
