"""MySQL through a bastion: one OpenSSH connection, with a channel for each session.

No port opens on this machine, where others could use it: a channel connects a socket pair to the server. rds-encrypt starts the client
without a shell; ssh never prompts, and trusts only host keys that it knows.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import threading
from functools import partial
from pathlib import Path

from rds_encrypt.core.errors import ActionRequired, MigrationError, Retryable
from rds_encrypt.core.supervised_process import SupervisedProcess
from rds_encrypt.mysql.tunnel import REACH, Endpoint, Tunnel, has_answered
from rds_encrypt.settings import HOST, SshSettings

__all__ = ["BastionTunnels"]

_CONNECT = 10
_ANSWER = 20.0
_END = 1.0
_CONTROL = "control"
_HOLD = ("-N",)


class BastionTunnels:
    """Opens tunnels through one bastion, and connects again if the connection has died."""

    def __init__(self, bastion: SshSettings) -> None:
        self._bastion = bastion
        self._shared: SupervisedProcess | None = None
        self._sharing = threading.Lock()

    def open_tunnel(self, endpoint: Endpoint) -> Tunnel:
        """Open a tunnel to a server.

        Raises:
            Retryable: the bastion, or the server behind it, cannot be reached.
            ActionRequired: the bastion's host key differs from the known one, or it refuses the account or the forwarding.
        """
        if not re.fullmatch(HOST, endpoint.host):
            raise ActionRequired(
                "this host name is not safe to pass to ssh",
                where=repr(endpoint.host),
                fix="Report this: the name comes from AWS",
            )
        shared = self._connected()
        logged = len(shared.output)
        host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
        words = command(self._bastion, shared.directory, "-W", f"{host}:{endpoint.port}")
        ours, client = _start(words)
        try:
            if has_answered(ours, through=str(self._bastion), endpoint=endpoint, seconds=_ANSWER):
                return Tunnel(ours, partial(_hang_up, ours, client))
        except BaseException:
            _hang_up(ours, client)
            raise
        raise _refusal(self._bastion, endpoint, _hang_up(ours, client), shared.output[logged:])

    def close(self) -> None:
        """Close the connection and all its tunnels; the next tunnel opens another."""
        with self._sharing:
            if self._shared is not None:
                self._shared.close()
            self._shared = None

    def _connected(self) -> SupervisedProcess:
        with self._sharing:
            if self._shared is not None and self._shared.running:
                return self._shared
            if self._shared is not None:
                self._shared.close()
                self._shared = None
            shared = SupervisedProcess(lambda directory: command(self._bastion, directory, *_HOLD))
            # The control socket appears once ssh has verified the host key and the bastion has accepted the account.
            if shared.wait_until((shared.directory / _CONTROL).exists, seconds=_CONNECT + _ANSWER):
                self._shared = shared
                return shared
            output = shared.output
            shared.close()
            raise _failure(self._bastion, output)


def command(bastion: SshSettings, directory: Path, *what: str) -> list[str]:
    """Return the command line of the client.

    Raises:
        ActionRequired: there is no OpenSSH client.
    """
    ssh = shutil.which("ssh")
    if ssh is None:
        raise ActionRequired(
            "there is no `ssh` on the PATH", where=str(bastion), fix="Install the OpenSSH client"
        )
    options = [
        f"ControlPath={_quoted(directory / _CONTROL)}",
        f"ControlMaster={'yes' if what == _HOLD else 'no'}",
        "ControlPersist=no",
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        "UpdateHostKeys=no",
        "VerifyHostKeyDNS=no",
        f"ConnectTimeout={_CONNECT}",
        "ServerAliveInterval=15",
        "ServerAliveCountMax=3",
        # The user's own configuration may request more; a tunnel needs none of it.
        "ClearAllForwardings=yes",
        "ForwardAgent=no",
        "ForwardX11=no",
        "PermitLocalCommand=no",
        "RequestTTY=no",
        "LogLevel=INFO",
    ]
    if bastion.port is not None:
        options.append(f"Port={bastion.port}")
    if bastion.user is not None:
        options.append(f"User={bastion.user}")
    if bastion.key_file is not None:
        options += [f"IdentityFile={_quoted(Path(bastion.key_file).expanduser())}", "IdentitiesOnly=yes"]
    if bastion.known_hosts_file is not None:
        known = _quoted(Path(bastion.known_hosts_file).expanduser())
        options += [f"UserKnownHostsFile={known}", "GlobalKnownHostsFile=/dev/null"]
    settings = (word for option in options for word in ("-o", option))
    return [ssh, *settings, *what, "--", bastion.host]


def _quoted(path: Path) -> str:
    """Quote a path for ssh's configuration; the config check refuses paths that cannot be quoted."""
    return '"' + str(path.absolute()).replace("%", "%%") + '"'


