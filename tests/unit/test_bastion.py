"""Lines through a bastion: OpenSSH's client, two kinds of real SSH server, and behind them a server that speaks first."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from rds_encrypt.core.errors import ActionRequired, MigrationError, Retryable
from rds_encrypt.mysql.bastion import BastionTunnels, command
from rds_encrypt.mysql.tunnel import Endpoint
from rds_encrypt.settings import SshSettings
from tests.bastion import SSHD, Keys, Running, asyncssh_server, clients_of, free_port, left_of, openssh_server
from tests.waiting import until

Start = Callable[..., AbstractContextManager[Running]]

SERVERS = [
    pytest.param(asyncssh_server, id="asyncssh"),
    pytest.param(
        openssh_server, id="sshd", marks=pytest.mark.skipif(SSHD is None, reason="no sshd on this machine")
    ),
]
NO_SSH = shutil.which("ssh") is None

pytestmark = pytest.mark.skipif(NO_SSH, reason="no OpenSSH client on this machine")


@pytest.fixture(scope="module")
def speaker() -> Iterator[Endpoint]:
    """A server that greets each client and echoes what it receives."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener,), daemon=True).start()
        yield Endpoint("127.0.0.1", listener.getsockname()[1])


def _accept(listener: socket.socket) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_speak, args=(client,), daemon=True).start()


def _speak(client: socket.socket) -> None:
    with suppress(OSError), client:
        client.sendall(b"greetings")
        while heard := client.recv(65536):
            client.sendall(heard)


@pytest.fixture(params=SERVERS)
def start(request: pytest.FixtureRequest) -> Start:
    server: Start = request.param
    return server


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    # As hostile a path as ssh can be given.
    return Keys.made(tmp_path / "it's 100% #1, ü")


@contextmanager
def spoken(lines: BastionTunnels, endpoint: Endpoint) -> Iterator[socket.socket]:
    """Open a line and read the greeting from it."""
    line = lines.open_tunnel(endpoint)
    try:
        line.socket.settimeout(10)
        assert line.socket.recv(9, socket.MSG_WAITALL) == b"greetings"
        yield line.socket
    finally:
        line.close()


def holding(port: int) -> list[list[str]]:
    """The clients that hold a connection, without their checks."""
    return [words for words in clients_of(port) if "-N" in words and words[0].endswith("ssh")]


def refusal(bastion: SshSettings, endpoint: Endpoint) -> MigrationError:
    with closing(BastionTunnels(bastion)) as lines, pytest.raises(MigrationError) as refused:
        lines.open_tunnel(endpoint)
    assert left_of(bastion.port) == []
    return refused.value


def test_lines_share_one_connection_and_leave_nothing(start: Start, keys: Keys, speaker: Endpoint) -> None:
    with start(keys, free_port()) as running, closing(BastionTunnels(running.bastion)) as lines:

        def ask(number: int) -> bytes:
            with spoken(lines, speaker) as line:
                payload = str(number).encode() * 20_000
                line.sendall(payload)
                heard = line.recv(len(payload), socket.MSG_WAITALL)
                assert len(holding(running.port)) == 1
                return heard[:2]

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(ask, range(10, 34))) == [str(n).encode() for n in range(10, 34)]
        shared = lines._shared
        assert shared is not None
        assert shared.directory.stat().st_mode & 0o077 == 0
        # No line is left, and no local port lets anybody else use what we opened.
        assert [words for words in clients_of(running.port) if "-W" in words] == []
        words = [word for client in clients_of(running.port) for word in client]
        assert not [word for word in words if word.startswith(("-L", "-D"))]
    assert clients_of(running.port) == []
    assert not shared.directory.exists()


def test_a_connection_that_died_is_made_anew(start: Start, keys: Keys, speaker: Endpoint) -> None:
    port = free_port()
    with closing(BastionTunnels(Running(keys, port).bastion)) as lines:
        with start(keys, port), spoken(lines, speaker):
            first = lines._shared
        assert first is not None
        until(lambda: first.running, lambda runs: not runs)
        with start(keys, port), spoken(lines, speaker) as line:
            assert lines._shared is not first
            # Killed, not ended: the line is cut at once.
            (held,) = until(lambda: pids_holding(port), lambda pids: len(pids) == 1)
            os.kill(held, signal.SIGKILL)
            line.settimeout(5)
            assert line.recv(1) == b""
            with spoken(lines, speaker):
                pass


def pids_holding(port: int) -> list[int]:
    pids = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if f"Port={port}" in words and "-N" in words and words[0].endswith("ssh"):
                pids.append(int(entry.name))
    return pids


