"""The stack's config: what is taken, and one sentence that names the key for what isn't."""

from __future__ import annotations

import json
import re
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, date, datetime
from typing import Any

import pulumi
import pytest
import yaml  # type: ignore[import-untyped] # comes with pulumi, without types
from hypothesis import given
from hypothesis import strategies as st

from components import settings
from rds_encrypt.check import Scope
from rds_encrypt.checks import registry
from rds_encrypt.core.errors import PreconditionFailed
from rds_encrypt.rehearse.snippet import snippet
from rds_encrypt.settings import (
    CatchUpSettings,
    ConnectionSettings,
    CredentialSettings,
    MeasuredSettings,
    Settings,
    SourceSettings,
    SshSettings,
)

SOURCE: dict[str, Any] = {"identifier": "orders", "credentials": {"secretId": "orders/master"}}


def parse(stack_phase: Any = None, **source: Any) -> Settings:
    values: dict[str, Any] = {"sources": [{**SOURCE, **source}]}
    return settings.parse(values if stack_phase is None else {**values, "phase": stack_phase})


def refusal(values: dict[str, Any]) -> str:
    with pytest.raises(PreconditionFailed) as refused:
        settings.parse(values)
    return str(refused.value)


def test_defaults_are_the_documented_ones() -> None:
    parsed = parse()
    (source,) = parsed.sources
    assert parsed.phase_of(source) == "replicate"
    assert (source.kms_key, source.method, source.ca_file) == ("alias/aws/rds", "online", None)
    assert (source.binlog_retention_hours, source.catch_up_hours) == (72, 48)
    assert (source.cutover.max_write_outage, source.cutover.long_transaction) == (60, 30)
    assert source.cleanup.old == "stop"
    assert parsed.fleet.copies_at_once == 10


def test_a_sources_phase_overrides_the_stacks() -> None:
    parsed = parse("replicate", phase="cutover")
    assert parsed.phase_of(parsed.sources[0]) == "cutover"


