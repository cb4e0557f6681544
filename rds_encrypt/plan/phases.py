"""The plan of a phase for one source: the moves in order, how long they take, what they cost, and how to undo them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date

from rds_encrypt.aws.instance import Instance
from rds_encrypt.core.errors import Bug
from rds_encrypt.cutover.context import Move, Strategy
from rds_encrypt.cutover.direction import cutover_direction
from rds_encrypt.cutover.preview import CONFIRM, CutoverPreview
from rds_encrypt.cutover.strategies import strategy_of
from rds_encrypt.discovery import Topology
from rds_encrypt.phases import Phase
from rds_encrypt.plan.costs import billed, size
from rds_encrypt.plan.estimates import MOMENT, Estimates, Operation, Span, total
from rds_encrypt.replica_pairs import ReplicaPair
from rds_encrypt.settings import SourceSettings
from rds_encrypt.state import owner_group

__all__ = ["PhasePlan", "Stage", "plan"]

_DOWNTIME: tuple[Operation, ...] = ("snapshot", "copy", "restore", "rename", "rename")
"""The operations during which method `offline` refuses writes."""
_NOT_YET = "rds-encrypt refuses to delete the old instance until the encrypted one has as many days of backups as its owner wants."


@dataclass(frozen=True)
class Stage:
    """One move; ``takes`` is ``None`` where that depends on the applications."""

    what: str
    takes: Span | None = None
    final: bool = False
    """Whether it comes after the point of no return, from which running again only rolls forward."""


@dataclass(frozen=True)
class PhasePlan:
    """What a phase will do to one source."""

    identifier: str
    phase: str
    goal: str
    stages: tuple[Stage, ...]
    outage: str
    billed: str
    undo: str
    notes: tuple[str, ...] = ()
    cutover_preview: CutoverPreview | None = None
    rehearsed: date | None = None
    """The day of the rehearsal that measured some of its times."""

    @property
    def stopped(self) -> bool:
        """Whether a check failed that the config does not accept, so that the phase would stop now."""
        return self.cutover_preview is not None and any(
            not check.passed and check.name not in self.cutover_preview.accept
            for check in self.cutover_preview.checks
        )

    @property
    def together(self) -> Span:
        """Total duration of the stages that have an estimate."""
        return total([stage.takes for stage in self.stages if stage.takes is not None])


def plan(
    settings: SourceSettings,
    phase: Phase,
    topology: Topology,
    cutover_preview: CutoverPreview | None = None,
    replicas: Sequence[ReplicaPair] = (),
) -> PhasePlan | None:
    """Return what the phase will do, or ``None`` if it is already reached.

    Args:
        settings: those of the source.
        phase: its own, or the stack's.
        topology: the existing instances.
        cutover_preview: the moves and checks of a cutover or rollback between two existing instances; ``None`` if there is none.
        replicas: the owner's replicas that come along.
    """
    phase_plan = _plan(settings, phase, topology, cutover_preview, replicas)
    if phase_plan is None or settings.measured is None or not phase_plan.together.measured:
        return phase_plan
    return replace(phase_plan, rehearsed=settings.measured.on)


def _plan(
    settings: SourceSettings,
    phase: Phase,
    topology: Topology,
    cutover_preview: CutoverPreview | None,
    replicas: Sequence[ReplicaPair],
) -> PhasePlan | None:
    match settings.method, phase:
        case "online", "replicate" if topology.encrypted is None:
            return _replicate(settings, topology, replicas)
        case "offline", "replicate" if not topology.state.cutover_begun:
            return _prepare(settings, topology)
        case "offline", "cutover" if not topology.state.cut_over:
            return _cut_over_with_downtime(settings, topology)
        case "online", "cutover" | "rollback" if cutover_preview is not None:
            return _cutover(settings, phase, topology, cutover_preview, replicas)
        case _, "cleanup" if topology.state.cut_over and not _retired(topology, settings.cleanup.old):
            return _clean_up(settings, topology, replicas)
    return None


def _replicate(settings: SourceSettings, topology: Topology, replicas: Sequence[ReplicaPair]) -> PhasePlan:
    names, source, times = topology.names, _source(topology), _times(settings, topology)
    copy = _encrypted_copy(settings, topology, names.replica)
    stages = [
        Stage(
            f"prepare: keep binlogs for {settings.binlog_retention_hours} h, create an account and two parameter groups",
            MOMENT,
        ),
        Stage(f"create the replica {names.replica} ({size(source)})", times.of("replica")),
        Stage("stop its replication and note its coordinates", MOMENT),
        *copy,
        Stage(f"compare its settings with those of {names.source}, start replication", MOMENT),
        Stage(f"catch up with writes made meanwhile; times out after {settings.catch_up_hours} h"),
    ]
    if settings.verify.level != "off":
        stages.append(Stage("compare the data of both instances"))
    for what, deeper in (("encrypted replicas of it", False), ("replicas of those", True)):
        along = ", ".join(pair.names.encrypted for pair in replicas if (pair.above is not None) == deeper)
        if along:
            stages.append(Stage(f"create {what}: {along}", times.of("replica")))
    if settings.replicas.reads_first:
        stages += _readers(settings, times, replicas, forward=True)
    return PhasePlan(
        identifier=names.source,
        phase="replicate",
        goal=f"{names.encrypted} will be a live, read-only, encrypted copy of {names.source}.",
        stages=tuple(stages),
        outage="none; the volume has some additional load",
        billed=billed(source, settings.prices, along=[pair.name for pair in replicas])
        + ", until phase `cleanup` or `pulumi destroy`",
        undo=(
            "`pulumi destroy`, at any time: deletes what this phase created, restores what it changed on the source, and leaves the"
            f" source's data alone. {_retained(topology)}"
        ),
        notes=_kept_too_short(settings.binlog_retention_hours, copy),
    )


def _prepare(settings: SourceSettings, topology: Topology) -> PhasePlan:
    names = topology.names
    return PhasePlan(
        identifier=names.source,
        phase="replicate",
        goal="Method `offline`: rds-encrypt copies nothing before phase `cutover`, which begins with the write outage.",
        stages=(Stage(f"create the parameter groups {names.encrypted} and {names.fence}", MOMENT),),
        outage=f"none in this phase; in phase `cutover` {_downtime(settings, topology)}",
        billed="nothing in this phase",
        undo=f"`pulumi destroy`. {_retained(topology)}",
    )


def _cut_over_with_downtime(settings: SourceSettings, topology: Topology) -> PhasePlan:
    names, strategy = topology.names, strategy_of(settings.cutover)
    direction, group = (
        cutover_direction(names, topology.source_id, encrypted_id=""),
        owner_group(_source(topology)),
    )
    stages = [
        Stage(f"fence {names.source}: it refuses writes from here on, and still serves reads", MOMENT),
        *_encrypted_copy(settings, topology, names.source),
        Stage(f"compare its settings with those of {names.source}; run the checks", MOMENT),
        *_final(
            _times(settings, topology),
            (*strategy.moves(direction, names.source, names.encrypted, group), CONFIRM),
        ),
    ]
    return PhasePlan(
        identifier=names.source,
        phase="cutover",
        goal=f"The name {names.source} moves to an encrypted instance restored from its snapshot.",
        stages=tuple(stages),
        outage=f"{_downtime(settings, topology)}: everything from the fence to the end",
        billed=billed(_source(topology), settings.prices, replica=False) + ", until phase `cleanup`",
        undo=(
            "until the names or applications move, `pulumi destroy`: lifts the fence and deletes the copy."
            f" After that, none: {names.source if strategy.keeps_name else names.old} keeps the data as it was"
        ),
    )


def _readers(
    settings: SourceSettings, times: Estimates, replicas: Sequence[ReplicaPair], *, forward: bool
) -> list[Stage]:
    """Return how readers move to the encrypted replicas, or back."""
    if not strategy_of(settings.cutover).keeps_name:
        return [
            Stage(
                f"move the name {pair.name} to its {'encrypted' if forward else 'unencrypted'} replica",
                times.of("rename"),
                final=True,
            )
            for pair in replicas
            if not pair.at_name(encrypted=forward)
        ]
    return [
        Stage(
            f"point {record.record} at {pair.names.encrypted if forward else pair.name}",
            MOMENT,
            final=True,
        )
        for pair in replicas
        if (record := settings.replicas.records.get(pair.name))
    ]


def _cutover(
    source_settings: SourceSettings,
    phase: Phase,
    topology: Topology,
    cutover_preview: CutoverPreview,
    replicas: Sequence[ReplicaPair],
) -> PhasePlan:
    settings = source_settings.cutover
    names, strategy, forward = topology.names, strategy_of(settings), phase == "cutover"
    times = _times(source_settings, topology)
    under_way = topology.state.returning if not forward else topology.state.cutover_begun
    undoable = () if under_way else cutover_preview.undoable
    stages = [Stage(move, MOMENT) for move in undoable]
    stages += _final(times, cutover_preview.final)
    stages += _readers(source_settings, times, replicas, forward=forward)
    outage = f"at most {settings.max_write_outage} s for fence, drain and promotion (usually 1 to 2 s)"
    if not strategy.keeps_name:
        outage += f", plus AWS's two renames ({times.of('rename')} each; the second begins while the first is running)"
    other = "rollback" if forward else "cutover"
    return PhasePlan(
        identifier=names.source,
        phase=phase,
        goal=_goal(phase, strategy, topology),
        stages=tuple(stages),
        outage=outage,
        billed="none; the same resources as before",
        undo=f"phase `{other}`, without losing a write, until phase `cleanup`",
        notes=("An interrupted cutover or rollback resumes where it stopped; the checks do not run again.",)
        if under_way
        else (),
        cutover_preview=None if under_way else cutover_preview,
    )


def _clean_up(settings: SourceSettings, topology: Topology, replicas: Sequence[ReplicaPair]) -> PhasePlan:
    names, source, fate = topology.names, topology.source, settings.cleanup.old
    times = _times(settings, topology)
    production = topology.encrypted.identifier if topology.encrypted is not None else names.source
    stages = [Stage(f"confirm that {production} is the encrypted instance and accepts writes", MOMENT)]
    if topology.replica is not None:
        stages.append(Stage(f"delete the replica {names.replica}", times.of("delete")))
    stages.append(
        Stage(
            "end the rollback path: reverse replication, accounts, binlog retention",
            MOMENT,
            final=True,
        )
    )
    old = source.identifier if source is not None else names.old
    if fate != "keep":
        stages += [
            Stage(f"delete the replica {pair.original.identifier}", times.of("delete"), final=True)
            # What follows another replica comes last in the list, and goes first.
            for pair in reversed(replicas)
            if pair.original is not None
        ]
    stages += {
        "keep": [Stage(f"leave {old} running, read-only", MOMENT, final=True)],
        "stop": [Stage(f"stop {old}", times.of("stop"), final=True)],
        "delete": [
            Stage(
                f"delete {old} after a final snapshot {names.old}-final",
                times.of("delete"),
                final=True,
            )
        ],
    }[fate]
    snapshots = "the snapshots of the migration" if settings.method == "online" else "the encrypted snapshot"
    stages.append(
        Stage(f"delete {snapshots} and the remaining rules and parameter groups", MOMENT, final=True)
    )
    left = f"snapshot {names.old}-final" if fate == "delete" else old
    return PhasePlan(
        identifier=names.source,
        phase="cleanup",
        goal=f"Only {production}{'' if fate == 'delete' else f' and {old}'} will remain.",
        stages=tuple(stages),
        outage="none",
        billed={
            "keep": f"{old}, as before",
            "stop": f"the storage and backups of {old}; RDS starts a stopped instance again after seven days",
            "delete": f"the storage of the final snapshot {names.old}-final",
        }[fate],
        undo="none, because this phase ends the rollback path; what it deletes stays deleted",
        notes=(
            f"Unencrypted data remains in {left} until you delete it.",
            *((_NOT_YET,) if fate == "delete" else ()),
            _retained(topology, "This"),
        ),
    )


# Parts of several phases.


def _encrypted_copy(settings: SourceSettings, topology: Topology, origin: str) -> list[Stage]:
    times = _times(settings, topology)
    return [
        Stage(f"snapshot of {origin}", times.of("snapshot")),
        Stage(f"copy it, encrypted with {settings.kms_key}", times.of("copy")),
        Stage(f"restore {topology.names.encrypted} from that, read-only", times.of("restore")),
    ]


def _kept_too_short(hours: int, copy: list[Stage]) -> tuple[str, ...]:
    """Warn if the source may purge binlogs before they are fetched: only the source has the writes made during the copy."""
    needed = total([stage.takes for stage in copy if stage.takes is not None])
    if needed.high <= hours * 3600:
        return ()
    warning = (
        f"By these times the copy may take longer ({needed}) than the source keeps binlogs ({hours} h), and would"
        " then have to start over. Raise `binlogRetentionHours` (at most 168)."
    )
    return (warning,)


def _final(times: Estimates, moves: Iterable[Move]) -> list[Stage]:
    return [Stage(move.what, times.of("rename") if move.renames else MOMENT, final=True) for move in moves]


def _downtime(settings: SourceSettings, topology: Topology) -> str:
    times = _times(settings, topology)
    whole = total(map(times.of, _DOWNTIME))
    return f"{whole} ({'estimated' if whole.estimated else 'measured'})"


def _goal(phase: Phase, strategy: Strategy, topology: Topology) -> str:
    names = topology.names
    if phase == "rollback":
        return (
            f"{names.source} will be the unencrypted source again, with every write made since the cutover."
        )
    if not strategy.keeps_name:
        return f"The name {names.source} moves to the encrypted instance."
    return f"Applications move to the encrypted instance; the names stay as they are (strategy `{strategy.name}`)."


def _retained(topology: Topology, whose: str = "Its") -> str:
    groups = f"{topology.names.encrypted} and {topology.names.fence}"
    return (
        f"{whose} preview shows `delete[retain]` for {groups}: Pulumi only forgets them, and rds-encrypt deletes these parameter"
        " groups once no instance uses them."
    )


def _retired(topology: Topology, fate: str) -> bool:
    """Whether the old instance is already kept, stopped or deleted as configured."""
    if topology.source is None:
        return True
    settled = {"keep": True, "stop": topology.source.status in {"stopped", "stopping"}, "delete": False}[fate]
    return settled and topology.replica is None and topology.state.retired


def _times(settings: SourceSettings, topology: Topology) -> Estimates:
    source = topology.source
    gib = int(source.description["AllocatedStorage"]) if source is not None else 0
    return Estimates(gib, settings.measured)


def _source(topology: Topology) -> Instance:
    if topology.source is None:
        raise Bug("a plan was requested for a source that no longer exists", where=topology.names.source)
    return topology.source
