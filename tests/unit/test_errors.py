"""Errors: one failure in the order a person needs it, and what prints where a traceback would."""

from __future__ import annotations

import grpc
import pulumi
import pytest
from pulumi.runtime import settings

from providers import clean_errors
from providers.clean_errors import sentence
from rds_encrypt.core.errors import (
    ActionRequired,
    Bug,
    Cancelled,
    OutcomeUnknown,
    PreconditionFailed,
    Retryable,
    TimedOut,
)


def test_an_error_tells_where_what_fix_and_what_is_safe() -> None:
    error = ActionRequired("it is full", where="orders", fix="Give it more storage", safe="Writes go on")
    assert str(error) == "orders: it is full. Give it more storage. Writes go on."


def test_no_part_leaves_a_hole_or_a_second_full_stop() -> None:
    assert str(ActionRequired("it is full.")) == "it is full."
    assert str(ActionRequired("it is full", safe="Writes go on.")) == "it is full. Writes go on."


def test_whoever_retries_never_retries_what_needs_a_human_or_is_unknown() -> None:
    assert issubclass(TimedOut, Retryable)
    assert issubclass(Cancelled, Retryable)
    assert not any(issubclass(kind, Retryable) for kind in (ActionRequired, OutcomeUnknown, Bug))
    assert issubclass(PreconditionFailed, ActionRequired)


def test_an_error_for_people_prints_as_its_sentence() -> None:
    assert sentence(ActionRequired("it is full", where="orders")) == "orders: it is full."


@pytest.mark.parametrize("error", [Bug("impossible"), KeyError("x"), KeyboardInterrupt()])
def test_a_bug_keeps_its_traceback(error: BaseException) -> None:
    assert sentence(error) is None


def test_a_group_prints_all_its_causes() -> None:
    group = BaseExceptionGroup(
        "the cutover failed, and so did undoing it", [ActionRequired("one"), TimedOut("two")]
    )
    assert sentence(group) == "the cutover failed, and so did undoing it: one. And: two."


def test_a_group_with_a_bug_in_it_keeps_its_traceback() -> None:
    assert sentence(BaseExceptionGroup("both", [ActionRequired("one"), KeyError("x")])) is None


def test_the_host_prints_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the host does it: ``traceback.format_exc()`` within an ``except``."""
    import __main__  # noqa: PLC0415 - this process plays the host

    monkeypatch.setattr(__main__, "DynamicResourceProviderServicer", object, raising=False)
    monkeypatch.setattr(__main__, "traceback", None, raising=False)
    clean_errors.install()
    formatter = __main__.traceback  # type: ignore[attr-defined]
    try:
        raise ActionRequired("it is full", where="orders")
    except ActionRequired:
        assert formatter.format_exc() == "orders: it is full."
    try:
        raise KeyError("x")
    except KeyError:
        printed = formatter.format_exc()
    assert printed.startswith("This is a bug in rds-encrypt")
    assert "KeyError: 'x'" in printed


def test_no_other_process_is_touched() -> None:
    import __main__  # noqa: PLC0415 - pytest's own

    before = getattr(__main__, "traceback", None)
    clean_errors.install()
    assert getattr(__main__, "traceback", None) is before


class _Failed(grpc.RpcError):
    def __init__(self, code: grpc.StatusCode) -> None:
        super().__init__()
        self._code = code

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return "context canceled"


def test_what_the_engine_cancels_after_a_failure_ends_the_program_without_a_traceback() -> None:
    """The SDK prints a RunError as its sentence, and any other exception as a traceback beside the sentences of the steps."""
    clean_errors.install()
    with pytest.raises(pulumi.RunError, match="cancelled the rest"):
        settings.handle_grpc_error(_Failed(grpc.StatusCode.CANCELLED))
    with pytest.raises(Exception, match="context canceled") as other:
        settings.handle_grpc_error(_Failed(grpc.StatusCode.UNKNOWN))
    assert not isinstance(other.value, pulumi.RunError)
