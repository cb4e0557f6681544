"""The AWS plugin is asked for before the program's own event loop runs: a monitor that answers over gRPC gets the request at once."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2, resource_pb2_grpc

from components import early


class Monitor(resource_pb2_grpc.ResourceMonitorServicer):
    """As much of the engine as the request needs."""

    def __init__(self) -> None:
        self.questions: list[Any] = []
        self.asked = threading.Event()

    def Invoke(self, request: Any, context: Any) -> provider_pb2.InvokeResponse:  # noqa: N802 - gRPC's name
        self.questions.append(request)
        self.asked.set()
        return provider_pb2.InvokeResponse()


@contextmanager
def asked(monitor: Monitor, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Serve the monitor, with the request already sent."""
    server = grpc.server(futures.ThreadPoolExecutor(1))
    resource_pb2_grpc.add_ResourceMonitorServicer_to_server(monitor, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = resource_pb2_grpc.ResourceMonitorStub(channel)
            monkeypatch.setattr(early, "get_monitor", lambda: stub)
            early.start_aws_plugin()
            assert monitor.asked.wait(10)
            yield
    finally:
        server.stop(None)


def test_the_engine_is_asked_at_once_and_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monitor = Monitor()
    with asked(monitor, monkeypatch):
        pass
    (question,) = monitor.questions
    # The version is what the resources ask for as well: another one would be a plugin of its own.
    assert (question.tok, question.version) == ("aws:index/getRegion:getRegion", version("pulumi-aws"))


def test_without_an_engine_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    at_exit: list[Callable[[], None]] = []
    monkeypatch.setattr("atexit.register", at_exit.append)
    monkeypatch.setattr(early, "get_monitor", lambda: None)
    early.start_aws_plugin()
    assert at_exit == []


def test_the_call_is_let_go_before_python_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """At Python's end, gRPC waits for a lock held by a thread that no longer runs: the program hung after a mistake in the config."""
    at_exit: list[Callable[[], None]] = []
    monkeypatch.setattr("atexit.register", at_exit.append)
    cancelled, over = threading.Event(), threading.Event()

    class Silent(Monitor):
        def Invoke(self, request: Any, context: Any) -> provider_pb2.InvokeResponse:  # noqa: N802 - gRPC's name
            context.add_callback(cancelled.set)
            self.asked.set()
            over.wait(10)
            return provider_pb2.InvokeResponse()

    with asked(Silent(), monkeypatch):
        try:
            (let_go,) = at_exit
            let_go()
            assert cancelled.wait(10)
        finally:
            over.set()


def test_the_garbage_collector_rests_during_the_imports_and_works_after_them() -> None:
    before = gc.get_freeze_count()
    try:
        with early.importing():
            assert not gc.isenabled()
        assert gc.isenabled()
        assert gc.get_freeze_count() > before
    finally:
        gc.unfreeze()
