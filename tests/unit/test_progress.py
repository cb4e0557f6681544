"""Messages in a row of `pulumi up`: how often they appear, and which comes last."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from providers import progress
from providers.progress import DONE, progress_for


class Engine:
    """Takes the messages that would go to the engine."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def Log(self, request: SimpleNamespace, timeout: float) -> None:  # noqa: N802 - gRPC's name
        self.messages.append(request.message)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    engine = Engine()
    monkeypatch.setattr(progress, "_engine", lambda: engine)
    return engine


def test_words_of_one_wait_are_shown_now_and_then_and_those_of_another_at_once(engine: Engine) -> None:
    show = progress_for("urn")
    for seconds in range(5):
        show(f"lag {seconds} s")
    show("orders is renaming")
    assert engine.messages == ["lag 0 s", "orders is renaming"]


def test_the_last_word_replaces_those_of_the_wait(engine: Engine) -> None:
    show = progress_for("urn")
    show("lag 3 s")
    show(DONE)
    show(DONE)
    assert engine.messages == ["lag 3 s", DONE]


@pytest.mark.parametrize("messages", [[], ["done: db-2 answers"]])
def test_there_is_no_last_word_where_there_is_nothing_to_replace(engine: Engine, messages: list[str]) -> None:
    show = progress_for("urn")
    for words in [*messages, DONE]:
        show(words)
    assert engine.messages == messages
