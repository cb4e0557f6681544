"""AWS throttles, fails, refuses; instances end up in states of their own."""

from __future__ import annotations

import pytest

from providers.arguments import PairArgs, StepArgs
from providers.binlog_retention import BinlogRetentionArgs, BinlogRetentionProvider
from providers.claim import ClaimArgs, ClaimProvider
from providers.deletion_guard import DeletionGuardProvider
from providers.retirement import RetirementArgs, RetirementProvider
from providers.step import require_no_names_moving
from rds_encrypt.aws import dns_records, keys
from rds_encrypt.journal import Tag
from rds_encrypt.settings import DnsSettings
from tests.engine.faults.book import fault
from tests.engine.faults.stage import Stage

__all__: list[str] = []

_STATUSES = {
    "failed": "An instance cannot be created or recovered.",
    "incompatible-restore": "A snapshot cannot be restored.",
    "incompatible-parameters": "A parameter does not fit the class of an instance.",
    "incompatible-network": "A subnet has no free address.",
    "incompatible-option-group": "An option does not fit an instance.",
    "inaccessible-encryption-credentials": "The KMS key of an instance is disabled, or RDS may not use it.",
    "insufficient-capacity": "AWS has no instance of the class left.",
    "storage-full": "The storage of an instance is full.",
}


@fault("Throttling", "AWS", "AWS goes on throttling after all attempts of a call.")
def _throttled(stage: Stage) -> None:
    stage.faults.throttle(count=100)
    stage.instances.find(stage.source_id)


@fault("AWS answers with 5xx", "AWS", "A call fails on AWS's side, each time that it is tried.")
def _internal(stage: Stage) -> None:
    stage.faults.error(count=100, status=503)
    stage.instances.find(stage.source_id)


@fault("AWS cannot be reached", "AWS", "There is no network path to AWS's endpoint.")
def _unreachable(stage: Stage) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        stage.instances.find(stage.source_id)


@fault("Credentials have expired", "AWS", "A session token ends in the middle of a migration.")
def _expired(stage: Stage) -> None:
    stage.faults.refuse(
        "ExpiredToken", "The security token included in the request is expired", count=100, status=403
    )
    stage.instances.find(stage.source_id)


@fault("There are no credentials", "AWS", "Neither environment, profile nor instance role gives any.")
def _no_credentials(stage: Stage) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.delenv(name)
        for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
            patch.setenv(name, "/nonexistent")
        stage.instances.find(stage.source_id)


@fault("A call is not allowed", "AWS", "The caller's policy lacks an action.")
def _denied(stage: Stage) -> None:
    stage.faults.refuse(
        "AccessDenied",
        "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: rds:ModifyDBInstance",
        action="ModifyDBInstance",
        status=403,
    )
    stage.instances.modify(stage.encrypted_id, BackupRetentionPeriod=8)


@fault("An instance is busy", "AWS", "RDS, or another user, is changing the instance at the moment.")
def _busy(stage: Stage) -> None:
    stage.in_status("modifying")
    stage.instances.modify(stage.encrypted_id, BackupRetentionPeriod=8)


@fault("No capacity", "AWS", "AWS has no instance of the class left when it is asked for one.")
def _no_capacity(stage: Stage) -> None:
    stage.faults.refuse(
        "InsufficientDBInstanceCapacity",
        "Cannot fulfil the request because there is not enough capacity for class db.t3.medium.",
        action="ModifyDBInstance",
    )
    stage.instances.modify(stage.encrypted_id, BackupRetentionPeriod=8)


@fault("A quota is used up", "AWS", "The final snapshot of the old instance would be one too many.")
def _quota(stage: Stage) -> None:
    stage.faults.refuse(
        "SnapshotQuotaExceeded", "Cannot create more than 100 manual snapshots", action="DeleteDBInstance"
    )
    stage.deployment.client("rds").modify_db_instance(
        DBInstanceIdentifier="orders-encrypted", DeletionProtection=False, ApplyImmediately=True
    )
    stage.instances.wait(
        stage.encrypted_id,
        "lose its protection",
        lambda instance: instance.available and not instance.description["DeletionProtection"],
        deadline=20,
    )
    stage.later.callback(_protect, stage)
    stage.instances.delete(stage.encrypted_id, final_snapshot="orders-old-final", deadline=5)


def _protect(stage: Stage) -> None:
    stage.instances.modify(stage.encrypted_id, DeletionProtection=True)
    stage.instances.wait(
        stage.encrypted_id,
        "be protected",
        lambda instance: instance.available and bool(instance.description["DeletionProtection"]),
        deadline=20,
    )


@fault("RDS may not use the key", "AWS", "The key was disabled while the migration ran.")
def _key_not_accessible(stage: Stage) -> None:
    stage.faults.refuse(
        "KMSKeyNotAccessibleFault",
        "The specified KMS key is not accessible: it is disabled",
        action="ModifyDBInstance",
    )
    stage.instances.modify(stage.encrypted_id, BackupRetentionPeriod=8)


@fault("AWS refuses something else", "AWS", "AWS answers with an error that the program does not know.")
def _unknown(stage: Stage) -> None:
    stage.instances.modify(stage.encrypted_id, BackupRetentionPeriod=99)


@fault("The record is not there", "AWS", "`cutover.dns` names a record that the zone does not have.")
def _no_record(stage: Stage) -> None:
    zone = stage.deployment.client("route53").create_hosted_zone(Name="shop.internal.", CallerReference="f")
    dns = DnsSettings(zone["HostedZone"]["Id"].rpartition("/")[2], "db.shop.internal.")
    dns_records.target(stage.aws(), dns)


