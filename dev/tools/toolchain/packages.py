"""The virtual environment, from the two requirements files, every package checked against its hash."""

from __future__ import annotations

import shutil
import sys

from toolchain import command, stamps
from toolchain.paths import ROOT, VENV, VENV_LINK
from toolchain.problems import Missing
from toolchain.steps import Step

__all__ = ["packages_sequence"]

_STEP = "venv"
_REQUIREMENTS = (ROOT / "requirements.txt", ROOT / "requirements-dev.txt")


def packages_sequence() -> list[Step]:
    """One step: create the environment and install into it."""
    return [
        Step(
            title="Python packages",
            doing="installing from requirements.txt and requirements-dev.txt, 1-2 minutes",
            present=lambda: "already there" if _whole() else None,
            make=_make,
            requires=_needs_venv,
        )
    ]


def _fingerprint() -> str:
    """The environment is tied to its path, its Python and the pinned packages."""
    return f"{VENV} {sys.version.split()[0]} {stamps.digest(*_REQUIREMENTS)}"


def _whole() -> bool:
    return VENV_LINK.exists() and (VENV / "bin" / "python").exists() and stamps.read(_STEP) == _fingerprint()


def _needs_venv() -> None:
    try:
        import ensurepip  # noqa: F401, PLC0415 - Debian leaves it out of python3 and of nothing else
    except ImportError:
        raise Missing(
            "Python's venv module is not whole on this machine: install it with `apt-get install python3-venv`."
        ) from None


def _make() -> str:
    """Install on top of what an interrupted run left, or start afresh for another Python or path."""
    before = stamps.read(_STEP)
    stamps.clear(_STEP)
    ours = command.ask(
        [VENV / "bin" / "python", "-c", "import sys; print(sys.prefix, sys.version.split()[0])"]
    )
    if ours != f"{VENV} {sys.version.split()[0]}" or not (VENV / "bin" / "pip").exists():
        shutil.rmtree(VENV, ignore_errors=True)
        command.run(
            _STEP,
            [sys.executable, "-m", "venv", VENV],
            doing="Creating the virtual environment",
            offline="Python's own venv module asked for the network, which it should not: see its output.",
        )
    requirements = [word for path in _REQUIREMENTS for word in ("-r", path)]
    command.run(
        _STEP,
        # Compiling all of pulumi-aws would take as long as downloading it: Python compiles what is imported.
        [
            VENV / "bin" / "python",
            "-m",
            "pip",
            "install",
            "--require-hashes",
            "--no-compile",
            "--progress-bar=off",
            *requirements,
        ],
        doing="Installing the Python packages",
        offline=(
            "The Python package index can't be reached: check the network (and PIP_INDEX_URL, HTTPS_PROXY), then run "
            "`make setup` again; what was fetched is kept."
        ),
        environment={"PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )
    _link()
    stamps.write(_STEP, _fingerprint())
    return "brought up to date" if before else "installed"


def _link() -> None:
    """`.venv`, the environment that Pulumi.yaml names and editors look for, unless the user has one there."""
    if VENV_LINK.is_symlink() or not VENV_LINK.exists():
        VENV_LINK.unlink(missing_ok=True)
        VENV_LINK.symlink_to(VENV.relative_to(ROOT))
