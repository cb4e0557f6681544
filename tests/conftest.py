"""Fixtures that all tests share: one sandbox a session, and the environment of its clients."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import botocore.session
import hypothesis
import pytest

from dev.sandbox import Sandbox
from dev.sandbox.mysql import MySQLNotInstalled, find_binaries

# How fast examples are made depends on what else the machine does.
hypothesis.settings.register_profile(
    "busy machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("busy machine")

# Each session would read the descriptions of AWS's services: for a test that makes one, that is most of its time.
botocore.session.create_loader = cache(botocore.session.create_loader)


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """One running sandbox for the whole session; tests use names of their own in it."""
    with Sandbox.running(tmp_path_factory.mktemp("sandbox")) as running:
        yield running


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip the tests on the server that comes from Debian where Debian cannot be reached."""
    callspec = getattr(item, "callspec", None)
    if callspec is not None and "9.7" in map(str, callspec.params.values()) and (why := _without_9_7()):
        pytest.skip(why)


@cache
def _without_9_7() -> str:
    try:
        find_binaries("9.7")
    except MySQLNotInstalled as error:
        return str(error)
    return ""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests noted with ``record_property("told", …)``: a seed to run again with, and what it led to.

    Printing in a test says nothing to anybody when a worker process runs it.
    """
    reports = [each for kind in ("passed", "failed") for each in terminalreporter.getreports(kind)]
    for report in reports:
        for name, text in report.user_properties:
            if name == "told":
                terminalreporter.write_line(f"{report.nodeid}: {text}")


@pytest.fixture
def environment(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """This process's environment as that of a client of the sandbox."""
    found = sandbox.environment()
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


@pytest.fixture(autouse=True)
def no_faults_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """A fault that a test injected and that did not happen must not meet the next test."""
    yield
    if "sandbox" in request.fixturenames:
        request.getfixturevalue("sandbox").faults.clear()
