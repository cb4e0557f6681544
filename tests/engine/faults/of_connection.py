"""The way to the databases: a bastion that should not be trusted, does not let us in, or does not get any further."""

from __future__ import annotations

import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from rds_encrypt.access import endpoint_of
from rds_encrypt.connection import tunnel_opener
from rds_encrypt.mysql.bastion import BastionTunnels
from rds_encrypt.settings import ConnectionSettings, SshSettings, SsmSettings
from tests.bastion import Keys, Running, asyncssh_server, free_port
from tests.engine.faults.book import fault
from tests.engine.faults.stage import Stage

__all__: list[str] = []

SECTION = "A bastion or Systems Manager"


def _bastion(stage: Stage, *, forwarding: bool = True, up: bool = True) -> Running:
    """A bastion that listens until the fault is over."""
    keys = Keys.made(Path(stage.later.enter_context(tempfile.TemporaryDirectory())) / "keys")
    if not up:
        return Running(keys, free_port())
    return stage.later.enter_context(asyncssh_server(keys, free_port(), forwarding=forwarding))


def _open_tunnel(stage: Stage, bastion: SshSettings, *, port: int | None = None) -> None:
    endpoint = endpoint_of(stage.instances.get(stage.source_id))
    with closing(BastionTunnels(bastion)) as lines:
        lines.open_tunnel(endpoint if port is None else replace(endpoint, port=port))


@fault(
    "The bastion is down", SECTION, "Nothing listens at `connection.ssh.host`, or a firewall is in the way."
)
def _down(stage: Stage) -> None:
    _open_tunnel(stage, _bastion(stage, up=False).bastion)


@fault("The bastion's host key is unknown", SECTION, "The known-hosts file has no key of the bastion.")
def _unknown_key(stage: Stage) -> None:
    running = _bastion(stage)
    empty = running.keys.directory / "empty"
    empty.touch()
    _open_tunnel(stage, replace(running.bastion, known_hosts_file=str(empty)))


@fault("Another host in the bastion's place", SECTION, "The bastion shows another key than the known one.")
def _changed_key(stage: Stage) -> None:
    running = _bastion(stage)
    changed = running.keys.known_hosts(running.port, "changed", key="user")
    _open_tunnel(stage, replace(running.bastion, known_hosts_file=str(changed)))


@fault("The bastion refuses the key", SECTION, "The account there does not list the key.")
def _strangers_key(stage: Stage) -> None:
    _open_tunnel(stage, _bastion(stage).with_key("strangers"))


@fault("The bastion forwards nothing", SECTION, "Its sshd, or the key's options, forbid forwarding.")
def _forbidden(stage: Stage) -> None:
    _open_tunnel(stage, _bastion(stage, forwarding=False).bastion)


@fault(
    "The bastion cannot reach the instance",
    SECTION,
    "The instance is away, or its security group does not let the bastion in.",
)
def _behind(stage: Stage) -> None:
    _open_tunnel(stage, _bastion(stage).bastion, port=1)


@fault("No plugin for Systems Manager", SECTION, "`session-manager-plugin` is not installed.")
def _no_plugin(stage: Stage) -> None:
    stage.later.enter_context(pytest.MonkeyPatch.context()).setenv("PATH", "/nonexistent")
    open_tunnel = tunnel_opener(
        stage.aws(), ConnectionSettings(via="ssm", ssm=SsmSettings("i-0123456789abcdef0"))
    )
    assert open_tunnel is not None
    open_tunnel(endpoint_of(stage.instances.get(stage.source_id)))
