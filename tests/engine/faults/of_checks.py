"""Checks that call a cutover off before it begins: each that can be made to fail is made to fail."""

from __future__ import annotations

import time
from datetime import timedelta
from functools import partial

from dev.sandbox.mysql.sessions import execute
from dev.workload.database import rows
from providers.arguments import as_inputs
from providers.cutover_protocol import ProtocolArgs, cutover_context
from rds_encrypt.core.waiting import Wait, until
from rds_encrypt.cutover import checks
from rds_encrypt.cutover.direction import cutover_direction
from rds_encrypt.journal import Tag
from rds_encrypt.mysql import channel, retention
from rds_encrypt.names import Names
from rds_encrypt.settings import CutoverSettings, VerifySettings
from tests.engine.faults.book import fault
from tests.engine.faults.stage import Stage
from tests.engine.metrics import note_free_storage

__all__: list[str] = []

SECTION = "Checks"


def _ask(stage: Stage, **settings: int) -> None:
    """Run all checks, as a cutover does before it touches anything."""
    source = stage.instances.get(stage.source_id)
    args = stage.args(
        ProtocolArgs,
        source_group=source.parameter_group,
        cutover=as_inputs(CutoverSettings(**settings)),  # type: ignore[arg-type] # limits
        verify=as_inputs(VerifySettings()),
    )
    direction = cutover_direction(Names("orders"), stage.source_id, stage.encrypted_id)
    context = cutover_context(stage.world(), args, direction)
    with context.sessions() as (primary, candidate):
        checks.require_passed(context, primary, candidate)


def _set(stage: Stage, name: str, value: str) -> None:
    """Change a parameter of the encrypted instance's group, and wait until it is in effect."""
    parameter = {"ParameterName": name, "ParameterValue": value, "ApplyMethod": "immediate"}
    stage.deployment.client("rds").modify_db_parameter_group(
        DBParameterGroupName="orders-encrypted", Parameters=[parameter]
    )
    with stage.session(stage.encrypted_id) as session:
        until(
            Wait(f"{name} to be {value}", deadline=30, first=0.1, longest=0.3),
            lambda: str(session.value(f"SELECT @@GLOBAL.{name}")),
            done=lambda current: current == value,
        )


@fault(
    "An instance is being rebooted",
    SECTION,
    "One of the two instances is being rebooted, modified or failed over.",
)
def _rebooting(stage: Stage) -> None:
    # Still reachable: the status says so a while before a reboot cuts the connections.
    stage.in_status("rebooting")
    _ask(stage)


@fault("Replication has stopped", SECTION, "It was stopped, and `pulumi refresh` was not run since.")
def _stopped(stage: Stage) -> None:
    with stage.session(stage.encrypted_id) as encrypted:
        channel.stop(encrypted)
        stage.later.callback(_start, stage)
    _ask(stage)


def _start(stage: Stage) -> None:
    with stage.session(stage.encrypted_id) as encrypted:
        channel.start(encrypted)


@fault("Not verified", SECTION, "The two copies were found unlike, or have not been compared yet.")
def _not_verified(stage: Stage) -> None:
    verified = stage.instances.get(stage.source_id).tags[Tag.VERIFIED]
    stage.later.callback(stage.instances.tag, stage.source_id, {Tag.VERIFIED: verified})
    stage.instances.untag(stage.source_id, [Tag.VERIFIED])
    _ask(stage)


@fault(
    "The encrypted instance accepts writes",
    SECTION,
    "It was opened by mistake: `read_only` was switched off in its parameter group.",
)
def _opened(stage: Stage) -> None:
    stage.later.callback(_set, stage, "read_only", "1")
    _set(stage, "read_only", "0")
    _ask(stage)


@fault(
    "Events would fire twice",
    SECTION,
    "The event scheduler of the encrypted instance was switched on.",
)
def _scheduler(stage: Stage) -> None:
    stage.later.callback(_set, stage, "event_scheduler", "OFF")
    _set(stage, "event_scheduler", "ON")
    _ask(stage)