def _enter_status(status: str, how: str) -> None:
    @fault(f"Status `{status}`", "Instances", how)
    def provoke(stage: Stage) -> None:
        stage.in_status(status)
        DeletionGuardProvider().perform(stage.world(), stage.args(PairArgs))


for _status, _how in _STATUSES.items():
    _enter_status(_status, _how)


@fault(
    "Protected and broken",
    "Instances",
    "`pulumi destroy` comes to an encrypted instance that could not be restored, with the source's deletion protection.",
)
def _protected(stage: Stage) -> None:
    stage.in_status("incompatible-restore")
    stage.instances.delete(stage.encrypted_id, final_snapshot=None, deadline=5)


@fault("A wait takes too long", "Instances", "An instance does not become available in the time allowed.")
def _deadline(stage: Stage) -> None:
    stage.in_status("modifying")
    stage.instances.wait_until_available(stage.encrypted_id, deadline=0.5)


@fault("An instance is gone", "Instances", "An instance that a step needs was deleted.")
def _gone(stage: Stage) -> None:
    stage.instances.get("db-NOSUCHINSTANCE")


@fault("Another stack already migrates it", "Instances", "A second stack wants to migrate the same source.")
def _claimed(stage: Stage) -> None:
    ClaimProvider().perform(
        stage.world(), stage.args(ClaimArgs, owner="rds-encrypt/elsewhere", backend="another")
    )


@fault(
    "A stack in another backend already migrates it",
    "Instances",
    "A stack of the same name, whose state lies in another backend, wants to migrate the same source.",
)
def _claimed_elsewhere(stage: Stage) -> None:
    ClaimProvider().perform(stage.world(), stage.args(ClaimArgs, owner="rds-encrypt/dev", backend="another"))


@fault(
    "`pulumi destroy` while names move",
    "Instances",
    "`pulumi destroy` after a cutover, or a rollback, that was interrupted while it moved the names.",
)
def _given_up(stage: Stage) -> None:
    stage.later.callback(stage.instances.untag, stage.encrypted_id, [Tag.CUTOVER_BEGAN])
    stage.instances.tag(stage.encrypted_id, {Tag.CUTOVER_BEGAN: "2026-11-25T08:00:00+00:00"})
    require_no_names_moving(stage.world(), stage.args(StepArgs))


@fault(
    "The encrypted instance is unlike the source",
    "Instances",
    "A setting of the source, or of the encrypted instance, was changed during the migration.",
)
def _unlike(stage: Stage) -> None:
    stage.instances.modify(stage.encrypted_id, BackupRetentionPeriod=5)
    stage.later.callback(_retain, stage, 7)
    _retained(stage, 5)
    DeletionGuardProvider().perform(stage.world(), stage.args(PairArgs))


def _retain(stage: Stage, days: int) -> None:
    stage.instances.modify(stage.encrypted_id, BackupRetentionPeriod=days)
    _retained(stage, days)


def _retained(stage: Stage, days: int) -> None:
    stage.instances.wait(
        stage.encrypted_id,
        f"keep backups for {days} days",
        lambda instance: instance.available and instance.retention_days == days,
        deadline=20,
    )


@fault(
    "It is not encrypted",
    "Instances",
    "The instance called `X-encrypted` was restored from a plain snapshot.",
)
def _plain(stage: Stage) -> None:
    DeletionGuardProvider().perform(stage.world(), stage.args(PairArgs, encrypted_id=stage.source_id))


@fault("Retired too early", "Instances", "`cleanup` is asked for although `X` is not the encrypted instance.")
def _too_early(stage: Stage) -> None:
    RetirementProvider().perform(stage.world(), stage.args(RetirementArgs, fate="stop"))


@fault(
    "The source replicates from outside RDS", "Instances", "The source itself replicates from outside RDS."
)
def _follows_somebody(stage: Stage) -> None:
    with stage.session(stage.source_id) as session:
        session.call(
            "mysql.rds_set_external_master",
            "elsewhere.example",
            3306,
            "somebody",
            "pass-w0rd",
            "bin.000001",
            4,
            0,
        )
    stage.later.callback(_follow_nobody, stage)
    BinlogRetentionProvider().perform(stage.world(), stage.args(BinlogRetentionArgs, hours=72))


def _follow_nobody(stage: Stage) -> None:
    with stage.session(stage.source_id) as session:
        session.call("mysql.rds_reset_external_master")


def _key(stage: Stage, action: str, **arguments: object) -> str:
    kms = stage.deployment.client("kms")
    key: str = kms.create_key(Description="of a fault")["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName=f"alias/{action.replace('_', '-')}", TargetKeyId=key)
    getattr(kms, action)(KeyId=key, **arguments)
    return f"alias/{action.replace('_', '-')}"


@fault("The key is disabled", "Keys, secrets and certificates", "`kmsKey` names a key that is switched off.")
def _disabled(stage: Stage) -> None:
    keys.resolve(stage.aws(), _key(stage, "disable_key"))


@fault(
    "The key is about to be deleted", "Keys, secrets and certificates", "`kmsKey` names a key on its way out."
)
def _pending(stage: Stage) -> None:
    keys.resolve(stage.aws(), _key(stage, "schedule_key_deletion", PendingWindowInDays=7))


@fault("There is no such key", "Keys, secrets and certificates", "`kmsKey` names no key of the region.")
def _no_key(stage: Stage) -> None:
    keys.resolve(stage.aws(), "alias/nobodys")