def test_it_ends_with_its_process_even_if_that_is_killed(start: Start, keys: Keys, speaker: Endpoint) -> None:
    program = """
import sys, threading
from rds_encrypt.mysql.bastion import BastionTunnels
from rds_encrypt.mysql.tunnel import Endpoint
from rds_encrypt.settings import SshSettings
lines = BastionTunnels(SshSettings("127.0.0.1", int(sys.argv[1]), *sys.argv[2:5]))
opened = []
# In a thread that ends before the line is used, as a step's thread does.
thread = threading.Thread(target=lambda: opened.append(lines.open_tunnel(Endpoint("127.0.0.1", int(sys.argv[5])))))
thread.start()
thread.join()
assert opened[0].socket.recv(9) == b"greetings"
print(lines._shared.directory, flush=True)
sys.stdin.read()
"""
    with start(keys, free_port()) as running:
        bastion = running.bastion
        words = [
            str(bastion.port),
            str(bastion.user),
            str(bastion.key_file),
            str(bastion.known_hosts_file),
            str(speaker.port),
        ]
        child = subprocess.Popen(
            [sys.executable, "-c", program, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        directory = Path(child.stdout.readline().strip())
        assert (directory / "control").exists()
        assert len(clients_of(bastion.port)) == 3, "a check, the connection, the line"
        child.kill()
        child.communicate()
        assert left_of(bastion.port) == []
        until(directory.exists, lambda there: not there)


def test_an_unknown_host_key_is_refused_and_not_learned(start: Start, keys: Keys, speaker: Endpoint) -> None:
    empty = keys.directory / "empty"
    empty.touch()
    with start(keys, free_port()) as running:
        error = refusal(replace(running.bastion, known_hosts_file=str(empty)), speaker)
    assert type(error) is ActionRequired
    assert str(error) == (
        f"bastion 127.0.0.1:{running.port}: its host key is not known. Ask its owner for the key and put that into the"
        " known-hosts file (`connection.ssh.knownHostsFile`). Nothing was sent to it."
    )
    assert empty.read_text("utf-8") == ""


def test_a_changed_host_key_is_refused(start: Start, keys: Keys, speaker: Endpoint) -> None:
    with start(keys, free_port()) as running:
        changed = keys.known_hosts(running.port, "changed", key="user")
        error = refusal(replace(running.bastion, known_hosts_file=str(changed)), speaker)
    assert type(error) is ActionRequired
    assert "its host key differs from the known one" in str(error)
    assert str(error).endswith("Nothing was sent to it.")


def test_a_user_who_trusts_everybody_in_his_own_configuration_is_not_followed(
    start: Start, keys: Keys, speaker: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    argv = command(Running(keys, 22).bastion, keys.directory, "-N")
    settings = [word for flag, word in pairwise(argv) if flag == "-o"]
    assert "StrictHostKeyChecking=yes" in settings
    file = keys.directory / "config"
    file.write_text(
        "Host *\n StrictHostKeyChecking no\n LocalForward 127.0.0.1:1 x:1\n ForwardAgent yes\n", "utf-8"
    )
    asked = subprocess.run(
        [argv[0], "-G", "-F", str(file), *argv[1:]], capture_output=True, text=True, check=True
    )
    resolved = asked.stdout.splitlines()
    assert {
        "stricthostkeychecking true",
        "forwardagent no",
        "batchmode yes",
        "clearallforwardings yes",
    } <= set(resolved)


def test_a_key_that_is_not_allowed_is_refused(start: Start, keys: Keys, speaker: Endpoint) -> None:
    with start(keys, free_port()) as running:
        error = refusal(running.with_key("strangers"), speaker)
    assert type(error) is ActionRequired
    assert "it refuses the account. Check `connection.ssh.user`" in str(error)


def test_a_key_that_others_can_read_is_named(start: Start, keys: Keys, speaker: Endpoint) -> None:
    with start(keys, free_port()) as running:
        (keys.directory / "user").chmod(0o644)
        error = refusal(running.bastion, speaker)
    assert type(error) is ActionRequired
    assert "it refuses the account (Load key " in str(error)
    assert "bad permissions" in str(error)


def test_a_bastion_that_is_down_may_come_back(keys: Keys, speaker: Endpoint) -> None:
    error = refusal(Running(keys, free_port()).bastion, speaker)
    assert type(error) is Retryable
    assert "it cannot be reached (ssh: connect to host 127.0.0.1 port" in str(error)
    assert "Connection refused)" in str(error)


def test_a_bastion_of_no_known_name(keys: Keys, speaker: Endpoint) -> None:
    error = refusal(replace(Running(keys, free_port()).bastion, host="bastion.invalid"), speaker)
    assert type(error) is Retryable
    assert "Could not resolve hostname bastion.invalid" in str(error)


def test_a_server_behind_it_that_is_down_may_come_back(start: Start, keys: Keys) -> None:
    nowhere = Endpoint("127.0.0.1", free_port())
    with start(keys, free_port()) as running:
        error = refusal(running.bastion, nowhere)
    assert type(error) is Retryable
    assert f"it cannot reach {nowhere} (" in str(error)


def test_a_server_behind_it_that_keeps_silent(
    start: Start, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rds_encrypt.mysql.bastion._ANSWER", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent, start(keys, free_port()) as running:
        endpoint = Endpoint("127.0.0.1", silent.getsockname()[1])
        error = refusal(running.bastion, endpoint)
    assert type(error) is Retryable
    assert f"{endpoint} did not answer within" in str(error)


def test_forwarding_that_the_bastion_forbids(start: Start, keys: Keys, speaker: Endpoint) -> None:
    with start(keys, free_port(), forwarding=False) as running:
        error = refusal(running.bastion, speaker)
    assert type(error) is ActionRequired
    assert f"it does not let this account connect to {speaker} (" in str(error)


def test_a_machine_without_ssh(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(keys.directory))
    monkeypatch.setattr("tempfile.tempdir", str(keys.directory))
    monkeypatch.setattr("rds_encrypt.core.supervised_process._LONGEST", 1000)
    with pytest.raises(ActionRequired, match="there is no `ssh` on the PATH"):
        BastionTunnels(Running(keys, 22).bastion).open_tunnel(Endpoint("orders.example", 3306))
    assert list(keys.directory.glob("rds-encrypt-*")) == []


@pytest.mark.parametrize(
    "host", ["-oProxyCommand=touch x", "a b", "a;b", "$(x)", "a%h", "", "a\nb", "x" * 254, "ü"]
)
def test_a_host_that_is_no_name_never_gets_to_ssh(keys: Keys, host: str) -> None:
    with pytest.raises(ActionRequired, match="host name is not safe to pass to ssh"):
        BastionTunnels(Running(keys, 22).bastion).open_tunnel(Endpoint(host, 3306))
