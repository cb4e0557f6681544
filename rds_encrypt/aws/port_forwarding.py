"""Ports of remote hosts through Systems Manager: the official plugin forwards them through an instance in the VPC."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Mapping
from typing import Any

from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.errors import sorted_errors
from rds_encrypt.core.errors import ActionRequired, MigrationError, Retryable
from rds_encrypt.core.supervised_process import SupervisedProcess

__all__ = ["PLUGIN", "PortForwarding"]

PLUGIN = "session-manager-plugin"

_DOCUMENT = "AWS-StartPortForwardingSessionToRemoteHost"
_RESPONSE = "AWS_SSM_START_SESSION_RESPONSE"
"""The variable from which the plugin reads the session's token, if its first argument is this name."""
_LAST_WITHOUT = (1, 2, 497, 0)
"""The last version of the plugin that does not know the variable (according to the AWS CLI)."""
_OPEN = 30.0
_CONNECT = 5.0


class PortForwarding:
    """Reaches hosts through one instance, with a session for each host and port that opens on first use."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._open: dict[tuple[str, int], tuple[SupervisedProcess, int]] = {}
        self._opening = threading.Lock()

    @property
    def where(self) -> str:
        """Its name in errors."""
        return f"Systems Manager through {self._target}"

    def connect(self, aws: Aws, host: str, port: int) -> socket.socket:
        """Return a socket that the plugin connects to the host, through an open session or a new one opened with these clients.

        Raises:
            Retryable: the session did not open in time, or has just ended.
            ActionRequired: AWS refused the session, or there is no plugin.
        """
        local = self._port_for(aws, host, port)
        try:
            # No host means this machine, at whichever address the plugin has chosen.
            return socket.create_connection((None, local), timeout=_CONNECT)
        except OSError as error:
            raise Retryable(
                f"the plugin does not answer ({error})", where=self.where, fix="Run the same command again"
            ) from error

    def close(self) -> None:
        """Close all sessions."""
        with self._opening:
            for process, _port in self._open.values():
                process.close()
            self._open.clear()

    def _port_for(self, aws: Aws, host: str, port: int) -> int:
        with self._opening:
            session = self._open.get((host, port))
            if session is not None and session[0].running:
                return session[1]
            if session is not None:
                self._open.pop((host, port))[0].close()
            process = self._start(aws, host, port)
            opened = _opened(process)
            if opened is None:
                output = process.output
                process.close()
                raise _failure(self.where, output)
            self._open[host, port] = (process, opened)
            return opened

    def _start(self, aws: Aws, host: str, port: int) -> SupervisedProcess:
        plugin = _plugin(self.where)
        request = {
            "Target": self._target,
            "DocumentName": _DOCUMENT,
            "Parameters": {"host": [host], "portNumber": [str(port)]},
            "Reason": "rds-encrypt",
        }
        with sorted_errors(self.where):
            response = aws.ssm.start_session(**request)
        return SupervisedProcess(
            lambda _directory: command(plugin, aws, request), environment(response, dict(os.environ))
        )


def command(plugin: str, aws: Aws, request: Mapping[str, Any]) -> list[str]:
    """Return the plugin's command line, as the AWS CLI builds it, without the session's token."""
    meta = aws.ssm.meta
    return [
        plugin,
        _RESPONSE,
        meta.region_name,
        "StartSession",
        aws.profile or "",
        json.dumps(request),
        meta.endpoint_url,
    ]


def environment(response: Mapping[str, Any], base: Mapping[str, str]) -> dict[str, str]:
    """Return the plugin's environment, which holds the session's token."""
    session = {key: response[key] for key in ("SessionId", "TokenValue", "StreamUrl")}
    return {**base, _RESPONSE: json.dumps(session)}


def _plugin(where: str) -> str:
    """Find the plugin.

    Raises:
        ActionRequired: there is none, or it is so old that it takes the token as an argument, which every user of this machine can read.
    """
    path = shutil.which(PLUGIN)
    if path is None:
        raise ActionRequired(
            f"there is no `{PLUGIN}` on the PATH",
            where=where,
            fix="Install AWS's Session Manager plugin",
        )
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    if not re.fullmatch(r"\d+(\.\d+){0,3}", version) or tuple(map(int, version.split("."))) <= _LAST_WITHOUT:
        raise ActionRequired(
            f"`{PLUGIN}` is too old: this version ({version or 'unknown'}) takes the session's token as an argument",
            where=where,
            fix="Install the current one",
        )
    return path


def _opened(process: SupervisedProcess) -> int | None:
    """Wait until the plugin listens, and return its local port."""

    def port() -> re.Match[str] | None:
        return re.search(r"^Port (\d+) opened for sessionId", process.output, re.MULTILINE)

    process.wait_until(lambda: port() is not None, seconds=_OPEN)
    match = port()
    return int(match[1]) if match and process.running else None


def _failure(where: str, output: str) -> MigrationError:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    reason = f" ({lines[-1][:300].rstrip('.')})" if lines else ""
    return Retryable(
        f"the session did not open{reason}",
        where=where,
        fix="Check that the instance runs, that its SSM agent is online and current, then run the same command again",
    )
