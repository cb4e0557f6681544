"""How sessions reach the instances: what the config may say, what of it reaches a program, and that no value gets out of its place."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from components import settings
from providers.arguments import as_inputs, read
from rds_encrypt.access import AccessSettings
from rds_encrypt.aws.clients import Aws, AwsSettings
from rds_encrypt.connection import tunnel_opener
from rds_encrypt.core.errors import PreconditionFailed
from rds_encrypt.mysql.bastion import command
from rds_encrypt.settings import ConnectionSettings, SshSettings, SsmSettings

SOURCE: dict[str, Any] = {"identifier": "orders", "credentials": {"secretId": "orders/master"}}
SSH = {"via": "ssh", "ssh": {"host": "bastion.example"}}
SSM = {"via": "ssm", "ssm": {"target": "i-0123456789abcdef0"}}


def connection_of(stack: Any = None, source: Any = None) -> ConnectionSettings:
    values: dict[str, Any] = {"sources": [SOURCE if source is None else {**SOURCE, "connection": source}]}
    parsed = settings.parse(values if stack is None else {**values, "connection": stack})
    return parsed.connection_of(parsed.sources[0])


def refusal(connection: Any) -> str:
    with pytest.raises(PreconditionFailed) as refused:
        connection_of(connection)
    return str(refused.value)


def test_without_a_word_sessions_are_straight() -> None:
    assert connection_of() == ConnectionSettings()
    assert tunnel_opener(Aws(AwsSettings(region="eu-central-1")), ConnectionSettings()) is None


def test_a_source_is_reached_as_it_says_or_as_the_stack_says() -> None:
    assert connection_of(SSH) == ConnectionSettings("ssh", SshSettings("bastion.example"))
    assert connection_of(SSH, SSM) == ConnectionSettings("ssm", ssm=SsmSettings("i-0123456789abcdef0"))
    assert connection_of(SSH, {"via": "direct"}) == ConnectionSettings()


def test_all_that_can_be_said_of_a_bastion_arrives() -> None:
    options = {
        "host": "2001:db8::7",
        "port": 2222,
        "user": "ec2-user",
        "keyFile": "~/.ssh/a key",
        "knownHostsFile": "known_hosts",
    }
    assert connection_of({"via": "ssh", "ssh": options}).ssh == SshSettings(
        "2001:db8::7", 2222, "ec2-user", "~/.ssh/a key", "known_hosts"
    )


def test_they_travel_through_a_state_as_plain_values() -> None:
    for stack in (None, SSH, SSM):
        access = AccessSettings(secret_id="s", connection=connection_of(stack))
        # A state keeps numbers as floats.
        kept = json.loads(json.dumps(as_inputs(access)), parse_int=float)
        assert read(AccessSettings, kept) == access


@pytest.mark.parametrize(
    ("connection", "sentence"),
    [
        ({"via": "ssh"}, "`via: ssh` and `ssh` go together; only one of the two is set"),
        ({"ssh": {"host": "bastion.example"}}, "`via: ssh` and `ssh` go together"),
        ({"via": "ssm"}, "`via: ssm` and `ssm` go together"),
        ({**SSH, "ssm": SSM["ssm"]}, "`via: ssm` and `ssm` go together"),
        (
            {"via": "ssh", "ssh": {"host": "-oProxyCommand=x"}},
            "connection.ssh.host: this is not a host name or address",
        ),
        (
            {"via": "ssh", "ssh": {"host": "b", "user": "-l"}},
            "connection.ssh.user: this is not an account name",
        ),
        (
            {"via": "ssh", "ssh": {"host": "b", "keyFile": "a\nb"}},
            "connection.ssh.keyFile: this is not a path for ssh",
        ),
        ({"via": "ssm", "ssm": {"target": "mine"}}, "connection.ssm.target: this is not an instance id"),
    ],
)
def test_what_cannot_work_is_one_sentence(connection: dict[str, Any], sentence: str) -> None:
    assert sentence in refusal(connection)


HOSTILE = st.one_of(
    st.sampled_from(
        [
            "-oProxyCommand=touch owned",
            "x -oProxyCommand=touch",
            "$(touch owned)",
            "`touch owned`",
            "a;b",
            "a|b",
            "%h%%",
            'a" b',
            "a\\",
            "${HOME}",
            "ü 世界",
            "it's",
            "#1 100%",
            "a\nHost *",
            "::1",
            "~/x",
            "~nobody/x",
        ]
    ),
    st.text(min_size=1, max_size=20),
)
NO_SSH = shutil.which("ssh") is None


SAFE = {"host": "bastion.example", "user": "somebody", "keyFile": "key", "knownHostsFile": "known"}
READ_AS = {
    "host": "hostname",
    "user": "user",
    "keyFile": "identityfile",
    "knownHostsFile": "userknownhostsfile",
}


@pytest.mark.skipif(NO_SSH, reason="no OpenSSH client on this machine")
@hypothesis_settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(name=st.sampled_from(sorted(SAFE)), value=HOSTILE)
def test_what_is_taken_is_what_ssh_understands(tmp_path: Path, name: str, value: str) -> None:
    """The real client says how it reads its arguments: the value is where it belongs, and nothing else has changed."""
    # ssh would write a numeric host as the address that it stands for.
    assume(name != "host" or not re.fullmatch(r"[0-9a-fA-FxX.:]+", value))
    try:
        bastion = connection_of({"via": "ssh", "ssh": {**SAFE, name: value}}).ssh
    except PreconditionFailed as error:
        assert f"connection.ssh.{name}: this is not a" in str(error)  # noqa: PT017 - most of what is hostile ends here
        return
    assert bastion is not None
    before, after = understood(SshSettings(*plain()), tmp_path), understood(bastion, tmp_path)
    read = READ_AS[name]
    assert {key for key in before | after if before.get(key) != after.get(key)} <= {read, "host"}
    if name in {"host", "user"}:
        assert after[read] == [value.lower() if name == "host" else value]
    else:
        path = str(Path(value).expanduser().absolute())
        # Shown with or without ssh's own escape for a `%`; in use it is a `%` (tests/unit/test_bastion.py has one in all paths).
        assert after[read] in ([path], [path.replace("%", "%%")])


def plain() -> tuple[str, int, str, str, str]:
    return SAFE["host"], 22, SAFE["user"], SAFE["keyFile"], SAFE["knownHostsFile"]


@pytest.mark.skipif(NO_SSH, reason="no OpenSSH client on this machine")
def test_what_is_not_set_is_decided_by_ssh_s_own_configuration(tmp_path: Path) -> None:
    own = "Host bastion.example\n  Port 2222\n  User jump\n"
    for port, used in ((None, "2222"), (2022, "2022")):
        read = understood(SshSettings("bastion.example", port), tmp_path, own)
        assert (read["port"], read["user"]) == ([used], ["jump"])


def understood(bastion: SshSettings, place: Path, own: str = "") -> dict[str, list[str]]:
    """Return what the client makes of its arguments, and of a user's own configuration."""
    (place / "config").write_text(own, encoding="utf-8")
    ssh, *words = command(bastion, place, "-N")
    asked = subprocess.run(
        [ssh, "-G", "-F", str(place / "config"), *words], capture_output=True, text=True, check=False
    )
    assert asked.returncode == 0, asked.stderr
    options: dict[str, list[str]] = {}
    for line in asked.stdout.split("\n"):
        key, _, value = line.partition(" ")
        options.setdefault(key, []).append(value)
    return options
