"""One source's road from unencrypted to encrypted, as Pulumi resources.

source ─▶ replica ─▶ stopped replication ─▶ snapshot ─▶ encrypted copy ─▶ encrypted instance
                                                                              │
   replica resumes ◀─ verification ◀─ catch-up ◀─ external replication ◀─ deletion guard ◀┘
                           │
                       cutover ─▶ retirement
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import pulumi
import pulumi_aws as aws
from pydantic.alias_generators import to_camel

from components.backend import Owner
from components.fleet import Fleet
from components.owner_settings import owner_settings, storage_settings
from components.reached import reached
from components.settings import Phase, SourceSettings
from providers.binlog_retention import BinlogRetention
from providers.candidate_retention import CandidateRetention
from providers.catch_up import CatchUp
from providers.claim import Claim
from providers.copy_slot import CopySlot
from providers.cutover import Cutover
from providers.cutover_protocol import CUTOVER_OUTPUTS, cutover_context
from providers.deletion_guard import DeletionGuard
from providers.external_replication import ExternalReplication
from providers.group_access import GroupAccess
from providers.preflight import Preflight
from providers.replication_user import ReplicationUser
from providers.resumed_replication import ResumedReplication
from providers.retirement import Retirement
from providers.rollback import Rollback
from providers.step import StepContext, urn_of
from providers.stopped_replication import StoppedReplication
from providers.verification import VERIFICATION_OUTPUTS, Verification
from providers.write_fence import WriteFence
from rds_encrypt import journal
from rds_encrypt.access import Access, AccessSettings
from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.instances import Instance
from rds_encrypt.connection import Connection
from rds_encrypt.core.errors import MigrationError, PreconditionFailed
from rds_encrypt.core.waiting import silent
from rds_encrypt.cutover.briefing import Briefing, briefing
from rds_encrypt.cutover.direction import cutover_direction, rollback_direction
from rds_encrypt.exec_mode import strict
from rds_encrypt.journal import Role, tags_for
from rds_encrypt.outlook import Outlook
from rds_encrypt.plan.costs import Prices
from rds_encrypt.plan.phases import Wish, plan
from rds_encrypt.plan.words import as_line, as_markdown, as_text
from rds_encrypt.reports.files import Files
from rds_encrypt.verified import verified

__all__ = ["Migration", "MigrationArgs"]

# A large database takes hours where pulumi-aws would stop waiting after 20 to 80 minutes.
_INSTANCE_TIMEOUTS: Final = pulumi.CustomTimeouts(create="24h", update="24h", delete="6h")
# The AWS provider knows only `create` for snapshots and their copies, and the engine warns about any other.
_SNAPSHOT_TIMEOUTS: Final = pulumi.CustomTimeouts(create="24h")

# What the engine and the AWS provider must not compare any more. The provider knows no wildcard, so every input is named.
_EVERYTHING: Final = [
    *(to_camel(name) for name in inspect.signature(aws.rds.InstanceArgs).parameters),
    "tagsAll",
]
# Of that, what a cutover changes. An instance has it from its restore on, and a `refresh` after the cutover must not call it drift.
_CHANGED_BY_A_CUTOVER: Final = ["parameterGroupName", "tags", "tagsAll"]
# What the AWS provider refuses beside `replicateSourceDb`. When a replica is imported, the engine takes the values of whatever is
# ignored from what it read, these too.
_NOT_OF_REPLICAS: Final = {
    "characterSetName",
    "dbName",
    "engine",
    "engineVersion",
    "restoreToPointInTime",
    "s3Import",
    "username",
}
_EVERYTHING_OF_REPLICAS: Final = [name for name in _EVERYTHING if name not in _NOT_OF_REPLICAS]
_EVERYTHING_OF_GROUPS: Final = ["name", "family", "description", "parameters", "tags", "tagsAll"]

_TOLD_IN_FULL: Final = 4
"""Plans of so many sources still fit a preview that somebody reads; of more, each is a line, and the rest is in its file."""

S = TypeVar("S", bound=pulumi.dynamic.Resource)


@dataclass(frozen=True)
class MigrationArgs:
    """What a migration is made from.

    Attributes:
        settings: the source's part of the stack's config.
        phase: how far to go.
        connection: how the instances are reached.
        owner: the stack, for the claim on the source.
        fleet: the other sources of the stack, as far as they concern this one.
        outlook: what there is.
        aws: clients for looking closer while the program runs; everything that is done is done by resources.
    """

    settings: SourceSettings
    phase: Phase
    connection: Connection
    owner: Owner
    fleet: Fleet
    outlook: Outlook
    aws: Aws


class Migration(pulumi.ComponentResource):
    """Takes one RDS MySQL instance as far as its phase says.

    Attributes:
        outputs: what it has come to.
        reached: the same in one sentence, for a list of all sources.
    """

    outputs: dict[str, pulumi.Input[Any]]
    reached: pulumi.Output[str | None]

    def __init__(self, name: str, args: MigrationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("rds-encrypt:index:Migration", name, None, opts)
        self._settings = args.settings
        self._aws = args.aws
        self._owner = args.owner
        self._fleet = args.fleet
        self._phase = args.phase
        self._outlook = args.outlook
        self._topology = args.outlook.topology
        self._names = self._topology.names
        self._access = AccessSettings(
            secret_id=args.settings.credentials.secret_id,
            environment=args.settings.credentials.environment,
            username=args.settings.credentials.username,
            ca_file=args.settings.ca_file,
            connection=args.connection,
        )
        self._source_group = args.outlook.group.name if args.outlook.group else ""
        self._key = args.outlook.key
        self._preflight = self._declare_preflight()
        self._claim = self._declare_claim()
        self.outputs = {
            "identifier": args.settings.identifier,
            "phase": args.phase,
            "kms_key_id": self._key.arn,
        }
        match args.settings.method, args.phase:
            case _, "cleanup":
                self._clean_up()
            case "online", phase:
                self._replicate(phase)
            case "offline", phase:
                self._copy_with_downtime(phase)
        self.reached = reached(args.phase, args.settings.method, self.outputs)
        if pulumi.runtime.is_dry_run():
            # Not beside the sentence of a preflight that refuses.
            self._preflight.urn.apply(lambda _urn: self._show_plan())
        self.register_outputs(self.outputs)

    # The phases, as lists of what should exist.

    def _replicate(self, phase: Phase) -> None:
        access = self._declare_group_access()
        retention = self._step(
            BinlogRetention, {"hours": self._settings.binlog_retention_hours}, [self._claim]
        )
        user = self._step(ReplicationUser, {}, [self._claim])
        replica = self._declare_replica([retention, user])
        stopped = self._step(StoppedReplication, {"replica_id": replica.id}, [replica])
        snapshot = self._declare_snapshot(
            replica.identifier, [stopped], pulumi.Output.format("{0}:{1}", stopped.file, stopped.position)
        )
        stands = {"replica_id": replica.id, "file": stopped.file, "position": stopped.position}
        encrypted = self._declare_encrypted(snapshot, stands)
        # Undone before retention and user are, for which the source must take writes.
        deletion_guard = self._declare_deletion_guard(encrypted, [retention, user])
        kept = self._step(
            CandidateRetention,
            {"encrypted_id": encrypted.id, "hours": self._settings.binlog_retention_hours},
            [deletion_guard],
        )
        attached = self._step(
            ExternalReplication,
            {
                "encrypted_id": encrypted.id,
                "replica_id": replica.id,
                "file": stopped.file,
                "position": stopped.position,
            },
            [kept, access, user],
        )
        caught_up = self._step(
            CatchUp,
            {
                "encrypted_id": encrypted.id,
                "hours": self._settings.catch_up_hours,
                "relax_above": self._settings.relax_above,
            },
            [attached],
        )
        verified = self._declare_verification(encrypted.id, replica.id, [caught_up])
        resumed = self._step(ResumedReplication, {"replica_id": replica.id}, [verified])
        self._declare_fence_group()
        self.outputs |= {
            "coordinates": pulumi.Output.format("{0}:{1}", stopped.file, stopped.position),
            "in_sync_at": caught_up.in_sync_at,
            "encrypted_instance": encrypted.id,
        }
        if phase == "cutover":
            self._declare_cutover(Cutover, encrypted.id, [verified, resumed])
        elif phase == "rollback":
            self._declare_cutover(Rollback, encrypted.id, [verified, resumed])

    def _copy_with_downtime(self, phase: Phase) -> None:
        self._declare_fence_group()
        if phase == "rollback":
            raise PreconditionFailed(
                "method `offline` has no rollback path",
                where=self._names.source,
                fix=f"Go on with phase `cleanup`; `{self._names.old}` holds the data as it was before",
            )
        if phase == "replicate":
            return
        # Until the cutover has proved by the binlogs that nothing was written, RDS must not purge them.
        retention = self._step(
            BinlogRetention, {"hours": self._settings.binlog_retention_hours}, [self._claim]
        )
        fence = self._step(
            WriteFence,
            {"group": self._source_group, "seconds": self._settings.cutover.max_write_outage},
            [retention],
        )
        at = pulumi.Output.format("{0}:{1}", fence.file, fence.position)
        snapshot = self._declare_snapshot(self._names.source, [fence], at)
        encrypted = self._declare_encrypted(snapshot)
        deletion_guard = self._declare_deletion_guard(encrypted, [fence])
        self.outputs |= {"coordinates": at, "encrypted_instance": encrypted.id}
        self._declare_cutover(Cutover, encrypted.id, [deletion_guard], snapshot_at=at, moments=fence.moments)

    def _clean_up(self) -> None:
        encrypted = self._topology.encrypted
        if encrypted is None:
            return  # Preflight says that this phase is too early.
        self._keep_encrypted(encrypted)
        self._declare_deletion_check_of(encrypted.resource_id, [])
        done = self._declare_cutover(Cutover, encrypted.resource_id, [])
        retirement = self._step(
            Retirement,
            {
                "identifier": self._names.source,
                "encrypted_id": encrypted.resource_id,
                "fate": self._settings.cleanup.old,
            },
            [done],
        )
        self.outputs |= {
            "encrypted_instance": encrypted.resource_id,
            "old": retirement.old,
            "old_status": retirement.old_status,
            "old_backups_kept_until": retirement.keep_until,
            "rollback_path": "closed by phase `cleanup`",
            "automatic_snapshots_wanted": retirement.snapshots_wanted,
        }

    # What exists before anything else.

    def _declare_preflight(self) -> Preflight:
        inputs = {
            "identifier": self._names.source,
            "phase": self._phase,
            "method": self._settings.method,
            "strategy": self._settings.cutover.strategy,
            "kms_key_arn": self._key.arn,
            "access": self._access.as_inputs(),
            "preview": pulumi.runtime.is_dry_run(),
            "fleet": [need.as_input() for need in self._fleet.needs],
            "alone": self._may_fail_alone,
            "urn": urn_of(Preflight, self._names.source, self),
        }
        return Preflight(self._names.source, inputs, pulumi.ResourceOptions(parent=self))

    def _declare_claim(self) -> Claim:
        return self._step(
            Claim, {"owner": self._owner.stack, "backend": self._owner.backend}, [self._preflight]
        )

    def _declare_group_access(self) -> GroupAccess:
        source = self._require_source()
        groups = sorted(group["VpcSecurityGroupId"] for group in source.description["VpcSecurityGroups"])
        return self._step(GroupAccess, {"groups": groups, "port": source.port}, [self._claim])

    # AWS resources.

    def _declare_replica(self, after: list[pulumi.Resource]) -> aws.rds.Instance:
        source = self._require_source()
        settings = owner_settings(source)
        return aws.rds.Instance(
            self._names.replica,
            identifier=self._names.replica,
            replicate_source_db=self._names.source,
            instance_class=settings["instance_class"],
            vpc_security_group_ids=settings["vpc_security_group_ids"],
            port=settings["port"],
            # A new minor version in the middle of a migration would be a surprise.
            auto_minor_version_upgrade=False,
            apply_immediately=True,
            skip_final_snapshot=True,
            tags=settings["tags"] | tags_for(Role.REPLICA, source.resource_id),
            **storage_settings(source),
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=after,
                custom_timeouts=_INSTANCE_TIMEOUTS,
                import_=self._topology.replica.resource_id if self._topology.replica else None,
                # A throw-away: RDS lets it inherit settings, and rewrites the source's name when that is renamed.
                ignore_changes=_EVERYTHING_OF_REPLICAS,
            ),
        )

    def _declare_snapshot(
        self, instance: pulumi.Input[str], after: list[pulumi.Resource], at: pulumi.Output[str]
    ) -> aws.rds.Snapshot:
        """Declare a snapshot that says which coordinates it holds: the step that reads them may be done anew, the snapshot not."""
        return aws.rds.Snapshot(
            self._names.replica,
            db_instance_identifier=instance,
            db_snapshot_identifier=self._names.replica,
            tags={**tags_for(Role.REPLICA, self._topology.source_id), journal.COORDINATES: at},
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=after,
                custom_timeouts=_SNAPSHOT_TIMEOUTS,
                import_=self._orphan(self._names.replica),
                ignore_changes=["dbInstanceIdentifier", "dbSnapshotIdentifier", "tags", "tagsAll"],
            ),
        )

    def _declare_encrypted(
        self, snapshot: aws.rds.Snapshot, stands: Mapping[str, pulumi.Input[Any]] | None = None
    ) -> aws.rds.Instance:
        """Declare the instance that is restored from the encrypted copy; ``stands`` says where a replica should stand for it."""
        source = self._require_source()
        turn = self._step(
            CopySlot,
            {
                "snapshot": snapshot.db_snapshot_arn,
                "at_once": self._fleet.copies_at_once,
                **(stands or {}),
            },
            [self._claim, snapshot],
        )
        copy = aws.rds.SnapshotCopy(
            self._names.encrypted,
            source_db_snapshot_identifier=snapshot.db_snapshot_arn,
            target_db_snapshot_identifier=self._names.encrypted,
            kms_key_id=self._key.arn,
            tags={
                **tags_for(Role.ENCRYPTED, source.resource_id),
                journal.COORDINATES: snapshot.tags.apply(
                    lambda tags: (tags or {}).get(journal.COORDINATES, "")
                ),
            },
            # An alias that moves to another key must not throw the copy away in the middle of a migration.
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[turn],
                custom_timeouts=_SNAPSHOT_TIMEOUTS,
                import_=self._orphan(self._names.encrypted),
                ignore_changes=["kmsKeyId", "sourceDbSnapshotIdentifier", "copyTags", "tags", "tagsAll"],
            ),
        )
        hold = self._declare_group(self._names.encrypted, follows=True)
        settings = owner_settings(source, self._topology.encrypted)
        settings["tags"] |= tags_for(Role.ENCRYPTED, source.resource_id)
        return aws.rds.Instance(
            self._names.encrypted,
            identifier=self._names.encrypted,
            snapshot_identifier=copy.target_db_snapshot_identifier,
            # Not computed by the provider: left out, the next preview would replace the instance.
            storage_encrypted=True,
            parameter_group_name=hold.name,
            apply_immediately=True,
            skip_final_snapshot=True,
            **settings,
            opts=self._encrypted_options(),
        )

    def _keep_encrypted(self, encrypted: Instance) -> None:
        """Go on declaring the instance that carries production, so that no preview ever proposes to delete it."""
        aws.rds.Instance(
            self._names.encrypted,
            identifier=encrypted.identifier,
            instance_class=encrypted.description["DBInstanceClass"],
            opts=self._encrypted_options(),
        )

    def _encrypted_options(self) -> pulumi.ResourceOptions:
        """Never deleted by the provider, which goes by the name in state; DeletionGuard deletes by identity, if at all.

        Until the cutover the instance follows the source's settings. From then on nothing about it is this stack's
        business, and an update would go to a name that has moved.
        """
        followed = ["identifier", "snapshotIdentifier", "kmsKeyId", "storageEncrypted"]
        if self._phase == "cutover":
            followed += _CHANGED_BY_A_CUTOVER
        encrypted = self._topology.encrypted
        # One that DeletionGuard has not seen yet may be what a killed run left behind: it is taken over as it is.
        source = self._topology.source
        orphan = encrypted is not None and source is not None and journal.PARTNER not in source.tags
        return pulumi.ResourceOptions(
            parent=self,
            retain_on_delete=True,
            custom_timeouts=_INSTANCE_TIMEOUTS,
            import_=encrypted.resource_id if encrypted is not None else None,
            ignore_changes=followed if self._follows_source and not orphan else _EVERYTHING,
        )

    def _orphan(self, snapshot: str) -> str | None:
        """Return the snapshot's name if it exists and is ours: the engine takes over what is not in its state yet."""
        tags = self._outlook.snapshots.get(snapshot)
        return (
            snapshot if tags is not None and tags.get(journal.MIGRATION) == self._topology.source_id else None
        )

    def _declare_fence_group(self) -> None:
        """The old instance takes this one along when it is renamed, and follows the encrypted one with it."""
        self._declare_group(self._names.fence, follows=True)

    def _declare_group(self, name: str, *, follows: bool = False) -> aws.rds.ParameterGroup:
        """Declare a clone of the source's parameter group that keeps an instance read-only and its events quiet.

        Instances that carry production, or its past, may run with it, so it is DeletionGuard that deletes it when nobody does.
        """
        origin = self._outlook.group
        if origin is None:
            raise _gone(self._names.source)
        values = {**origin.values, "read_only": ("1", "immediate"), "event_scheduler": ("OFF", "immediate")}
        if follows:
            values |= strict(origin.exec_mode)
        description = f"{origin.name}, {self._names.group_purpose}"
        return aws.rds.ParameterGroup(
            name,
            name=name,
            family=origin.family,
            description=description,
            parameters=[
                {"name": parameter, "value": value, "apply_method": method}
                for parameter, (value, method) in sorted(values.items())
            ],
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[self._claim],
                retain_on_delete=True,
                import_=name if self._outlook.groups[name] == description else None,
                ignore_changes=[] if self._follows_source else _EVERYTHING_OF_GROUPS,
            ),
        )

    # Steps that several phases declare.

    def _declare_deletion_guard(
        self, encrypted: aws.rds.Instance, after: list[pulumi.Resource]
    ) -> DeletionGuard:
        return self._declare_deletion_check_of(encrypted.id, [encrypted, *after])

    def _declare_deletion_check_of(
        self, encrypted_id: pulumi.Input[str], after: list[pulumi.Resource]
    ) -> DeletionGuard:
        inputs = {"identifier": self._names.source, "encrypted_id": encrypted_id}
        return self._step(DeletionGuard, inputs, [self._claim, *after])

    def _declare_verification(
        self, encrypted_id: pulumi.Input[str], replica_id: pulumi.Input[str], after: list[pulumi.Resource]
    ) -> Verification:
        done = self._step(
            Verification,
            {
                "identifier": self._names.source,
                "encrypted_id": encrypted_id,
                "replica_id": replica_id,
                "verify": self._settings.verify.model_dump(mode="json"),
                "hours": self._settings.catch_up_hours,
                "wanted": self._wanted_verification(),
            },
            after,
        )
        self.outputs |= {key: getattr(done, key) for key in VERIFICATION_OUTPUTS}
        return done

    def _wanted_verification(self) -> str | None:
        """Return what makes the verification due again, if it is; nothing does once the names have begun to move.

        The tag decides, not the state: it is what the cutover's check looks at, and it outlives both.
        """
        encrypted, verify = self._topology.encrypted, self._settings.verify
        if self._topology.cutover_begun or self._phase == "rollback":
            return None
        tags = self._require_source().tags
        # With the time: what was due once, and done, may become due again.
        due = f"due {datetime.now(UTC).isoformat(timespec='microseconds')}"
        if journal.VERIFYING in tags:
            return due
        if verify.level == "off":
            return "off"
        found = verified(tags, encrypted.resource_id) if encrypted is not None else None
        return str(found) if found is not None and found.serves(verify.level, verify.max_age) else due

    def _declare_cutover(
        self,
        kind: type[Cutover] | type[Rollback],
        encrypted_id: pulumi.Input[str],
        after: list[pulumi.Resource],
        *,
        snapshot_at: pulumi.Input[str] | None = None,
        moments: pulumi.Input[dict[str, str]] | None = None,
    ) -> pulumi.Resource:
        done = self._step(
            kind,
            {
                "identifier": self._names.source,
                "encrypted_id": encrypted_id,
                "source_group": self._source_group,
                "cutover": self._settings.cutover.model_dump(mode="json", exclude_none=True),
                "verify": self._settings.verify.model_dump(mode="json"),
                "snapshot_at": snapshot_at,
                "moments": moments,
            },
            [self._claim, *after],
        )
        self.outputs |= {key: getattr(done, key) for key in CUTOVER_OUTPUTS}
        return done

    # What a preview says.

    def _show_plan(self) -> None:
        """Say what this phase will do, and write the same down for a comment on a pull request."""
        files = Files(self._names.source, warn=lambda words: pulumi.log.warn(words, resource=self))
        settings = self._settings
        wish = Wish(
            phase=self._phase,
            method=settings.method,
            strategy=settings.cutover.strategy,
            key=settings.kms_key,
            fate=settings.cleanup.old,
            write_outage=settings.cutover.max_write_outage,
            binlog_hours=settings.binlog_retention_hours,
            catch_up_hours=settings.catch_up_hours,
            verified=settings.verify.level != "off",
            prices=Prices(**settings.prices.model_dump()) if settings.prices is not None else None,
        )
        try:
            found = plan(wish, self._topology, self._briefing())
        except MigrationError as error:
            pulumi.log.warn(f"the plan cannot be told now: {error}", resource=self)
            return
        written = files.write("plan.md", as_markdown(found, self._names.source, self._phase))
        if found is not None:
            brief = self._fleet.sources > _TOLD_IN_FULL and not found.stopped
            pulumi.log.info(as_line(found, written) if brief else as_text(found), resource=self)

    def _briefing(self) -> Briefing | None:
        """Ask the checks, if there is a cutover between two instances ahead."""
        encrypted = self._topology.encrypted
        forward = self._phase == "cutover"
        ahead = self._phase in {"cutover", "rollback"} and self._topology.cut_over != forward
        if encrypted is None or not ahead or self._settings.method == "offline":
            return None
        direction = (cutover_direction if forward else rollback_direction)(
            self._names, self._topology.source_id, encrypted.resource_id
        )
        inputs = {
            "identifier": self._names.source,
            "source_group": self._source_group,
            "cutover": self._settings.cutover.model_dump(mode="json", exclude_none=True),
            "verify": self._settings.verify.model_dump(mode="json"),
        }
        return briefing(
            cutover_context(
                StepContext(self._aws, Access(self._aws, self._access), silent), inputs, direction
            )
        )

    @property
    def _may_fail_alone(self) -> bool:
        """Whether others may go on when this phase is refused to this source.

        Only where the phase takes nothing away: what is not declared, the engine deletes, whether or not a step has failed. And not
        when writes may be refused, or a name is on the way: that is everybody's business.
        """
        topology = self._topology
        under_way = topology.cutover_begun or topology.fenced or topology.returning
        return self._phase in {"replicate", "cutover"} and not under_way

    @property
    def _follows_source(self) -> bool:
        """Whether settings still follow the source's; once a cutover is wanted, an update could undo what it did.

        In method `offline` that phase is also the one that makes group and instance: what a killed run left of them is completed
        until the names move. Not after a rollback either: the state may call the encrypted instance by the name that the source
        has again.
        """
        encrypted = self._topology.encrypted
        moved = encrypted is not None and {journal.CUTOVER_BEGAN, journal.ROLLED_BACK} & encrypted.tags.keys()
        being_made = {"replicate", "cutover"} if self._settings.method == "offline" else {"replicate"}
        return self._phase in being_made and not moved

    def _require_source(self) -> Instance:
        if self._topology.source is None:
            raise _gone(self._names.source)
        return self._topology.source

    def _step(self, kind: type[S], inputs: dict[str, Any], after: list[pulumi.Resource]) -> S:
        """Declare a step of this source, with what every step needs."""
        name = self._names.source
        common = {
            "source_id": self._topology.source_id,
            "access": self._access.as_inputs(),
            "urn": urn_of(kind, name, self),
        }
        return kind(name, {**common, **inputs}, pulumi.ResourceOptions(parent=self, depends_on=after))  # type: ignore[arg-type] # all our steps take (name, inputs, opts)


def _gone(name: str) -> PreconditionFailed:
    return PreconditionFailed(
        "the source does not exist any more", where=name, fix="Set `phase` to `cleanup`"
    )