def test_settings_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        parse().phase = "cleanup"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {},
            "rds-encrypt:sources: this key is missing. `pulumi config set --path 'rds-encrypt:sources' …`.",
        ),
        (
            {"sources": [{"credentials": {"environment": "PASSWORD"}}]},
            (
                "rds-encrypt:sources[0].identifier: this key is missing."
                " `pulumi config set --path 'rds-encrypt:sources[0].identifier' …`."
            ),
        ),
        (
            {"sources": [{"identifier": "orders"}]},
            (
                "rds-encrypt:sources[0].credentials: this key is missing."
                " `pulumi config set --path 'rds-encrypt:sources[0].credentials.secretId' …`."
            ),
        ),
        (
            {"sources": [{**SOURCE, "kmskey": "alias/x"}]},
            (
                "rds-encrypt:sources[0].kmskey: unknown key."
                " Did you mean `kmsKey`? docs/configuration.md lists all keys."
            ),
        ),
        (
            {"sources": [{**SOURCE, "credentials": {}}]},
            "rds-encrypt:sources[0].credentials: give exactly one of `secretId` and `environment`; neither is set.",
        ),
        (
            {"sources": [{**SOURCE, "credentials": {"secretId": "a", "environment": "B"}}]},
            "rds-encrypt:sources[0].credentials: give exactly one of `secretId` and `environment`; both are set.",
        ),
        ({"sources": [SOURCE, SOURCE]}, "rds-encrypt: `identifier` orders is listed twice."),
    ],
)
def test_what_is_wrong_is_one_sentence_with_the_key(values: dict[str, Any], sentence: str) -> None:
    assert refusal(values) == sentence


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"phase": "switchover"},
            (
                "phase: must be one of 'replicate', 'cutover', 'rollback', 'cleanup' (it is 'switchover')."
                " `pulumi config set --path 'rds-encrypt:phase' …`."
            ),
        ),
        (
            {"binlogRetentionHours": 0},
            (
                "sources[0].binlogRetentionHours: must be at least 1 (it is 0)."
                " `pulumi config set --path 'rds-encrypt:sources[0].binlogRetentionHours' …`."
            ),
        ),
        (
            {"binlogRetentionHours": "3d"},
            (
                "sources[0].binlogRetentionHours: must be a whole number (it is '3d')."
                " `pulumi config set --path 'rds-encrypt:sources[0].binlogRetentionHours' …`."
            ),
        ),
        (
            {"cutover": {"postpone": "later"}},
            (
                "sources[0].cutover.postpone: must be `true` or `false` (it is 'later')."
                " `pulumi config set --path 'rds-encrypt:sources[0].cutover.postpone' …`."
            ),
        ),
        (
            {"cutover": {"hooks": {"before": "./ask.sh"}}},
            (
                "sources[0].cutover.hooks.before: must be a list (it is './ask.sh')."
                " docs/configuration.md shows how to write it."
            ),
        ),
        (
            {"cutover": {"maxwriteoutage": 30}},
            (
                "sources[0].cutover.maxwriteoutage: unknown key."
                " Did you mean `maxWriteOutage`? docs/configuration.md lists all keys."
            ),
        ),
        (
            {"cutover": {"dns": {"zone": "Z1", "record": "db"}, "strategy": "dns"}},
            (
                "sources[0].cutover.dns.hostedZoneId: this key is missing."
                " `pulumi config set --path 'rds-encrypt:sources[0].cutover.dns.hostedZoneId' …`."
            ),
        ),
        (
            {"cleanup": "delete"},
            (
                "sources[0].cleanup: must be a mapping (it is 'delete')."
                " docs/configuration.md shows how to write it."
            ),
        ),
    ],
)
def test_what_a_value_must_be_is_said_in_plain_words(values: dict[str, Any], sentence: str) -> None:
    source = {key: value for key, value in values.items() if key != "phase"}
    stack = {"phase": values["phase"]} if "phase" in values else {}
    assert refusal({"sources": [{**SOURCE, **source}], **stack}) == f"rds-encrypt:{sentence}"


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (
            ["phase", "sources", "fase"],
            "rds-encrypt:fase: unknown key. Did you mean `phase`? docs/configuration.md lists all keys.",
        ),
        (
            ["sources", "sources[0].kmsKey"],
            (
                "rds-encrypt:sources[0].kmsKey: this is a path, set as if it were the name of a key."
                " `pulumi config rm 'rds-encrypt:sources[0].kmsKey'`, then set it again with `--path`."
            ),
        ),
        (["elsewhere"], "rds-encrypt:elsewhere: unknown key. docs/configuration.md lists all keys."),
    ],
)
def test_a_key_of_the_stack_that_nobody_reads_is_refused(
    names: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {f"rds-encrypt:{name}": "x" for name in names} | {"aws:region": "eu-central-1", "other:fase": "x"}
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(given))

    with pytest.raises(PreconditionFailed) as refused:
        settings.load(pulumi.Config("rds-encrypt"))

    assert str(refused.value) == sentence


def test_yaml_may_take_off_for_a_boolean() -> None:
    (source,) = parse(verify={"level": False}, catchUp={"relaxed": False}).sources
    assert (source.verify.level, source.catch_up.relaxed) == ("off", "off")
    assert "must be one of 'online', 'offline' (it is false)" in refusal(
        {"sources": [{**SOURCE, "method": False}]}
    )


@pytest.mark.parametrize(
    "on",
    [
        "2026-12-03",
        "2026-12-03 00:00:00 +0000 UTC",  # as Pulumi passes an unquoted date
        date(2026, 12, 3),
        datetime(2026, 12, 3, tzinfo=UTC),
    ],
)
@pytest.mark.parametrize("key", ["on", True])
def test_the_day_of_a_rehearsal_may_be_written_as_yaml_lets_one(key: Any, on: Any) -> None:
    (source,) = parse(measured={key: on, "rename": 95, "copy": 12.5}).sources
    assert source.measured == MeasuredSettings(date(2026, 12, 3), rename=95, copy=12.5)


@pytest.mark.parametrize(
    ("measured", "sentence"),
    [
        ({"rename": 95}, "measured.on: this key is missing"),
        ({"on": "yesterday"}, "measured.on: must be a date, such as 2026-12-03 (it is 'yesterday')"),
        ({"on": 20261203}, "measured.on: must be a date, such as 2026-12-03 (it is 20261203)"),
        ({"on": "2026-12-03", "rename": -1}, "measured.rename: must be at least 0.0 (it is -1)"),
        ({"on": "2026-12-03", "catchUp": 9}, "measured.catchUp: unknown key"),
    ],
)
def test_times_that_no_rehearsal_measures_are_refused(measured: dict[str, Any], sentence: str) -> None:
    message = refusal({"sources": [{**SOURCE, "measured": measured}]})
    assert message.startswith(f"rds-encrypt:sources[0].{sentence}")


