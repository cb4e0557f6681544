"""One source's migration from unencrypted to encrypted, as Pulumi resources.

source ─▶ replica ─▶ stopped replication ─▶ snapshot ─▶ encrypted copy ─▶ encrypted instance
                                                                              │
replica resumes ◀─ verification ◀─ catch-up ◀─ external replication ◀─ deletion guard
                           │
                        cutover ─▶ retirement
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi

from components.instances import AwsResources
from components.preview import show_plan
from components.reached import reached
from components.replicas import Replicas
from components.run_errors import as_run_errors
from components.settings import source_settings
from components.stack import Stack
from components.steps import Steps
from providers.candidate_retention import CandidateRetention
from providers.catch_up import CatchUp
from providers.cutover import Cutover
from providers.external_replication import ExternalReplication
from providers.replication_user import ReplicationUser
from providers.resource import StepResource
from providers.resumed_replication import ResumedReplication
from providers.retirement import Retirement
from providers.rollback import Rollback
from providers.stopped_replication import StoppedReplication
from providers.write_fence import WriteFence
from rds_encrypt.phases import Phase
from rds_encrypt.settings import Settings, SourceSettings

__all__ = ["Migration"]


class Migration(pulumi.ComponentResource):
    """Migrates one RDS MySQL instance as far as its phase says.

    Args:
        name: the component's; by convention the identifier of the source.
        settings: what the config has for a source, as settings or as plain values.
        stack: what several migrations of one program share; without it, this one looks up its own.

    Attributes:
        outputs: the migration's outputs.
        reached: the state reached, in one sentence, for a list of all sources.

    Raises:
        pulumi.RunError: the settings are wrong, the source does not exist or is already encrypted, or its key cannot be used.
    """

    outputs: dict[str, pulumi.Input[Any]]
    reached: pulumi.Output[str | None]

    def __init__(
        self,
        name: str,
        settings: SourceSettings | Mapping[str, Any],
        *,
        stack: Stack | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        with as_run_errors():
            settings = source_settings(settings)
            stack = stack or Stack.look_up(Settings(sources=(settings,)))
        options = pulumi.ResourceOptions.merge(stack.options_for(settings.identifier), opts)
        super().__init__("rds-encrypt:index:Migration", name, None, options)
        self._source = stack.source(settings)
        self._settings = settings
        with as_run_errors():
            self._declare()
        if pulumi.runtime.is_dry_run():
            # Not if the preflight fails.
            self._steps.preflight.urn.apply(lambda _urn: show_plan(self._source, self))
        elif not self._source.may_fail_alone:
            self._steps.end_run_after_failure()
        self.register_outputs(self.outputs)

    def _declare(self) -> None:
        source, phase = self._source, self._source.phase
        self._steps = Steps(source, self)
        self._aws = AwsResources(source, self, self._steps.claim)
        self.outputs = {
            "identifier": source.settings.identifier,
            "phase": phase,
            "kms_key_id": source.key,
        }
        match source.settings.method, phase:
            case _, "cleanup":
                self._clean_up()
            case "online", _:
                self._replicate(phase)
            case "offline", _:
                self._copy_with_downtime(phase)
        self.reached = reached(phase, source.settings.method, self.outputs)

    # The phases, as lists of what should exist.

    def _replicate(self, phase: Phase) -> None:
        access = self._steps.group_access()
        retention = self._steps.retention()
        user = self._steps.step(ReplicationUser, [self._steps.claim])
        replica = self._aws.replica([retention, user])
        stopped = self._steps.step(StoppedReplication, [replica], replica_id=replica.id)
        at = pulumi.Output.format("{0}:{1}", stopped.file, stopped.position)
        snapshot = self._aws.snapshot(replica.identifier, [stopped], at)
        stopped_at = {"replica_id": replica.id, "file": stopped.file, "position": stopped.position}
        copy = self._aws.copy(
            snapshot, [self._steps.copy_slot(snapshot.db_snapshot_arn, snapshot, **stopped_at)]
        )
        encrypted = self._aws.encrypted(copy)
        # Deleted before retention and user, whose deletion needs a source that accepts writes.
        guard = self._steps.deletion_guard(encrypted.id, [encrypted, retention, user])
        kept = self._steps.step(
            CandidateRetention,
            [guard],
            encrypted_id=encrypted.id,
            hours=self._settings.binlog_retention_hours,
        )
        attached = self._steps.step(
            ExternalReplication, [kept, access, user], encrypted_id=encrypted.id, **stopped_at
        )
        caught_up = self._steps.step(
            CatchUp,
            [attached],
            encrypted_id=encrypted.id,
            hours=self._settings.catch_up_hours,
            relax_above=self._settings.relax_above,
        )
        done = self._verification(encrypted.id, replica.id, [caught_up])
        resumed = self._steps.step(ResumedReplication, [done], replica_id=replica.id)
        self._aws.fence_group()
        self.outputs |= {
            "coordinates": at,
            "in_sync_at": caught_up.in_sync_at,
            "encrypted_instance": encrypted.id,
        }
        # The name in the state may be old, or the source's again.
        existing = self._source.topology.encrypted
        name = existing.identifier if existing is not None else encrypted.identifier
        replicas = Replicas(self._source, self._aws, name, [done, resumed])
        # A replica that is being made would delay the renames.
        ready = [done, resumed, *replicas.made]
        kinds: dict[str, type[Cutover] | type[Rollback]] = {"cutover": Cutover, "rollback": Rollback}
        kind = kinds.get(phase)
        last = self._cutover(kind, encrypted.id, ready) if kind is not None else guard
        self._readers(replicas, encrypted.id, last)

    def _copy_with_downtime(self, phase: Phase) -> None:
        self._aws.fence_group()
        if phase != "cutover":
            return  # Preflight refuses `rollback`.
        # Until the cutover has proved by the binlogs that nothing was written, RDS must not purge them.
        retention = self._steps.retention()
        fence = self._steps.step(
            WriteFence,
            [retention],
            group=self._source.group_name,
            seconds=self._settings.cutover.max_write_outage,
        )
        at = pulumi.Output.format("{0}:{1}", fence.file, fence.position)
        snapshot = self._aws.snapshot(self._source.require_instance().identifier, [fence], at)
        copy = self._aws.copy(snapshot, [self._steps.copy_slot(snapshot.db_snapshot_arn, snapshot)])
        encrypted = self._aws.encrypted(copy, noted=True)
        guard = self._steps.deletion_guard(encrypted.id, [encrypted, fence])
        self.outputs |= {"coordinates": at, "encrypted_instance": encrypted.id}
        self._cutover(Cutover, encrypted.id, [guard], snapshot_at=at, moments=fence.moments)

    def _clean_up(self) -> None:
        encrypted = self._source.topology.encrypted
        if encrypted is None:
            return  # Preflight says that this phase is too early.
        self._aws.keep_encrypted(encrypted)
        self._steps.deletion_guard(encrypted.resource_id, [])
        done = self._cutover(Cutover, encrypted.resource_id, [])
        replicas = Replicas(self._source, self._aws, encrypted.identifier, [])
        retirement = self._steps.step(
            Retirement,
            self._readers(replicas, encrypted.resource_id, done),
            identifier=self._source.names.source,
            encrypted_id=encrypted.resource_id,
            fate=self._settings.cleanup.old,
            accept=dict(self._settings.accept),
        )
        self.outputs |= {
            "encrypted_instance": encrypted.resource_id,
            "old": retirement.old,
            "old_status": retirement.old_status,
            "old_backups_kept_until": retirement.keep_until,
            "rollback_path": "closed by phase `cleanup`",
            "automatic_snapshots_wanted": retirement.snapshots_wanted,
        }

    def _readers(
        self, replicas: Replicas, encrypted_id: pulumi.Input[str], last: pulumi.Resource
    ) -> list[pulumi.Resource]:
        """Declare that the readers of the replicas move after ``last``; return the steps, or ``last``."""
        done, self.outputs["replicas"] = replicas.move_readers(self._steps, encrypted_id, last)
        return done

    # Steps whose outputs are outputs of the migration.

    def _verification(
        self, encrypted_id: pulumi.Input[str], replica_id: pulumi.Input[str], after: list[pulumi.Resource]
    ) -> pulumi.Resource:
        return self._export(self._steps.verification(encrypted_id, replica_id, after))

    def _cutover(
        self,
        kind: type[Cutover] | type[Rollback],
        encrypted_id: pulumi.Input[str],
        after: list[pulumi.Resource],
        **fenced: pulumi.Input[Any],
    ) -> pulumi.Resource:
        moved = self._export(self._steps.cutover(kind, encrypted_id, after, **fenced))
        self._steps.proxy_targets(encrypted_id, moved)
        return moved

    def _export(self, step: StepResource) -> pulumi.Resource:
        self.outputs |= {key: getattr(step, key) for key in step.output_names()}
        return step