@fault(
    "An event is on one side only",
    SECTION,
    "A scheduled event was made or dropped on one of the two.",
)
def _event(stage: Stage) -> None:
    with stage.host(stage.encrypted_id) as host:
        execute(host, "CREATE EVENT shop.stray ON SCHEDULE EVERY 1 DAY DISABLE DO SELECT 1")
    stage.later.callback(_drop_event, stage)
    _ask(stage)


def _drop_event(stage: Stage) -> None:
    with stage.host(stage.encrypted_id) as host:
        execute(host, "DROP EVENT shop.stray")


@fault(
    "A setting was changed",
    SECTION,
    "The source's owner has changed its class, its backups or the like meanwhile.",
)
def _setting(stage: Stage) -> None:
    stage.later.callback(_copied, stage, copied=True)
    _copied(stage, copied=False)
    _ask(stage)


def _copied(stage: Stage, *, copied: bool) -> None:
    stage.instances.modify(stage.source_id, CopyTagsToSnapshot=copied)
    stage.instances.wait(
        stage.source_id,
        "have that",
        lambda instance: instance.available and instance.description["CopyTagsToSnapshot"] is copied,
        deadline=20,
    )


@fault(
    "The encrypted instance purges its binlogs at once",
    SECTION,
    "Its `binlog retention hours` were set to NULL; the old instance could not follow it after the cutover.",
)
def _purges(stage: Stage) -> None:
    stage.later.callback(_keep_binlogs, stage, 72)
    _keep_binlogs(stage, None)
    _ask(stage)


def _keep_binlogs(stage: Stage, hours: int | None) -> None:
    with stage.session(stage.encrypted_id) as session:
        retention.write(session, hours)


@fault("A long transaction is open", SECTION, "A report, or a client that was forgotten.")
def _long(stage: Stage) -> None:
    holder = stage.later.enter_context(stage.deployment.connected("orders"))
    holder.begin()
    rows(holder, "SELECT id FROM orders WHERE id = 1 FOR UPDATE")
    time.sleep(2.5)
    _ask(stage, long_transaction=1)


@fault(
    "A transaction is prepared", SECTION, "An XA transaction waits for its COMMIT, and its session has ended."
)
def _prepared(stage: Stage) -> None:
    with stage.deployment.connected("orders") as connection:
        for statement in (
            "XA START 'left'",
            "UPDATE orders SET note = 'xa' WHERE id = 3",
            "XA END 'left'",
            "XA PREPARE 'left'",
        ):
            rows(connection, statement)
    stage.later.callback(_roll_back, stage)
    _ask(stage)


def _roll_back(stage: Stage) -> None:
    with stage.deployment.connected("orders") as connection:
        rows(connection, "XA ROLLBACK 'left'")


@fault(
    "An account passes `read_only`",
    SECTION,
    "An account of an application was granted CONNECTION_ADMIN.",
)
def _slips_past(stage: Stage) -> None:
    account = f"'{stage.deployment.seeded.application_user}'@'%'"
    with stage.host(stage.source_id) as host:
        execute(host, f"GRANT CONNECTION_ADMIN ON *.* TO {account}")
    stage.later.callback(_revoke, stage, account)
    _ask(stage)


def _revoke(stage: Stage, account: str) -> None:
    with stage.host(stage.source_id) as host:
        execute(host, f"REVOKE CONNECTION_ADMIN ON *.* FROM {account}")


@fault("The storage is nearly full", SECTION, "Binlogs and relay logs have grown, or the data has.")
def _nearly_full(stage: Stage) -> None:
    note = partial(note_free_storage, stage.deployment, "orders-encrypted", ago=timedelta(seconds=1))
    stage.later.callback(note, gib=15)
    note(gib=0.25)
    _ask(stage)
