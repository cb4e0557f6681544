"""One cutover in a process of its own, so that it can be killed: `python -m tests.chaos.runner`, driven over its pipes.

It reads one order (a line of JSON), performs the step as the dynamic provider does, and tells, a line of JSON each, which
boundary it passes: each moment of the timeline, each first word of progress, and before and after each call that changes
something in AWS or in MySQL. At each boundary that the order names it holds until a line comes in. It keeps no state.
"""

from __future__ import annotations

import json
import signal
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import botocore.client
from pulumi.dynamic import Config, ConfigureRequest

from providers.cutover import CutoverProvider
from providers.rollback import RollbackProvider
from providers.step import Step
from rds_encrypt.core.errors import Bug, MigrationError
from rds_encrypt.cutover.timeline import Moment, Timeline
from rds_encrypt.mysql.session import Row, Session

__all__ = ["PROVIDERS"]

PROVIDERS: dict[str, type[Step[Any]]] = {"cutover": CutoverProvider, "rollback": RollbackProvider}
_LOOKS = ("Describe", "List", "Get")
_CHANGES = {"CREATE", "ALTER", "GRANT", "DROP", "INSERT", "UPDATE", "DELETE", "KILL"}


class Boundaries:
    """Numbers the boundaries as they are passed, tells of each, and holds where it is told to."""

    def __init__(self, holds: list[str]) -> None:
        self._holds = set(holds)
        self._passed: Counter[str] = Counter()
        self._progress = ""

    def passed(self, label: str) -> None:
        self._passed[label] += 1
        times = self._passed[label]
        name = label if times == 1 else f"{label} #{times}"
        _tell(passed=name)
        if name in self._holds:
            _tell(held=name)
            sys.stdin.readline()

    def around(self, label: str, act: Callable[[], Any]) -> Any:
        self.passed(f"before {label}")
        result = act()
        self.passed(f"after {label}")
        return result

    def progress(self, message: str) -> None:
        word = message.split(" ", maxsplit=1)[0]
        if word in {"undoing", "confirming"} and word != self._progress:
            self._progress = word
            self.passed(word)


def _tell(**words: object) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def _watch(boundaries: Boundaries) -> None:
    """Put a boundary at each moment, and on both sides of each call that changes something."""
    mark, call_aws = Timeline.mark, botocore.client.BaseClient._make_api_call  # type: ignore[attr-defined]
    rows, call = Session.rows, Session.call

    def marked(timeline: Timeline, moment: Moment) -> None:
        mark(timeline, moment)
        boundaries.passed(str(moment))

    def called_aws(client: Any, operation: str, parameters: Any) -> Any:
        def act() -> Any:
            return call_aws(client, operation, parameters)

        return act() if operation.startswith(_LOOKS) else boundaries.around(operation, act)

    def ran(session: Session, statement: str, *arguments: object) -> list[Row]:
        def act() -> list[Row]:
            return rows(session, statement, *arguments)

        words = statement.split()
        if words[0] not in _CHANGES or "fence_probe" in statement:
            return act()
        result: list[Row] = boundaries.around(" ".join(words[:2]), act)
        return result

    def called(session: Session, procedure: str, *arguments: object) -> list[Row]:
        result: list[Row] = boundaries.around(procedure, lambda: call(session, procedure, *arguments))
        return result

    Timeline.mark = marked  # type: ignore[method-assign, assignment]
    botocore.client.BaseClient._make_api_call = called_aws  # type: ignore[attr-defined]
    Session.rows = ran  # type: ignore[method-assign, assignment]
    Session.call = called  # type: ignore[method-assign, assignment]


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]


def main() -> None:
    """Carry out one order."""
    # A shell starts what it puts into the background deaf to Ctrl-C, and that is inherited.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    order = json.loads(sys.stdin.readline())
    boundaries = Boundaries(order["holds"])
    _watch(boundaries)
    provider = PROVIDERS[order["verb"]]()
    provider.configure(ConfigureRequest(Config({"aws:region": order["region"]}, "rds-encrypt")))
    args = provider.read_args(order["inputs"])
    world = replace(provider.context(args), progress=boundaries.progress)
    _tell(begun=True)
    try:
        outputs = provider.perform(world, args)
    except BaseException as error:
        leaves = _leaves(error)
        _tell(
            failed=[type(leaf).__name__ for leaf in leaves],
            undone=not isinstance(error, BaseExceptionGroup),
            ours=all(
                isinstance(leaf, MigrationError | KeyboardInterrupt) and not isinstance(leaf, Bug)
                for leaf in leaves
            ),
            sentence=" | ".join(str(leaf) or repr(leaf) for leaf in leaves),
        )
        raise SystemExit(1) from error
    _tell(completed=outputs)


if __name__ == "__main__":
    main()
