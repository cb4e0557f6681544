"""The evidence that the judges of facts look at, and the answers that they give."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from rds_encrypt.core.words import counted
from rds_encrypt.rehearse import known
from rds_encrypt.rehearse.limits import Limits
from rds_encrypt.rehearse.measurements import Measurements, Reply, reply_of
from rds_encrypt.rehearse.observations import Kind, Observation

__all__ = ["NOT_OBSERVED", "Answer", "Evidence", "Verdict", "observed", "verdict"]


class Answer(StrEnum):
    """A rehearsal's answer to a fact."""

    AS_EXPECTED = "as expected"
    DIFFERENT = "different"
    NOT_OBSERVED = "not observed"


@dataclass(frozen=True)
class Evidence:
    """The evidence that a judge may look at."""

    observations: tuple[Observation, ...]
    measured: Measurements
    limits: Limits

    def of(self, kind: Kind) -> list[Observation]:
        """Return the observations of one kind."""
        return [observation for observation in self.observations if observation.kind == kind]

    @cached_property
    def replies(self) -> list[Reply]:
        """All calls of procedures."""
        return [reply_of(observation) for observation in self.of("procedure")]

    def errors(self) -> Iterator[tuple[Reply, int, str]]:
        """Return the failed calls, each with MySQL's error number and text."""
        for reply in self.replies:
            code, text = (None, "") if reply.ok else known.code_of(reply.text)
            if code is not None:
                yield reply, code, text


Verdict = tuple[Answer, str]
NOT_OBSERVED: Verdict = (Answer.NOT_OBSERVED, "")


def verdict(different: list[str], summary: str) -> Verdict:
    """Return "different" with the differences, if there are any; otherwise "as expected" with the summary, unless it is empty."""
    if different:
        return Answer.DIFFERENT, "; ".join(dict.fromkeys(different))
    return (Answer.AS_EXPECTED, summary) if summary else NOT_OBSERVED


def observed(number: int, noun: str) -> str:
    """Return how many there were, and nothing if there was none."""
    return counted(number, noun) if number else ""
