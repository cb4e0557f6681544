"""The steps that several phases of a migration declare, each with the inputs that every step needs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

import pulumi

from components.source import Source
from providers.binlog_retention import BinlogRetention
from providers.claim import Claim
from providers.copy_slot import CopySlot
from providers.cutover import Cutover
from providers.deletion_guard import DeletionGuard
from providers.group_access import GroupAccess
from providers.preflight import Preflight
from providers.proxy_targets import ProxyTargets
from providers.replica_names import ReplicaNames
from providers.resource import StepResource, urn_of
from providers.rollback import Rollback
from providers.verification import Verification
from rds_encrypt.replica_pairs import ReplicaPair
from rds_encrypt.settings import VerifySettings
from rds_encrypt.verified import verified

__all__ = ["Steps"]

S = TypeVar("S", bound=StepResource)


class Steps:
    """Declares steps of one source, in its component.

    Attributes:
        preflight: checks whether the phase may begin.
        claim: marks the source as this stack's; every other step comes after it.
    """

    def __init__(self, source: Source, parent: pulumi.Resource) -> None:
        self._source = source
        self._settings = source.settings
        self._parent = parent
        self._declared: list[StepResource] = []
        self.preflight = self._preflight()
        self.claim = self.step(
            Claim, [self.preflight], owner=source.owner.stack, backend=source.owner.backend
        )

    def step(self, kind: type[S], after: list[pulumi.Resource], **inputs: pulumi.Input[Any]) -> S:
        """Declare any step on the source."""
        return self._declare(
            kind, self._source.names.source, after, source_id=self._source.source_id, **inputs
        )

    def _declare(
        self, kind: type[S], name: str, after: list[pulumi.Resource], **inputs: pulumi.Input[Any]
    ) -> S:
        step = kind(
            name,
            pulumi.ResourceOptions(parent=self._parent, depends_on=after),
            access=self._source.access,
            urn=urn_of(kind, name, self._parent),
            **inputs,
        )
        self._declared.append(step)
        return step

    def end_run_after_failure(self) -> None:
        """End the run if a step fails, even with `--continue-on-error`.

        With that option, Pulumi also deletes what the phase does not declare: after a failed rollback the step `Cutover`. And where a
        step that it skipped depends on one that it deletes, it leaves a state that it refuses to read: docs/decisions/0014.
        """
        for step in self._declared:
            step.done.apply(self._require_success, run_with_unknowns=True)

    def _require_success(self, done: object) -> None:
        if isinstance(done, pulumi.output.Unknown):
            raise pulumi.RunError(
                f"{self._source.names.source}: a step has failed, or was left out (`--target`, `--exclude`, `--run-program`), so the"
                f" whole run ends, in spite of `--continue-on-error`: in phase `{self._source.phase}`, Pulumi would now delete steps that"
                " the next run needs. Correct what the step says, and run the command again without these options."
            )

    def _preflight(self) -> Preflight:
        source = self._source
        return self._declare(
            Preflight,
            source.names.source,
            [],
            identifier=source.names.source,
            phase=source.phase,
            method=source.settings.method,
            strategy=source.settings.cutover.strategy,
            kms_key_arn=source.existing.key.arn,
            along=source.settings.replicas,
            fate=source.settings.cleanup.old,
            accept=dict(source.settings.accept),
            preview=pulumi.runtime.is_dry_run(),
            fleet=source.fleet.quota_demands,
            alone=source.may_fail_alone,
        )

    def group_access(self) -> GroupAccess:
        instance = self._source.require_instance()
        groups = sorted(group["VpcSecurityGroupId"] for group in instance.description["VpcSecurityGroups"])
        return self.step(GroupAccess, [self.claim], groups=groups, port=instance.port)

    def retention(self) -> BinlogRetention:
        return self.step(BinlogRetention, [self.claim], hours=self._settings.binlog_retention_hours)

    def copy_slot(
        self, arn: pulumi.Input[str], snapshot: pulumi.Resource, **stopped_at: pulumi.Input[Any]
    ) -> CopySlot:
        at_once = self._source.fleet.copies_at_once
        return self.step(CopySlot, [self.claim, snapshot], snapshot=arn, at_once=at_once, **stopped_at)

    def deletion_guard(self, encrypted_id: pulumi.Input[str], after: list[pulumi.Resource]) -> DeletionGuard:
        identifier = self._source.names.source
        return self.step(
            DeletionGuard, [self.claim, *after], identifier=identifier, encrypted_id=encrypted_id
        )

    def verification(
        self, encrypted_id: pulumi.Input[str], replica_id: pulumi.Input[str], after: list[pulumi.Resource]
    ) -> Verification:
        return self.step(
            Verification,
            after,
            identifier=self._source.names.source,
            encrypted_id=encrypted_id,
            replica_id=replica_id,
            verify=self._verify,
            hours=self._settings.catch_up_hours,
            wanted=self._wanted_verification(),
        )

    @property
    def _verify(self) -> VerifySettings:
        """How to compare; where readers use the encrypted side already, each stop is short, because they see no newer data during it."""
        settings = self._settings
        if settings.replicas.reads_first and self._source.existing.replicas:
            return replace(settings.verify, max_stop_minutes=1)
        return settings.verify

    def _wanted_verification(self) -> str | None:
        """Return the verification that the tag shows, or that one is due; ``None`` once the names have begun to move.

        The tag decides, not the state: the cutover's check reads it, and it outlives both.
        """
        topology, verify = self._source.topology, self._settings.verify
        if topology.state.cutover_begun or self._source.phase == "rollback":
            return None
        tags = self._source.require_instance().tags
        # With the time, so that a verification can become due again.
        due = f"due {datetime.now(UTC).isoformat(timespec='microseconds')}"
        if topology.state.verifying:
            return due
        if verify.level == "off":
            return "off"
        encrypted = topology.encrypted
        verification = verified(tags, encrypted.resource_id) if encrypted is not None else None
        return (
            str(verification)
            if verification is not None and verification.serves(verify.level, verify.max_age)
            else due
        )

    def replica_names(
        self,
        pair: ReplicaPair,
        replica_id: pulumi.Input[str],
        above_id: pulumi.Input[str] | None,
        encrypted_id: pulumi.Input[str],
        after: list[pulumi.Resource],
    ) -> ReplicaNames:
        source, phase, replicas = self._source, self._source.phase, self._settings.replicas
        first = phase == "replicate" and replicas.reads_first
        moved = first or phase in {"cutover", "cleanup"}
        through_id = above_id if moved else pair.above.original_id if pair.above is not None else None
        return self._declare(
            ReplicaNames,
            pair.name,
            [self.claim, *after],
            source_id=source.source_id,
            identifier=source.names.source,
            replica=pair.name,
            original_id=pair.original_id,
            replica_id=replica_id,
            encrypted_id=encrypted_id,
            through_id=through_id,
            moved=moved,
            first=first,
            strategy=self._settings.cutover.strategy,
            record=replicas.records.get(pair.name),
            retired=phase == "cleanup" and self._settings.cleanup.old != "keep",
            hours=self._settings.catch_up_hours,
            accept=dict(self._settings.accept),
        )

    def proxy_targets(self, encrypted_id: pulumi.Input[str], after: pulumi.Resource) -> None:
        if self._settings.cutover.proxies == "follow":
            identifier, moved = self._source.names.source, self._source.phase != "rollback"
            self.step(
                ProxyTargets,
                [self.claim, after],
                identifier=identifier,
                encrypted_id=encrypted_id,
                moved=moved,
            )

    def cutover(
        self,
        kind: type[Cutover] | type[Rollback],
        encrypted_id: pulumi.Input[str],
        after: list[pulumi.Resource],
        **fenced: pulumi.Input[Any],
    ) -> Cutover | Rollback:
        inputs = {**self._source.cutover_inputs(), "encrypted_id": encrypted_id, **fenced}
        return self.step(kind, [self.claim, *after], **inputs)
