"""The report on a source's migration: one self-contained HTML file for later readers, and its facts beside it as JSON.

It combines the logs of the cutover and the rollback, the verification's file, and facts kept from the previous report:
a clean-up no longer knows the settings that were compared at the cutover.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any

from rds_encrypt.aws.instance import Instance
from rds_encrypt.core.words import counted, duration, utc
from rds_encrypt.cutover.timeline import Moment, moments_from
from rds_encrypt.names import Names
from rds_encrypt.reports.files import Files
from rds_encrypt.reports.lag_curve import curve
from rds_encrypt.reports.lag_log import FILE as LAG
from rds_encrypt.reports.logbook import Ending
from rds_encrypt.reports.table import WORDS, summary
from rds_encrypt.reports.templates import render
from rds_encrypt.settings_diff import ALLOWED, differences
from rds_encrypt.verification.differences import Difference
from rds_encrypt.version import VERSION

__all__ = ["facts_of", "publish"]

_PAGE, _FACTS = "report.html", "report.json"
_LOGS = ("cutover.json", "rollback.json")


def facts_of(source: Instance | None, encrypted: Instance) -> dict[str, Any]:
    """Return the facts about the two instances, and about the settings in which they differ."""
    facts: dict[str, Any] = {
        "encrypted": {
            "name": encrypted.identifier,
            "resource_id": encrypted.resource_id,
            "key": encrypted.description.get("KmsKeyId", ""),
            "engine": f"MySQL {encrypted.description['EngineVersion']}",
        }
    }
    if source is not None:
        facts["source"] = {"name": source.identifier, "resource_id": source.resource_id}
        facts["settings"] = _settings(source, encrypted)
    return facts


def publish(files: Files, facts: Mapping[str, Any]) -> Path | None:
    """Write the report from these facts and earlier ones; return its path, or ``None`` if that failed."""
    logs = [log for log in map(files.read_json, _LOGS) if log is not None]
    logs.sort(key=lambda log: str(log["began"]))
    verification, lag = files.read_json("verification.json"), files.read_json(LAG)
    known = {
        **(files.read_json(_FACTS) or {}),
        **facts,
        "written_at": f"{utc(datetime.now(UTC))} UTC",
        "version": VERSION,
    }
    known |= {"swaps": logs, "verification": verification, "lag": lag}
    if "cleanup" not in known:
        known["unencrypted"] = _unencrypted(Names(files.identifier), logs, known)
    else:
        known["unencrypted"] = [known["cleanup"]["unencrypted"]]
    files.write_json(_FACTS, known)
    page = render(
        "report.html.j2",
        identifier=files.identifier,
        facts=known,
        cutovers=[_cutover(log) for log in logs],
        verification=verification,
        differences=[str(Difference(**entry)) for entry in (verification or {}).get("differences", [])],
        counted=counted,
        lag=curve(lag, _level(logs)),
    )
    return files.write(_PAGE, page)


def _unencrypted(names: Names, logs: Sequence[Mapping[str, Any]], known: Mapping[str, Any]) -> list[str]:
    """Return where data is not encrypted, and until when, before phase `cleanup`."""
    source = known.get("source", {}).get("name", names.source)
    last = logs[-1] if logs else None
    if last is None or last["verb"] != "cutover" or last["outcome"] != Ending.COMPLETE:
        first = f"instance {source}, which carries production: until a cutover is complete"
    else:
        first = f"instance {source} and its backups: until phase `cleanup` with `cleanup.old: delete`, or until you delete it"
    snapshot = f"snapshot {names.replica}: until phase `cleanup`"
    if last is not None and last["mode"] == "snapshot":
        return [first, snapshot]
    return [first, f"instance {names.replica}, the replica: until phase `cleanup`", snapshot]


def _level(logs: Sequence[Mapping[str, Any]]) -> list[datetime]:
    """Return when each cutover had drained: the encrypted instance had executed everything the source had written."""
    return [
        moments[Moment.DRAINED]
        for log in logs
        if log["verb"] == "cutover" and Moment.DRAINED in (moments := moments_from(log["moments"]))
    ]


def _cutover(log: Mapping[str, Any]) -> dict[str, Any]:
    """Return a log as the page shows it: intervals with their share of the whole, and the summary."""
    moments = list(moments_from(log["moments"]).items())
    whole = max((moments[-1][1] - moments[0][1]).total_seconds(), 0.001) if moments else 1.0
    rows = []
    for (moment, when), following in zip_longest(moments, moments[1:]):
        after = (when - moments[0][1]).total_seconds()
        lasts = (following[1] - when).total_seconds() if following is not None else 0.0
        rows.append(
            {
                "words": WORDS[moment],
                "utc": utc(when),
                "after": f"{after:.3f} s" if after < 1000 else duration(after),
                "left": round(100 * after / whole, 2),
                "width": round(100 * lasts / whole, 2),
                "refused": _refused(moment, log),
            }
        )
    refused = log["write_outage"]
    return {
        "verb": str(log["verb"]).capitalize(),
        "outcome": log["outcome"],
        "began": utc(datetime.fromisoformat(log["began"])),
        "error": log.get("error"),
        "sentence": summary(log),
        "figures": {name: duration(seconds) for name, seconds in refused.items()} if refused else None,
        "rows": rows,
        "guards": log["guards"],
        "events": log.get("unenabled_events") or [],
        "final": log.get("final_coordinates"),
        "server_uuid": log.get("server_uuid"),
        "rollback_path": log.get("rollback_path"),
        "warnings": log.get("warnings") or [],
        "earlier": [
            {
                "began": utc(datetime.fromisoformat(attempt["began"])),
                "outcome": attempt["outcome"],
                "error": attempt.get("error"),
                "sentence": summary(attempt),
            }
            for attempt in log["earlier"]
        ],
    }


def _refused(moment: Moment, log: Mapping[str, Any]) -> bool:
    """Whether writes are refused in the interval that begins with a moment."""
    moments = moments_from(log["moments"])
    ends = [moments[end] for end in (Moment.OPEN, Moment.FENCE_LIFTED) if end in moments]
    return not ends or moments[moment] < min(ends)


def _settings(source: Instance, encrypted: Instance) -> dict[str, Any]:
    ours, theirs = source.description, encrypted.description
    unlike = differences(source, encrypted)
    allowed = [
        {"setting": key, "old": _shown(ours.get(key)), "new": _shown(theirs.get(key)), "why": why}
        for key, why in ALLOWED.items()
        if ours.get(key) != theirs.get(key)
    ]
    return {
        "equal": len(ours.keys() | theirs.keys()) - len(allowed) - len(unlike),
        "allowed": allowed,
        "different": [
            {
                "setting": difference.setting,
                "old": _shown(difference.source),
                "new": _shown(difference.encrypted),
            }
            for difference in unlike
        ],
    }


def _shown(value: Any) -> str:
    """Return a value of DescribeDBInstances as short text."""
    match value:
        case datetime():
            words = utc(value)
        case {"Address": address, **_rest}:
            words = str(address)
        case [{"DBParameterGroupName": name, **_rest}, *_]:
            words = str(name)
        case dict():
            words = ", ".join(f"{key}: {_shown(item)}" for key, item in value.items())
        case list():
            words = ", ".join(map(_shown, value))
        case _:
            words = "" if value is None else str(value)
    return words or "–"
