"""Verification: compares the replica and the encrypted instance, both stopped at the same coordinates of the source.

Neither is production, so production carries no load. Afterwards both follow the source again in any case. A tag on the source says
that a verification is under way, for the run after a killed one; another says when it was clean.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pulumi
from pulumi.dynamic import DiffResult, UpdateResult

from providers.arguments import PairArgs, ReplicaArgs, recorded
from providers.reports import files_of, lag_log
from providers.resource import StepResource
from providers.step import HOUR, Outputs, Step, StepContext
from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.parameter_groups import ParameterGroups
from rds_encrypt.core.errors import ActionRequired, Cancelled, OutcomeUnknown, Retryable, TimedOut
from rds_encrypt.journal import Tag
from rds_encrypt.mysql import lag
from rds_encrypt.mysql.coordinates import Coordinates, lie_together
from rds_encrypt.mysql.same_coordinates import Opener, resume, stopped_at_same_coordinates
from rds_encrypt.names import Names
from rds_encrypt.parallel_appliers import ParallelAppliers
from rds_encrypt.replica_pairs import find_counterparts
from rds_encrypt.reports.files import Files
from rds_encrypt.settings import VerifySettings
from rds_encrypt.state import state_of
from rds_encrypt.verification.checkpoint import Checkpoint
from rds_encrypt.verification.comparison import Comparison
from rds_encrypt.verification.definitions import compare_variables
from rds_encrypt.verification.differences import Difference, sentences
from rds_encrypt.verification.plan import Result
from rds_encrypt.verified import Verified

__all__ = ["Verification", "VerificationArgs", "VerificationProvider"]

_MINUTE = 60.0
_AGAIN = 2
"""How often one run repeats a comparison."""
_STATEMENT = 24 * HOUR
"""Seconds that one statement may take: a table without a key is read in one."""


@dataclass(frozen=True, kw_only=True)
class VerificationArgs(PairArgs, ReplicaArgs):
    """The arguments of `Verification`.

    Attributes:
        hours: the longest wait for one to catch up, in hours.
        wanted: the value of the source's tag while that is recent enough, otherwise ``due`` with the time; ``None``: no verification.
        counted: the tag's value when the step finished. When it differs from ``wanted``, this step, unlike others, runs again.
    """

    verify: VerifySettings
    hours: float
    wanted: str | None = None
    counted: str | None = recorded(None)


class VerificationProvider(Step[VerificationArgs]):
    """Compares both. Outputs: those of `Verification`, and ``counted``, which a later run reads."""

    identity = ("encrypted_id", "source_id")
    ignored = (*Step.ignored, "wanted")

    def perform(self, context: StepContext, args: VerificationArgs) -> Outputs:
        """Compare, unless that is off or too late; make both follow the source again in any case."""
        nothing: Outputs = {
            **dict.fromkeys(Verification.output_names()),
            "verify_level": args.verify.level,
            "differences": [],
        }
        source, encrypted = context.instances.get_several(args.source_id, args.encrypted_id)
        if state_of(encrypted=encrypted).cutover_begun:
            return nothing
        visit = _Visit(context, args)
        if args.verify.level == "off":
            if state_of(source=source).verifying:
                visit.end()
            return {**nothing, "counted": "off"}
        result, differences = visit.compare(source)
        outputs = visit.report(result, differences)
        if differences:
            raise ActionRequired(
                f"it differs from the source: {'; '.join(sentences(differences))}",
                where=context.instances.get(args.encrypted_id).identifier,
                fix=f"Read {visit.files.path('verification.json')}. If a setting differs, correct it and run `pulumi up` again;"
                " if data differs, run `pulumi destroy` in phase `replicate` and start over",
                safe="Replication goes on, the source is untouched, and no cutover will begin",
            )
        return outputs

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Compare the inputs that matter, and check whether a verification is due."""
        result = super().diff(_id, _olds, _news)
        return DiffResult(
            changes=bool(result.changes) or self._due(_olds, _news),
            replaces=result.replaces,
            delete_before_replace=result.delete_before_replace,
        )

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Verify again if that is due; otherwise record the inputs, as other steps do."""
        if not self._due(_olds, _news):
            return super().update(_id, _olds, _news)
        return UpdateResult({**_olds, **_news, **self.carry_out(_news)})

    def _due(self, _olds: dict[str, Any], _news: dict[str, Any]) -> bool:
        """Whether the program requests a verification that has not run yet; a refresh compares with what it requested last."""
        olds, requested = self.read_args(_olds), self.read_args(_news).wanted
        return requested is not None and requested not in (olds.counted, olds.wanted)


def _passes(error: BaseException) -> bool:
    """Whether a comparison that failed like this may succeed when repeated at once."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(_passes, error.exceptions))
    return isinstance(error, (Retryable, OutcomeUnknown)) and not isinstance(error, (TimedOut, Cancelled))


