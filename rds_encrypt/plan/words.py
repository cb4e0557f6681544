"""Renders a plan: as text for the preview in a terminal, and as Markdown for a comment on a pull request."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from rds_encrypt.core.words import WIDTH, folded
from rds_encrypt.cutover.preview import CutoverPreview
from rds_encrypt.cutover.timeline import CheckResult
from rds_encrypt.plan.estimates import RATES
from rds_encrypt.plan.phases import PhasePlan, Stage

__all__ = ["as_line", "as_markdown", "as_text"]

_TIME = 16
_NO_RETURN = "from here on, running again rolls forward"
_GUESS = "Durations are estimates: AWS publishes none."


def as_text(plan: PhasePlan) -> str:
    """Return the plan in lines that fit a terminal of 80 columns."""
    lines = [f"Plan for {plan.identifier}, phase `{plan.phase}`", *folded(plan.goal, rest="")]
    if plan.cutover_preview is not None:
        lines += ["", "Checks, as they are now:", *_checks(plan.cutover_preview)]
    lines += ["", "Moves, in this order:", *_stages(plan.stages)]
    lines.append("")
    for name, words in _facts(plan):
        lines += folded(words, f"{name}: ", "  ")
    if plan.rehearsed is not None:
        lines += folded(_basis(plan), "Note: ", "  ")
    return "\n".join(lines)


def as_line(plan: PhasePlan, file: Path | None) -> str:
    """Return the plan in one line, for a preview of many sources, with the file that has all of it."""
    known = [stage for stage in plan.stages if stage.takes is not None]
    more = f" Full plan: {file}" if file is not None else ""
    return (
        f"Plan for {plan.identifier}, phase `{plan.phase}`: {len(plan.stages)} moves"
        f"{f', estimated total {plan.together}' if known else ''}."
        f" Expected write outage: {plan.outage.rstrip('.')}.{more}"
    )


def as_markdown(plan: PhasePlan | None, identifier: str, phase: str) -> str:
    """Return the plan, or that there is nothing to do, for a comment on a pull request."""
    lines = [f"### `{identifier}`: phase `{phase}`", ""]
    as_of = f"<sub>As of {datetime.now(UTC):%Y-%m-%d %H:%M} UTC."
    if plan is None:
        return "\n".join(
            [*lines, "This phase is complete: there is nothing to do.", "", f"{as_of}</sub>", ""]
        )
    # First what a reviewer decides on, then how it comes about.
    lines += [plan.goal, ""]
    lines += [f"- **{name}**: {words}" for name, words in _facts(plan)]
    lines += ["", "| | move | takes |", "| ---: | --- | --- |"]
    for number, stage in enumerate(plan.stages, 1):
        if _turns(plan.stages, number - 1):
            lines.append(f"| | — *{_NO_RETURN}* — | |")
        lines.append(f"| {number} | {_escaped(stage.what)} | {_takes(stage)} |")
    if plan.cutover_preview is not None:
        lines += ["", *_checks_in_markdown(plan.cutover_preview)]
    lines += ["", f"{as_of} {_basis(plan)}</sub>", ""]
    return "\n".join(lines)


def _checks_in_markdown(preview: CutoverPreview) -> Iterator[str]:
    """Yield the checks, folded up only if all passed, so that a failed one stays visible."""
    failed = sum(sign == "FAIL" for _, sign, _ in _signs(preview))
    state = f"{failed} of {len(preview.checks)} failed" if failed else f"all {len(preview.checks)} passed"
    yield f"<details{' open' if failed else ''}><summary>Checks at that time: <b>{state}</b></summary>"
    yield from ("", "| check | | saw |", "| --- | --- | --- |")
    for check, sign, saw in _signs(preview):
        shown = f"**{sign}**" if sign == "FAIL" else sign
        yield f"| `{check.name}` | {shown} | {_escaped(saw)} |"
    yield from ("", "</details>")


def _facts(plan: PhasePlan) -> Iterator[tuple[str, str]]:
    if any(stage.takes is not None for stage in plan.stages):
        rest = ", plus the moves that vary" if any(stage.takes is None for stage in plan.stages) else ""
        yield "Estimated total", f"{plan.together}{rest}"
    yield "Expected write outage", plan.outage
    yield "Additional cost", plan.billed
    yield "Undo", plan.undo
    for note in plan.notes:
        yield "Note", note


def _basis(plan: PhasePlan) -> str:
    """Return where the plan's times are from."""
    if plan.rehearsed is None:
        return _GUESS
    estimated = [operation for operation in RATES if operation in plan.together.estimated]
    return f"Times measured {plan.rehearsed} in a rehearsal" + (
        f"; still estimated: {', '.join(estimated)}." if estimated else "."
    )


def _stages(stages: tuple[Stage, ...]) -> Iterator[str]:
    for number, stage in enumerate(stages, 1):
        if _turns(stages, number - 1):
            yield f"  ── {_NO_RETURN} ──"
        first, *rest = folded(stage.what, f"{number:>4}. ", "      ", WIDTH - _TIME)
        yield f"{first:<{WIDTH - _TIME}}{_takes(stage):>{_TIME}}".rstrip()
        yield from rest


def _checks(preview: CutoverPreview) -> Iterator[str]:
    for check, sign, saw in _signs(preview):
        yield from folded(f"{check.name}: {saw}", f"  {sign:<5}", "       ")


def _signs(preview: CutoverPreview) -> Iterator[tuple[CheckResult, str, str]]:
    for check in preview.checks:
        if check.passed:
            yield check, "ok", check.saw
        elif reason := preview.accept.get(check.name):
            yield check, "warn", f"{check.saw} (accepted: {reason})"
        else:
            yield check, "FAIL", check.saw


def _turns(stages: tuple[Stage, ...], index: int) -> bool:
    """Whether the point of no return is right before this stage."""
    return stages[index].final and index > 0 and not stages[index - 1].final


def _takes(stage: Stage) -> str:
    return str(stage.takes) if stage.takes is not None else "varies"


def _escaped(words: str) -> str:
    return words.replace("|", "\\|")
