"""A rehearsal as a list of moves on a copy of the source: each is done once, observed, and noted, so that a later run resumes."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rds_encrypt.access import Access
from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.instances import Instances
from rds_encrypt.core.errors import AccountRefused, ActionRequired, PreconditionFailed
from rds_encrypt.core.waiting import Progress
from rds_encrypt.mysql.procedure_trace import TRACE
from rds_encrypt.rehearse import lock
from rds_encrypt.rehearse.config import RehearsalConfig
from rds_encrypt.rehearse.copied import CopiedInstance, newest_snapshot
from rds_encrypt.rehearse.journal import Journal
from rds_encrypt.rehearse.observations import Observations
from rds_encrypt.rehearse.observer import Observer
from rds_encrypt.rehearse.traffic import Traffic, fill
from rds_encrypt.rehearse.workspace import Result, Workspace
from rds_encrypt.rehearse.writer import Writer, longest_gap
from rds_encrypt.reports.files import DIRECTORY

__all__ = ["Options", "Rehearsal"]

_DESTROY = "destroy"
"""The last move; the others are called like their phases. Each has its number in front."""
_COPIED, _ACCOUNTED = "copy", "writes"
"""The other entries of the journal: before the first move, and after the last one that leaves an instance to count on."""
_STACK = "rehearsal"
_ATTEMPTS = 3
"""How often to run a phase that fails: a transient failure is over with the next `pulumi up`."""
_PAUSE = 10.0
_COMES_BACK = 60.0
"""The longest wait for a write after a move, in seconds."""


@dataclass(frozen=True)
class Options:
    """How to rehearse.

    Attributes:
        directory: holds all that a rehearsal writes until it is removed.
        project: the directory of ``Pulumi.yaml``.
        snapshot: the snapshot to restore; by default, the newest automated one of the source.
        small: whether to create a small instance with generated data instead.
        every: seconds between two polls of AWS.
    """

    directory: Path
    project: Path
    snapshot: str | None = None
    small: bool = False
    every: float = 2.0


_WRITTEN = {
    *(
        "Pulumi.rehearsal.yaml",
        "Pulumi.yaml",
        "acknowledged.txt",
        "journal.json",
        "logs",
        "observations.jsonl",
    ),
    *("reports", "state"),
}
"""What a rehearsal writes into its directory, beside the lock files."""


@dataclass(frozen=True)
class Rehearsal:
    """The rehearsal of one source."""

    config: RehearsalConfig
    options: Options
    progress: Progress
    descriptor: int
    """That of the directory's lock, which Pulumi inherits."""

    @cached_property
    def aws(self) -> Aws:
        """The clients."""
        return Aws(self.config.aws)

    @cached_property
    def source(self) -> Instance:
        """The instance that is to be encrypted, which a rehearsal only describes.

        Raises:
            PreconditionFailed: there is no such instance.
        """
        instance = Instances(self.aws).named([self.config.source]).get(self.config.source)
        if instance is None:
            raise PreconditionFailed(
                f"there is no such instance in {self.aws.region}",
                where=self.config.source,
                fix="Correct the name, or `aws:region` in the config",
            )
        return instance

    @property
    def journal(self) -> Journal:
        """How far it came."""
        return Journal(self.options.directory)

    @property
    def observations(self) -> Observations:
        """Its observations."""
        return Observations(self.options.directory / "observations.jsonl")

    @property
    def reports(self) -> Path:
        """The program's own reports, in a directory for each move."""
        return self.options.directory / "reports"

    @cached_property
    def snapshot(self) -> str | None:
        """The snapshot to restore, as it was chosen at the beginning; ``None`` for a small instance."""
        if self.journal.exists:
            return self.journal.snapshot
        if self.options.small:
            return None
        return self.options.snapshot or newest_snapshot(self.aws, self.config.source)

    def require_possible(self) -> None:
        """Refuse a rehearsal that cannot begin, before it asks for your consent.

        Raises:
            PreconditionFailed: another one is under way, a name is taken, or there is no Pulumi.
        """
        if shutil.which("pulumi") is None:
            raise PreconditionFailed(
                "there is no `pulumi` on PATH",
                where="rehearsal",
                fix="Install it: docs/real-account.md says how",
            )
        if self.journal.exists:
            raise PreconditionFailed(
                "a rehearsal of it is under way",
                where=self.config.source,
                fix="Continue it with --resume, or remove it with --remove",
            )
        names = (entry.name for entry in self.options.directory.iterdir())
        if others := sorted(name for name in names if name not in _WRITTEN and name not in lock.FILES):
            raise PreconditionFailed(
                f"the directory has other files: {', '.join(others[:3])}",
                where=str(self.options.directory),
                fix="Give --directory an empty one, or one of a former rehearsal",
            )
        self._copied.require_unused_names()

    def begin(self) -> None:
        """Begin a new rehearsal, without what a former one has left in the directory."""
        for former in self.options.directory.iterdir():
            if former.name not in _WRITTEN:
                continue
            if former.is_dir():
                shutil.rmtree(former)
            else:
                former.unlink()
        self.journal.begin(self.config.source, self.snapshot)

    def require_begun(self) -> None:
        """Refuse to resume a rehearsal that was never begun.

        Raises:
            PreconditionFailed: there is no journal.
        """
        if not self.journal.exists:
            raise PreconditionFailed(
                "there is no rehearsal of it to resume",
                where=self.config.source,
                fix="Begin one without --resume; --remove removes what a lost one left in AWS",
            )

    def run(self) -> None:
        """Make the copy and all moves that are not done yet.

        Raises:
            ActionRequired: a move failed several times.
        """
        self._unlock()
        with self._observing():
            self._make_copy()
            with ExitStack() as stack:
                serving = self._copied.find()
                writer = None
                if serving is not None and _ACCOUNTED not in self.journal.done:
                    writer = stack.enter_context(self._traffic.writing(serving))
                self._move_all(writer, self._moves[:-1])
            self._account()
            self._move_all(None, self._moves[-1:])

    def remove(self) -> list[str]:
        """Remove everything that the rehearsal made, from any state; return what was removed.

        Raises:
            ActionRequired: AWS refused, or something is not the rehearsal's.
        """
        if self._workspace.exists and self._moves[-1] not in self._done:
            self.progress("pulumi destroy")
            # If that fails, the removal below takes the rest: unlike production, a copy has nothing to lose.
            self._unlock()
            self._workspace.destroy(listen=_into(self._log("remove")))
        removed = self._copied.remove(self.progress)
        self.journal.end()
        return removed

    @property
    def _moves(self) -> tuple[str, ...]:
        return tuple(
            f"{number}-{name}" for number, name in enumerate((*self.config.phases, _DESTROY), start=1)
        )

    @property
    def _done(self) -> list[str]:
        return self.journal.done if self.journal.exists else []

    @cached_property
    def _copied(self) -> CopiedInstance:
        return CopiedInstance(self.aws, self.config.source, self.config.names)

    @cached_property
    def _access(self) -> Access:
        return Access(self.aws, self.config.access)

    @property
    def _traffic(self) -> Traffic:
        return Traffic(self.aws, self.config.access, self.options.directory / "acknowledged.txt")

    @cached_property
    def _workspace(self) -> Workspace:
        more = {DIRECTORY: str(self.reports / "current"), TRACE: str(self.observations.path)}
        return Workspace(
            self.options.directory,
            stack=_STACK,
            project=self.options.project,
            more=more,
            inherited=(self.descriptor,),
        )

    @contextmanager
    def _observing(self) -> Iterator[None]:
        observer = Observer(
            self.aws,
            self._access,
            self.config.names,
            self.observations,
            self.options.every,
            direct=self.config.access.connection.via == "direct",
        )
        with observer.observing():
            yield

    def _make_copy(self) -> None:
        if _COPIED in self.journal.done:
            return
        name = self.config.names.source
        if self.snapshot is None:
            self.progress(f"creating {name}, a small instance")
            password = self._access.credentials(self.source).password
            instance = self._copied.create_small(self.source, password, self.progress)
        else:
            self.progress(f"restoring {name} from {self.snapshot}")
            instance = self._copied.restore(self.source, self.snapshot, self.progress)
        self._log_in(instance)
        if self.snapshot is None:
            with self._access.session(instance, read_timeout=600.0) as session:
                fill(session)
        self._workspace.make(self.config.text)
        self.journal.note_done(_COPIED)

    def _log_in(self, instance: Instance) -> None:
        """Make sure that the config's account can log in: the snapshot may have an older password."""
        try:
            with self._access.session(instance, patience=60.0):
                return
        except AccountRefused:
            if self._access.credentials(instance).user != instance.description.get("MasterUsername"):
                raise
        self.progress("giving the copy the config's master password: the snapshot has an older one")
        self._access.give_password(instance)

    def _move_all(self, writer: Writer | None, moves: tuple[str, ...]) -> None:
        for move in moves:
            if move not in self.journal.done:
                self._move(writer, move)
                self.journal.note_done(move)

    def _move(self, writer: Writer | None, move: str) -> None:
        """Take one phase, as often as it takes; keep the program's reports on it.

        Raises:
            ActionRequired: it failed each time.
        """
        number, _, phase = move.partition("-")
        self.progress(f"move {number} of {len(self._moves)}: {phase}")
        self.observations.record("move", move=move, event="begin")
        begun, log = time.monotonic(), self._log(move)
        for attempt in range(1, _ATTEMPTS + 1):
            result = self._take(move, log)
            if result.ok:
                break
            self.observations.record("move", move=move, event="failed", seconds=round(result.seconds, 3))
            if attempt == _ATTEMPTS:
                raise ActionRequired(
                    f"`pulumi {_DESTROY if move == self._moves[-1] else 'up'}` failed {_ATTEMPTS} times in move {move}",
                    where=self.config.names.source,
                    fix=f"Read {log}; then continue with --resume, or remove the rehearsal with --remove",
                    safe=f"{self.config.source} was not touched",
                )
            time.sleep(_PAUSE)
        figures = {"gap": _gap(writer, begun)} if writer is not None else {}
        self.observations.record(
            "move", move=move, event="end", seconds=round(time.monotonic() - begun, 3), **figures
        )
        self._keep_reports(move)

    def _take(self, move: str, log: Path) -> Result:
        if move == self._moves[-1]:
            return self._workspace.destroy(listen=_into(log))
        phase = move.partition("-")[2]
        return self._workspace.up(
            "--skip-preview", "--config", f"rds-encrypt:phase={phase}", listen=_into(log)
        )

    def _unlock(self) -> None:
        """Take away the lock of a command that was killed; this rehearsal is the only one that runs commands on the stack."""
        if self._workspace.exists:
            self._workspace.run("cancel", "--yes", "--stack", _STACK)

    def _log(self, name: str) -> Path:
        """Return the log of Pulumi's output in a move, which can be followed while it grows."""
        path = self.options.directory / "logs" / f"{name}.txt"
        path.parent.mkdir(exist_ok=True)
        return path

    def _keep_reports(self, move: str) -> None:
        current = self.reports / "current"
        if current.is_dir():
            shutil.copytree(current, self.reports / move, dirs_exist_ok=True)

    def _account(self) -> None:
        if _ACCOUNTED in self.journal.done:
            return
        instance = self._copied.find()
        if instance is None:
            raise ActionRequired(
                "no instance has the copy's name, so its writes cannot be counted",
                where=self.config.names.source,
                fix="Remove the rehearsal with --remove, and begin another",
            )
        account = self._traffic.account(instance)
        self.observations.record(
            "writes",
            acknowledged=account.acknowledged,
            lost=len(account.lost),
            duplicates=len(account.duplicates),
        )
        self.journal.note_done(_ACCOUNTED)


def _gap(writer: Writer, begun: float) -> float:
    """Return the longest time without an acknowledged write since then, once the writer writes again."""
    writer.wait_for_write(time.monotonic(), _COMES_BACK)
    moments = (write.monotonic for write in writer.acknowledged)
    return round(longest_gap(moments, begun, time.monotonic()).seconds, 3)


def _into(log: Path) -> Callable[[str], None]:
    """Return a function that appends a line to a file."""

    def listen(line: str) -> None:
        with log.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    return listen
