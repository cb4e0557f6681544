"""The briefing: what a preview says of a cut-over before anybody drives it."""

from __future__ import annotations

from migration.cutover import guards
from migration.cutover.site import Site

__all__ = ["briefing"]

_RENAME_SECONDS = "1 to 2 minutes each, up to 10, on AWS"


def briefing(site: Site) -> str:
    """Return guards with what they see now, the moves, the write outage to expect, and the way back."""
    with site.sessions() as (losing, winning):
        readings = guards.read(site, losing, winning)
    lines = [f"{site.course.verb} of {site.names.source}", "", "Guards, as they are now:"]
    for name, reading in readings.items():
        sign = "ok  " if reading.green else "over" if name in site.forced else "RED "
        lines.append(f"  {sign} {name}: {reading.saw}")
    undoable, final = _moves_until_swap(site), _moves_from_swap(site)
    lines += [
        "",
        "Moves; until the names or applications move, any failure lifts the fence and replication goes on:",
    ]
    lines += [f"  {number}. {move}" for number, move in enumerate(undoable, 1)]
    lines.append("  ── from here on, running again rolls forward ──")
    lines += [f"  {number}. {move}" for number, move in enumerate(final, len(undoable) + 1)]
    lines.append("")
    lines.append(f"Write outage to expect: {_outage(site)}.")
    lines.append(f"Way back: {_way_back(site)}")
    return "\n".join(lines)


def _moves_until_swap(site: Site) -> list[str]:
    losing, winning = site.losing().identifier, site.winning().identifier
    moves = []
    if site.postponed:
        moves.append("hold until an operator releases it")
    if site.hooks.before:
        moves.append(f"ask `{site.hooks.before[0]}`, which may veto")
    return [
        *moves,
        f"fence {losing}: read_only = 1 in parameter group {site.strategy.fence_group(site)}; reads go on",
        f"drain: {winning} executes the last change of {losing}",
        f"promote {winning}, and let {losing} follow it from there",
    ]


def _moves_from_swap(site: Site) -> list[str]:
    return [
        *site.strategy.moves(site),
        "confirm: who answers, that it takes writes, that the other one refuses them; enable events",
    ]


def _outage(site: Site) -> str:
    ours = f"at most {site.limits.write_outage:.0f} s for fence, drain and promotion (usually 1 to 2 s)"
    return f"{ours}, plus two renames ({_RENAME_SECONDS})" if site.strategy.renames else ours


def _way_back(site: Site) -> str:
    if site.snapshot_coordinates is not None:
        return f"none after the names have moved; {site.names.old} keeps the data as it was."
    other = "rollback" if site.course.verb == "cut-over" else "cutover"
    return f"phase `{other}`, without losing a write, until phase `cleanup`."
