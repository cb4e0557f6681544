"""Systems Manager: the call, the plugin's command, and how its output is interpreted. AWS itself is not involved.

The API's model checks the call (botocore's stubber), and the stand-in for the plugin does what the plugin's source says: it
expects the arguments and the variable that the AWS CLI passes, listens, says where, and relays.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber

from rds_encrypt.aws.clients import Aws, AwsSettings
from rds_encrypt.aws.port_forwarding import PortForwarding
from rds_encrypt.connection import tunnel_opener
from rds_encrypt.core.errors import ActionRequired, Retryable
from rds_encrypt.mysql.tunnel import Endpoint
from rds_encrypt.settings import ConnectionSettings, SsmSettings

TARGET = "i-0123456789abcdef0"
CONNECTION = ConnectionSettings(via="ssm", ssm=SsmSettings(TARGET))
TOKEN = "a-token-that-opens-the-session"

PLUGIN = """\
#!{python}
import json, os, socket, sys, threading
if sys.argv[1:] == ["--version"]:
    print({version!r})
    sys.exit(0)
with open({log!r}, "a") as log:
    print(json.dumps({{"argv": sys.argv[1:], "session": os.environ.get(sys.argv[1])}}), file=log)
if {fails!r}:
    print("Cannot perform start session: EOF")
    sys.exit(1)
wanted = json.loads(sys.argv[5])["Parameters"]
session = json.loads(os.environ[sys.argv[1]])["SessionId"]
listener = socket.create_server(("127.0.0.1", 0))
print(f"\\nStarting session with SessionId: {{session}}")
sys.stdout.write(f"Port {{listener.getsockname()[1]}} opened for sessionId {{session}}.")
print("\\nWaiting for connections...", flush=True)
def relay(one, other):
    while content := one.recv(65536):
        other.sendall(content)
    other.shutdown(socket.SHUT_WR)
while True:
    client, _ = listener.accept()
    try:
        server = socket.create_connection((wanted["host"][0], int(wanted["portNumber"][0])))
    except OSError:
        client.close()
        continue
    for pair in ((client, server), (server, client)):
        threading.Thread(target=relay, args=pair, daemon=True).start()