def test_what_a_rehearsal_prints_can_be_pasted_under_a_source() -> None:
    times = {"rename": 95.04, "copy": 500.0, "verification": 3.0}
    config = "sources:\n    - identifier: orders\n" + snippet(times, date(2026, 12, 3))
    (written,) = yaml.safe_load(config)["sources"]
    assert written == {
        "identifier": "orders",
        "measured": {"on": "2026-12-03", "copy": 500.0, "rename": 95.0},
    }
    assert parse(**written).sources[0].measured == MeasuredSettings(date(2026, 12, 3), copy=500, rename=95)


def test_what_a_program_gives_as_settings_is_validated_too() -> None:
    given = SourceSettings("orders", CredentialSettings(secret_id="orders/master"), binlog_retention_hours=96)
    assert settings.source_settings(given) == given
    for wrong, sentence in (
        (
            replace(given, binlog_retention_hours=200),
            "sources[0].binlog_retention_hours: must be at most 168",
        ),
        (
            replace(given, connection=ConnectionSettings("ssh", SshSettings("-oProxyCommand=x"))),
            "sources[0].connection.ssh.host: this is not a host name or address",
        ),
        (replace(given, accept={"all": "why"}), "sources[0].accept.all: 'all' is not a check"),
    ):
        with pytest.raises(PreconditionFailed, match=re.escape(sentence)):
            settings.source_settings(wrong)


def test_keys_may_be_the_names_of_fields_as_in_a_program() -> None:
    (source,) = parse(kms_key="alias/x", catch_up={"far_behind": 5, "relaxed": False}).sources
    assert (source.kms_key, source.catch_up) == ("alias/x", CatchUpSettings("off", 5))
    assert refusal({"sources": [{**SOURCE, "catch_up": {"farbehind": 5}}]}).startswith(
        "rds-encrypt:sources[0].catch_up.farbehind: unknown key. Did you mean `farBehind`?"
    )


def test_a_list_without_sources_is_refused() -> None:
    assert refusal({"sources": []}).startswith("rds-encrypt:sources: ")


@pytest.mark.parametrize(
    ("key", "value"), [("binlogRetentionHours", 169), ("catchUpHours", 0), ("method", "fast")]
)
def test_values_out_of_range_are_shown(key: str, value: Any) -> None:
    message = refusal({"sources": [{**SOURCE, key: value}]})
    assert message.startswith(f"rds-encrypt:sources[0].{key}: ")
    assert repr(value) in message


def test_the_secret_of_a_credentials_block_never_shows() -> None:
    """Somebody will try to put the password itself there."""
    message = refusal({"sources": [{**SOURCE, "credentials": {"password": "hunter2"}}]})
    assert "hunter2" not in message


def test_checks_are_accepted_by_their_names_with_a_reason() -> None:
    accept = {check.name: "CHG-1" for check in registry.ALL if check.scope is not Scope.EVERY_RUN}
    assert parse(accept=accept).sources[0].accept == accept


@pytest.mark.parametrize(
    ("accept", "sentence"),
    [
        (
            {"free-storage": "x", "all": "x"},
            "accept.all: 'all' is not a check. docs/concepts.md#the-checks lists",
        ),
        ({"backups-on": "x"}, "accept.backups-on: 'backups-on' cannot be accepted: it runs every time"),
        ({"free-storage": ""}, "accept.free-storage: string should have at least 1 character"),
        (["free-storage"], "accept: must be a mapping"),
    ],
)
def test_what_cannot_be_accepted_is_refused(accept: Any, sentence: str) -> None:
    assert refusal({"sources": [{**SOURCE, "accept": accept}]}).startswith(
        f"rds-encrypt:sources[0].{sentence}"
    )


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=12),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
        max_leaves=8,
    )
)
def test_whatever_the_config_holds_the_answer_is_settings_or_one_line(value: Any) -> None:
    for values in ({"sources": value}, {"sources": [value]}, {"sources": [SOURCE], "phase": value}):
        try:
            settings.parse(values)
        except PreconditionFailed as refused:
            assert len(str(refused).splitlines()) == 1  # noqa: PT017 - a refusal is one of two good answers
