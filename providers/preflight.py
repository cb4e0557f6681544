"""Preflight: checks, at preview, everything that can be known before the migration touches anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi
from pulumi.dynamic import CheckResult, UpdateResult

from providers.progress import remark_for, warning_for
from providers.step import Inputs, Outputs, Step, StepContext
from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.inventory import AccountInventory
from rds_encrypt.check import Finding, Severity
from rds_encrypt.checks import run
from rds_encrypt.checks.context import CheckContext, Plan
from rds_encrypt.checks.words import as_markdown, folded
from rds_encrypt.core.errors import AccountRefused, MigrationError, PreconditionFailed
from rds_encrypt.discovery import Topology, discover
from rds_encrypt.mysql.dialect import dialect_of
from rds_encrypt.mysql.tables import require_transactional
from rds_encrypt.names import Names
from rds_encrypt.needs import Need
from rds_encrypt.reports.files import Files

__all__ = ["Preflight", "PreflightProvider"]

_OF_THE_MOMENT = {"preview", "fleet", "alone"}


class PreflightProvider(Step):
    """Inputs: ``identifier``, ``phase``, ``method``, ``strategy``, ``kms_key_arn``, ``preview``, ``fleet`` (what all sources of the
    stack still need), ``alone`` (whether a failed check concerns this source only). Outputs: the inputs without the last three.
    """

    identity = ("identifier",)

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Run the checks; do not record inputs that hold only for this run.

        A failed check ends a run for all sources of the stack. If the run can go on without harm to this source, the failure becomes
        an input instead, and only this resource fails.
        """
        failures = super().check(_olds, news).failures
        inputs = {key: value for key, value in news.items() if key not in _OF_THE_MOMENT}
        if failures and news.get("alone") and not news.get("preview"):
            return CheckResult({**inputs, "refused": [failure.reason for failure in failures]}, [])
        return CheckResult(inputs, failures)

    def refuse(self, context: StepContext, inputs: Inputs) -> list[str]:
        """Return what blocks this phase, read-only; at preview, also show warnings and notes."""
        try:
            found = discover(context.aws, Names.of(inputs["identifier"]))
            plan = Plan(inputs["phase"], inputs["method"], found, inputs["strategy"], inputs["kms_key_arn"])
            around = context.around or AccountInventory(context.aws)
            fleet = tuple(Need.from_input(each) for each in inputs.get("fleet") or ())
            checks = CheckContext(context.aws, around, plan, fleet)
            if obstacles := [str(finding) for finding in run.obstacles(checks)]:
                return _refused(inputs, obstacles)
            seen = _looked(context, found, checks, remarks=bool(inputs.get("preview")))
        except MigrationError as error:
            return _refused(inputs, [str(error)])
        _tell(inputs, seen)
        return _refused(inputs, [str(each) for each in seen if each.severity is Severity.BLOCKING], seen)

    def perform(self, context: StepContext, inputs: Inputs) -> Outputs:
        """Do nothing: ``check`` has decided already."""
        _require_allowed(inputs)
        return {}

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Record new inputs, if the check allowed them."""
        _require_allowed(_news)
        return super().update(_id, _olds, _news)


def _require_allowed(inputs: Inputs) -> None:
    """Fail with what ``check`` found, if that did not end the run for the other sources."""
    if refused := inputs.get("refused"):
        raise PreconditionFailed(" ".join(refused))


def _looked(context: StepContext, found: Topology, checks: CheckContext, *, remarks: bool) -> list[Finding]:
    """Open sessions, so that a wrong secret, route or certificate, or a table that cannot be copied, shows now; run the other checks."""
    late: list[Finding] = []
    if found.encrypted is not None and found.encrypted.available:
        try:
            with context.access.session(found.encrypted) as session:
                dialect_of(session)
        except AccountRefused as error:
            late.append(_late(context, found.encrypted, error))
    if found.source is None or not found.source.available:
        return [*late, *run.findings(checks, None, remarks=remarks)]
    try:
        with context.access.session(found.source) as session:
            dialect_of(session)
            if found.encrypted is None:
                require_transactional(session)
            return [*late, *run.findings(checks, session, remarks=remarks)]
    except AccountRefused as error:
        return [*late, _late(context, found.source, error), *run.findings(checks, None, remarks=remarks)]


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


def _tell(inputs: Inputs, seen: list[Finding]) -> None:
    """Show warnings one by one, and notes together, under this resource."""
    warn, remark = warning_for(inputs.get("urn")), remark_for(inputs.get("urn"))
    for finding in seen:
        if finding.severity is Severity.WARNING:
            warn(folded(str(finding), before=len("warning: ")))
    if notes := [str(finding) for finding in seen if finding.severity is Severity.NOTE]:
        remark("\n".join(["Good to know:", *(f"- {folded(note, before=2)}" for note in notes)]))


def _refused(inputs: Inputs, blocking: list[str], seen: Sequence[Finding] = ()) -> list[str]:
    """Return what blocks the phase; at preview, write all findings beside the plan, for a comment on a pull request."""
    if inputs.get("preview"):
        files = Files(inputs["identifier"], warn=warning_for(inputs.get("urn")))
        files.write("findings.md", as_markdown(blocking, seen))
    return blocking


class Preflight(pulumi.dynamic.Resource, module="rds", name="Preflight"):
    """The checks that a phase must pass, as a resource that fails the preview if one fails."""

    def __init__(self, name: str, inputs: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(PreflightProvider(), name, inputs, opts)