"""


@pytest.fixture
def speaker() -> Iterator[Endpoint]:
    """A server that greets every client."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    client.sendall(b"greetings")

        threading.Thread(target=accept, daemon=True).start()
        yield Endpoint("127.0.0.1", listener.getsockname()[1])


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Aws:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIANOBODYS")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nobodys")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    return Aws(AwsSettings(region="eu-central-1"))


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Put a stand-in on the PATH; return the file in which it records how it was started."""

    def put(version: str = "1.2.764.0", *, fails: bool = False) -> Path:
        log = tmp_path / "started"
        file = tmp_path / "session-manager-plugin"
        text = PLUGIN.format(python=sys.executable, version=version, log=str(log), fails=fails)
        file.write_text(text, "utf-8")
        file.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        return log

    return put


def expect(aws: Aws, endpoint: Endpoint, times: int = 1) -> Stubber:
    stubber = Stubber(aws.ssm)
    for number in range(1, times + 1):
        stubber.add_response(
            "start_session",
            {"SessionId": f"me-{number}", "TokenValue": TOKEN, "StreamUrl": "wss://stream.example"},
            request_of(endpoint),
        )
    stubber.activate()
    return stubber


def request_of(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "Target": TARGET,
        "DocumentName": "AWS-StartPortForwardingSessionToRemoteHost",
        "Parameters": {"host": [endpoint.host], "portNumber": [str(endpoint.port)]},
        "Reason": "rds-encrypt",
    }


def test_the_plugin_is_started_as_the_aws_cli_starts_it(
    aws: Aws, plugin: Callable[..., Path], speaker: Endpoint
) -> None:
    log = plugin()
    stubber = expect(aws, speaker)
    with closing(PortForwarding(TARGET)) as sessions:
        for _ in range(3):
            with sessions.connect(aws, speaker.host, speaker.port) as line:
                line.settimeout(5)
                assert line.recv(9, socket.MSG_WAITALL) == b"greetings"
    stubber.assert_no_pending_responses()
    (started,) = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    variable, region, operation, profile, request, endpoint = started["argv"]
    assert (variable, region, operation, profile) == (
        "AWS_SSM_START_SESSION_RESPONSE",
        "eu-central-1",
        "StartSession",
        "",
    )
    assert json.loads(request) == request_of(speaker)
    assert endpoint == "https://ssm.eu-central-1.amazonaws.com"
    assert json.loads(started["session"]) == {
        "SessionId": "me-1",
        "TokenValue": TOKEN,
        "StreamUrl": "wss://stream.example",
    }
    assert TOKEN not in " ".join(started["argv"])


def test_a_session_that_has_ended_is_opened_anew(
    aws: Aws, plugin: Callable[..., Path], speaker: Endpoint
) -> None:
    plugin()
    expect(aws, speaker, times=2)
    with closing(PortForwarding(TARGET)) as sessions:
        sessions.connect(aws, speaker.host, speaker.port).close()
        (first, _port) = sessions._open[speaker.host, speaker.port]
        first.close()
        assert not first.directory.exists()
        sessions.connect(aws, speaker.host, speaker.port).close()
        (second, _port) = sessions._open[speaker.host, speaker.port]
        assert second is not first
    assert not second.directory.exists()


def test_it_is_shared_by_all_who_want_the_same(
    aws: Aws, plugin: Callable[..., Path], speaker: Endpoint
) -> None:
    log = plugin()
    expect(aws, speaker)
    for _ in range(2):
        open_tunnel = tunnel_opener(aws, CONNECTION)
        assert open_tunnel is not None
        line = open_tunnel(speaker)
        assert line.socket.recv(9, socket.MSG_WAITALL) == b"greetings"
        line.close()
    assert len(log.read_text("utf-8").splitlines()) == 1


def test_a_server_behind_it_that_is_down_may_come_back(aws: Aws, plugin: Callable[..., Path]) -> None:
    plugin()
    with socket.create_server(("127.0.0.1", 0)) as gone:
        nowhere = Endpoint("127.0.0.1", gone.getsockname()[1])
    expect(aws, nowhere)
    open_tunnel = tunnel_opener(aws, CONNECTION)
    assert open_tunnel is not None
    with pytest.raises(Retryable, match=f"Systems Manager through {TARGET}: it cannot reach {nowhere}"):
        open_tunnel(nowhere)


def test_a_session_that_does_not_open_says_why(
    aws: Aws, plugin: Callable[..., Path], speaker: Endpoint
) -> None:
    plugin(fails=True)
    expect(aws, speaker)
    began = time.monotonic()
    with pytest.raises(Retryable) as refused:
        PortForwarding(TARGET).connect(aws, speaker.host, speaker.port)
    assert "the session did not open (Cannot perform start session: EOF)" in str(refused.value)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("version", ["1.2.497.0", "1.2.9", "", "unknown"])
def test_a_plugin_that_would_show_the_token_is_refused(
    aws: Aws, plugin: Callable[..., Path], speaker: Endpoint, version: str
) -> None:
    log = plugin(version)
    with pytest.raises(ActionRequired, match="too old"):
        PortForwarding(TARGET).connect(aws, speaker.host, speaker.port)
    assert not log.exists()


def test_a_machine_without_the_plugin(aws: Aws, speaker: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ActionRequired, match="there is no `session-manager-plugin` on the PATH"):
        PortForwarding(TARGET).connect(aws, speaker.host, speaker.port)


def test_an_instance_that_is_not_connected_is_named(
    aws: Aws, plugin: Callable[..., Path], speaker: Endpoint
) -> None:
    plugin()
    stubber = Stubber(aws.ssm)
    stubber.add_client_error("start_session", "TargetNotConnected", f"{TARGET} is not connected.")
    with stubber, pytest.raises(ActionRequired) as refused:
        PortForwarding(TARGET).connect(aws, speaker.host, speaker.port)
    assert str(refused.value).startswith(
        f"Systems Manager through {TARGET}: StartSession failed with TargetNotConnected: {TARGET} is not connected."
    )