def _start(words: list[str]) -> tuple[socket.socket, subprocess.Popen[str]]:
    """Start a client, and return our end of the socket that is its standard input and output."""
    ours, theirs = socket.socketpair()
    try:
        with theirs:
            client = subprocess.Popen(
                words,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                # Ctrl-C must not reach it: see SupervisedProcess.
                process_group=0,
            )
    except BaseException:
        ours.close()
        raise
    return ours, client


def _hang_up(ours: socket.socket, client: subprocess.Popen[str]) -> str:
    """Close a tunnel, wait for its client to exit, and return what it printed."""
    ours.close()
    try:
        return client.communicate(timeout=_END)[1]
    except subprocess.TimeoutExpired:
        client.kill()
        return client.communicate()[1]


def _refusal(bastion: SshSettings, endpoint: Endpoint, output: str, log: str) -> MigrationError:
    """Return the error of a tunnel that did not open; a shared connection keeps the reason in its own log."""
    # Only `output`, if the shared connection was gone and the client had to connect on its own.
    reasons = re.findall(r"channel \d+: open failed: (.+)", f"{log}\n{output}")
    if not reasons:
        return _failure(bastion, output)
    reason = _clean(reasons[-1]).removeprefix("connect failed: ")
    if "prohibited" in reason:
        return ActionRequired(
            f"it does not let this account connect to {endpoint} ({reason})",
            where=str(bastion),
            fix="Allow it: see `AllowTcpForwarding` and `PermitOpen` in its sshd_config, and the key's options",
        )
    return Retryable(f"it cannot reach {endpoint} ({reason})", where=str(bastion), fix=REACH)


_HUMAN = (
    (
        r"HOST IDENTIFICATION HAS CHANGED|Host key for .+ has changed",
        "its host key differs from the known one",
        "If it was rebuilt, ask its owner for the new key and put that into the known-hosts file; if not, someone may be intercepting the connection",
        "Nothing was sent to it",
    ),
    (
        r"REVOKED|revoked",
        "its host key has been revoked",
        "Ask its owner for the new key",
        "Nothing was sent to it",
    ),
    (
        r"Host key verification failed|host key is known for",
        "its host key is not known",
        "Ask its owner for the key and put that into the known-hosts file (`connection.ssh.knownHostsFile`)",
        "Nothing was sent to it",
    ),
    (
        r"Permission denied|Too many authentication failures",
        "it refuses the account",
        "Check `connection.ssh.user`, and that the bastion accepts the key in `keyFile`, or one of the agent's",
        "",
    ),
)
_AWAY = (
    r"^(?:ssh: )?(?:connect to host|Could not resolve hostname|Connection|Shared connection|Control socket|Timeout, server"
    r"|kex_exchange_identification:|client_loop:|mux_client_|Stdio forwarding request failed) ?.*$"
    r"|timed out|reset by peer|Broken pipe"
)
"""The messages that ssh prints when the network fails, rather than the authentication."""


def _failure(bastion: SshSettings, output: str) -> MigrationError:
    """Return why there is no connection to the bastion, from what ssh printed."""
    where = str(bastion)
    for pattern, what, fix, safe in _HUMAN:
        if re.search(pattern, output):
            complaint = re.search(r"^(?:Load key|.*Identity file) .+$", output, re.MULTILINE)
            reason = f" ({_clean(complaint[0])})" if complaint and not safe else ""
            return ActionRequired(f"{what}{reason}", where=where, fix=fix, safe=safe)
    lines = [_clean(line) for line in output.splitlines() if line.strip()]
    away = [line for line in lines if re.search(_AWAY, line)]
    if away or not lines:
        reason = f" ({away[-1]})" if away else ""
        return Retryable(
            f"it cannot be reached{reason}",
            where=where,
            fix="Check `connection.ssh.host` and `port`, and that this machine may reach it",
        )
    return ActionRequired(
        f"ssh failed ({lines[-1]})",
        where=where,
        fix="Correct what it objects to; run `ssh` with the same host and key for details",
    )


def _clean(line: str) -> str:
    """Replace unprintable characters: the remote side controls part of the line."""
    return "".join(letter if letter.isprintable() else "?" for letter in line.strip())[:300].rstrip(".")
