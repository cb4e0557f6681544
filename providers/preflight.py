"""Preflight: checks, at preview, everything that can be known before the migration touches anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pulumi.dynamic import CheckResult, UpdateResult

from providers.arguments import NamedArgs, recorded
from providers.progress import remark_for, warning_for
from providers.reports import files_of
from providers.resource import StepResource
from providers.step import Outputs, Step, StepContext
from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.inventory import AccountInventory
from rds_encrypt.check import Finding, Severity
from rds_encrypt.checks import run
from rds_encrypt.checks.context import CheckContext, Plan
from rds_encrypt.checks.words import as_markdown
from rds_encrypt.core.errors import AccountRefused, MigrationError, PreconditionFailed
from rds_encrypt.core.words import folded
from rds_encrypt.cutover.strategies import strategy_called
from rds_encrypt.discovery import Topology, discover
from rds_encrypt.mysql.dialect import dialect_of
from rds_encrypt.mysql.tables import require_transactional
from rds_encrypt.names import Names
from rds_encrypt.phases import Method, Phase
from rds_encrypt.quota_demand import QuotaDemand
from rds_encrypt.replica_pairs import find_pairs
from rds_encrypt.settings import Fate, ReplicaSettings, StrategyName

__all__ = ["Preflight", "PreflightArgs", "PreflightProvider"]

_OF_THE_MOMENT = {"preview", "fleet", "alone"}


@dataclass(frozen=True, kw_only=True)
class PreflightArgs(NamedArgs):
    """The arguments of `Preflight`.

    Attributes:
        along: which of the owner's replicas come along.
        fate: that of the old instance.
        accept: the checks that need not pass, and why.
        fleet: what all sources of the stack still need.
        alone: whether a failed check concerns this source only.
        refused: the failed checks, as sentences, if they did not end the run.
    """

    source_id: str = recorded("")
    phase: Phase
    method: Method
    strategy: StrategyName
    kms_key_arn: str
    along: ReplicaSettings = field(default_factory=ReplicaSettings)
    fate: Fate = "keep"
    accept: Mapping[str, str] = field(default_factory=dict)
    preview: bool = False
    fleet: tuple[QuotaDemand, ...] = ()
    alone: bool = False
    refused: tuple[str, ...] = recorded(())


class PreflightProvider(Step[PreflightArgs]):
    """Runs the checks. Outputs: the inputs without ``preview``, ``fleet`` and ``alone``, which hold only for one run."""

    identity = ("identifier",)

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Run the checks; do not record inputs that hold only for this run.

        A failed check ends a run for all sources of the stack. If the run can go on without harm to this source, the failure becomes
        an input instead, and only this resource fails.
        """
        args, failures = self.read_args(news), super().check(_olds, news).failures
        inputs = {key: value for key, value in news.items() if key not in _OF_THE_MOMENT}
        if failures and args.alone and not args.preview:
            return CheckResult({**inputs, "refused": [failure.reason for failure in failures]}, [])
        return CheckResult(inputs, failures)

    def refuse(self, context: StepContext, args: PreflightArgs) -> list[str]:
        """Return what blocks this phase, read-only; at preview, also show warnings and notes."""
        try:
            topology = discover(context.aws, Names.of(args.identifier))
            along = find_pairs(context.instances, topology, args.method, args.along)
            plan = Plan(
                args.phase,
                args.method,
                topology,
                strategy_called(args.strategy),
                args.kms_key_arn,
                args.accept,
                along,
                args.along,
                args.fate,
            )
            around = context.around or AccountInventory(context.aws)
            checks = CheckContext(context.aws, around, plan, args.fleet, context.access)
            if obstacles := [str(finding) for finding in run.obstacles(checks)]:
                return _refused(args, obstacles)
            findings = _findings(context, topology, checks, remarks=args.preview)
        except MigrationError as error:
            return _refused(args, [str(error)])
        _tell(args, findings)
        blocking = [str(finding) for finding in findings if finding.severity is Severity.BLOCKING]
        return _refused(args, blocking, findings)

    def perform(self, context: StepContext, args: PreflightArgs) -> Outputs:
        """Do nothing: ``check`` has decided already."""
        _require_allowed(args)
        return {}

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Record new inputs, if the check allowed them."""
        _require_allowed(self.read_args(_news))
        return super().update(_id, _olds, _news)


def _require_allowed(args: PreflightArgs) -> None:
    """Fail with the checks that failed, unless they have ended the run for all sources."""
    if args.refused:
        raise PreconditionFailed(" ".join(args.refused))


def _findings(
    context: StepContext, topology: Topology, checks: CheckContext, *, remarks: bool
) -> list[Finding]:
    """Open sessions, so that a wrong secret, route or certificate, or a table that cannot be copied, shows now; run the other checks."""
    late: list[Finding] = []
    if topology.encrypted is not None and topology.encrypted.available:
        try:
            with context.access.session(topology.encrypted) as session:
                dialect_of(session)
        except AccountRefused as error:
            late.append(_late(context, topology.encrypted, error))
    if topology.source is None or not topology.source.available:
        return [*late, *run.findings(checks, None, remarks=remarks)]
    try:
        with context.access.session(topology.source) as session:
            dialect_of(session)
            if topology.encrypted is None:
                require_transactional(session)
            return [*late, *run.findings(checks, session, remarks=remarks)]
    except AccountRefused as error:
        return [*late, _late(context, topology.source, error), *run.findings(checks, None, remarks=remarks)]


def _late(context: StepContext, instance: Instance, refusal: AccountRefused) -> Finding:
    """Return a note on an instance that only missed a password rotation; raise any other refusal."""
    if not context.access.has_missed_a_rotation(instance):
        raise refusal
    return Finding(
        Severity.NOTE,
        "it does not accept production's current master password",
        instance.identifier,
        why="the password was changed on production only",
        fix="rds-encrypt sets it here too as soon as a step needs it",
    )


def _tell(args: PreflightArgs, findings: list[Finding]) -> None:
    """Show warnings one by one, and notes together, under this resource."""
    warn, remark = warning_for(args.urn), remark_for(args.urn)
    for finding in findings:
        if finding.severity is Severity.WARNING:
            warn(_within(len("warning: "), str(finding)))
    if notes := [str(finding) for finding in findings if finding.severity is Severity.NOTE]:
        remark("\n".join(["Good to know:", *(f"- {_within(2, note)}" for note in notes)]))


def _within(before: int, sentences: str) -> str:
    """Return sentences in lines that fit, the first one after that many characters of another text."""
    return "\n".join(folded(sentences, " " * before)).lstrip()


def _refused(args: PreflightArgs, blocking: list[str], findings: Sequence[Finding] = ()) -> list[str]:
    """Return what blocks the phase; at preview, write all findings beside the plan, for a comment on a pull request."""
    if args.preview:
        files_of(args).write("findings.md", as_markdown(blocking, findings))
    return blocking


class Preflight(StepResource, provider=PreflightProvider):
    """The checks that a phase must pass, as a resource that fails the preview if one fails."""