@dataclass
class _Visit:
    """One verification and its state."""

    context: StepContext
    args: VerificationArgs
    coordinates: list[Coordinates] = field(default_factory=list)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def files(self) -> Files:
        return files_of(self.args)

    def compare(self, source: Instance) -> tuple[Result, tuple[Difference, ...]]:
        """Compare both; start over if one was unavailable or moved meanwhile: RDS reboots replicas (RDS-EVENT-0396)."""
        for _ in range(_AGAIN):
            try:
                return self._compare(source)
            except Exception as error:
                if not _passes(error):
                    raise
            self.coordinates.clear()
            for instance in (self.args.replica_id, self.args.encrypted_id):
                self.context.instances.wait_until_available(
                    instance, deadline=HOUR, progress=self.context.progress
                )
        return self._compare(source)

    def _compare(self, source: Instance) -> tuple[Result, tuple[Difference, ...]]:
        """Stop both at the same coordinates as often as needed; each stop has a time limit, and they catch up in between."""
        self.context.instances.tag(source, {Tag.VERIFYING: self.at.isoformat(timespec="seconds")})
        self.context.instances.untag(source, [Tag.VERIFIED])
        # Undoes what a killed run left.
        self._appliers.put_back()
        replica, copy = self._openers()
        comparison = Comparison(
            replica,
            copy,
            self.args.verify,
            Checkpoint(None, ""),
            self.context.progress,
            master=str(source.description["MasterUsername"]),
        )
        # Readers stay where they are until after the verification, even if the config no longer says `readsFirst`.
        minutes = 1 if self._has_readers() else self.args.verify.max_stop_minutes
        finished = False
        while not finished:
            with stopped_at_same_coordinates(
                replica,
                copy,
                deadline=self.args.hours * HOUR,
                sequential=self._appliers.reduced,
                together=self._together,
                progress=self.context.progress,
            ) as coordinates:
                self.at = datetime.now(UTC)
                if self.coordinates:
                    comparison.checkpoint.stand_at(str(coordinates))
                else:
                    comparison.checkpoint = self._checkpoint(coordinates)
                self.coordinates.append(coordinates)
                finished = comparison.advance(deadline=minutes * _MINUTE)
            self._catch_up()
        result = comparison.result
        comparison.checkpoint.forget()
        source, encrypted = self._source_and_encrypted()
        self.context.instances.untag(source, [Tag.VERIFYING])
        with self.context.access.session(source) as ours, self.context.access.session(encrypted) as theirs:
            variables = compare_variables(ours, theirs)
        return result, (*result.differences, *variables)

    def _has_readers(self) -> bool:
        """Whether readers use an encrypted replica already, which gets no newer data while the encrypted instance is stopped."""
        instances = self.context.instances
        encrypted = instances.get(self.args.encrypted_id)
        pairs = find_counterparts(instances, encrypted, self.args.source_id)
        return any(pair.at_name(encrypted=True) for pair in pairs)

    def end(self) -> None:
        """Make both follow again after a killed run."""
        self._appliers.put_back()
        resume(*self._openers())
        self.context.instances.untag(self.args.source_id, [Tag.VERIFYING])

    def report(self, result: Result, differences: tuple[Difference, ...]) -> Outputs:
        """Write the result to a file and, if it is clean, to the tag that the cutover checks."""
        verified = Verified(self.at, self.args.verify.level, self.args.encrypted_id)
        outputs: Outputs = {
            "verified_at": self.at.isoformat(timespec="seconds"),
            "verified_coordinates": str(self.coordinates[-1]),
            "verified_tables": result.tables,
            "verified_rows": result.rows,
            "verified_chunks": result.chunks,
            "verified_bytes": result.bytes,
            "verify_seconds": round(result.seconds, 1),
            "verify_level": self.args.verify.level,
            "differences": sentences(differences),
        }
        self.files.write_json(
            "verification.json",
            {
                "identifier": self.args.identifier,
                "clean": not differences,
                **outputs,
                # Two keys keep the names that readers of this file expect.
                "verify_mode": outputs["verify_level"],
                "stand_stills": [str(coordinates) for coordinates in self.coordinates],
                "chunks_resumed": result.resumed,
                "differences": [difference.as_plain() for difference in differences],
            },
        )
        if not differences:
            self.context.instances.tag(self.args.source_id, {Tag.VERIFIED: str(verified)})
            self.context.progress(
                f"verified: {result.rows:,} rows of {result.tables} tables are equal, in {result.seconds:.1f} s"
            )
        return {**outputs, "counted": str(verified)}

    def _checkpoint(self, coordinates: Coordinates) -> Checkpoint:
        """Return a killed run's checkpoint, if both instances are still at its coordinates."""
        verify = self.args.verify
        compared = f"{self.args.source_id} {self.args.encrypted_id} {verify.level} {verify.sample}"
        return Checkpoint.open(self.files.path("verification.progress"), compared, str(coordinates))

    @property
    def _appliers(self) -> ParallelAppliers:
        source, encrypted = self._source_and_encrypted()
        group = encrypted.parameter_group
        return ParallelAppliers(
            ParameterGroups(self.context.aws),
            group if group == Names(source.identifier).encrypted else None,
            source.parameter_group,
            partial(self.context.session, encrypted.resource_id),
            self.context.progress,
        )

    def _together(self, one: Coordinates, other: Coordinates) -> bool:
        """Whether the source has no change between two coordinates: then it does not matter at which of them an instance stopped."""
        with self.context.session(self.args.source_id) as session:
            return lie_together(session, one, other)

    def _catch_up(self) -> None:
        """Let the encrypted instance catch up after a stop."""
        source, encrypted = self._source_and_encrypted()
        with (
            self.context.access.session(source) as ahead,
            self.context.access.session(encrypted) as behind,
            lag_log(source, self.args) as log,
        ):
            lag.catch_up(
                ahead,
                behind,
                deadline=self.args.hours * HOUR,
                progress=self.context.progress,
                watch=log.add,
            )

    def _openers(self) -> tuple[Opener, Opener]:
        """Return functions that open sessions on the replica and on the encrypted instance."""
        replica, encrypted = self.context.instances.get_several(self.args.replica_id, self.args.encrypted_id)
        session = partial(self.context.access.session, read_timeout=_STATEMENT)
        return partial(session, replica), partial(session, encrypted)

    def _source_and_encrypted(self) -> tuple[Instance, ...]:
        return self.context.instances.get_several(self.args.source_id, self.args.encrypted_id)


class Verification(StepResource, provider=VerificationProvider):
    """The proof that the encrypted instance holds what the source holds."""

    verified_at: pulumi.Output[str]
    verified_coordinates: pulumi.Output[str]
    verified_tables: pulumi.Output[int]
    verified_rows: pulumi.Output[int]
    verified_chunks: pulumi.Output[int]
    verified_bytes: pulumi.Output[int]
    verify_seconds: pulumi.Output[float]
    verify_level: pulumi.Output[str]
    differences: pulumi.Output[list[str]]
