"""The output for all sources of a stack: a sentence for each, and which are behind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi

from rds_encrypt.core.words import counted, duration
from rds_encrypt.phases import Method, Phase

__all__ = ["ALL", "combined_summary", "reached", "state_reached", "summary"]

ALL = "all_sources"
"""The output's name: with an underscore, it cannot be a DB instance's."""

_PROOF = {
    ("online", "replicate"): "verify_level",
    ("online", "cutover"): "server_uuid",
    ("online", "rollback"): "server_uuid",
    ("online", "cleanup"): "old_status",
    ("offline", "cutover"): "server_uuid",
    ("offline", "cleanup"): "old_status",
}
"""By method and phase: the output of the last step that counts; unknown if that step, or one before it, has failed."""
_REPORTED_OUTPUTS = (
    "verify_level",
    "verified_at",
    "verified_rows",
    "write_outage",
    "old_clients",
    "old_status",
    "server_uuid",
)


def reached(
    phase: Phase, method: Method, outputs: Mapping[str, pulumi.Input[Any]]
) -> pulumi.Output[str | None]:
    """Return the state that a source has reached; ``None`` if it has not reached its phase."""
    given = {key: outputs[key] for key in _REPORTED_OUTPUTS if key in outputs}
    # Also with unknown outputs: with `--continue-on-error`, those of a failed step stay unknown.
    return pulumi.Output.all(**given).apply(
        lambda values: state_reached(phase, method, values), run_with_unknowns=True
    )


def state_reached(phase: Phase, method: Method, outputs: object) -> str | None:
    """Return the state as a sentence; unknown outputs are not plain values."""
    proof = _PROOF.get((method, phase))
    if proof is None:
        return "prepared; phase `cutover` makes the copy"
    known = {
        key: value
        for key, value in (outputs.items() if isinstance(outputs, Mapping) else ())
        if not isinstance(value, pulumi.output.Unknown)
    }
    if known.get(proof) is None:
        return None
    return {"replicate": _follows, "cutover": _moved, "rollback": _moved, "cleanup": _cleaned}[phase](
        phase, known
    )


def combined_summary(sources: Mapping[str, pulumi.Output[str | None]]) -> pulumi.Output[dict[str, Any]]:
    """Return the summary: how many sources there are, how many have reached their phase, which have not, and each one's sentence."""
    return pulumi.Output.all(**sources).apply(summary)


def summary(sentences: Mapping[str, str | None]) -> dict[str, Any]:
    """Return the output's value."""
    behind = [name for name, sentence in sentences.items() if sentence is None]
    return {
        "sources": len(sentences),
        "as_configured": len(sentences) - len(behind),
        "behind": behind,
        "each": {name: sentence or "has not reached its phase" for name, sentence in sentences.items()},
    }


def _follows(_phase: Phase, known: Mapping[str, Any]) -> str:
    if known["verify_level"] == "off" or not known.get("verified_at"):
        return "the encrypted instance follows; not verified"
    rows = int(known.get("verified_rows") or 0)
    return f"the encrypted instance follows; found equal at {known['verified_at']}, {rows:,} rows"


def _moved(phase: Phase, known: Mapping[str, Any]) -> str:
    what = "cut over" if phase == "cutover" else "rolled back"
    outage = known.get("write_outage")
    if isinstance(outage, Mapping) and outage.get("at_most") is not None:
        what += f"; writes were refused for {duration(float(outage['at_most']))} at most"
    if clients := known.get("old_clients"):
        sessions = sum(int(client["sessions"]) for client in clients)
        what += f"; the old instance still has {counted(sessions, 'session')} of applications"
    return what


def _cleaned(_phase: Phase, known: Mapping[str, Any]) -> str:
    return f"cleaned up; the old instance is {known['old_status']}"
