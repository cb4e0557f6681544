"""A workspace of the checkout for demo, bench and tests: nothing of the caller's own Pulumi or AWS settings reaches it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from rds_encrypt.rehearse import workspace

__all__ = ["ROOT", "Workspace"]

ROOT = Path(__file__).resolve().parents[2]
_TOOLS = (ROOT / ".cache" / "venv" / "bin", ROOT / ".cache" / "bin")
_STAND_IN = ROOT / "dev" / "sandbox" / "plugin" / "bin" / "pulumi-resource-aws"


class Workspace(workspace.Workspace):
    """One stack of the project, with the tool chain of this checkout.

    Args:
        directory: holds everything that is written: ``state/``, ``home/``, the stack's config.
        environment: what the program's clients need to find their endpoint and credentials.
        stack: the name of the stack, whose config file in the project is the starting point.
        project: the directory of ``Pulumi.yaml``.
    """

    def __init__(
        self, directory: Path, *, environment: Mapping[str, str], stack: str = "dev", project: Path = ROOT
    ) -> None:
        super().__init__(directory, stack=stack, project=project)
        self._given = dict(environment)

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment of the CLI."""
        foreign = ("AWS_", "PULUMI_")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        path = self._given.get("PATH", inherited.get("PATH", os.defpath))
        return {
            **inherited,
            **self._given,
            **self.settings,
            "PATH": os.pathsep.join([*map(str, _TOOLS), _without_stand_in(path)]),
        }

    @property
    def settings(self) -> dict[str, str]:
        """The part of the environment that makes it this workspace."""
        return {
            **super().settings,
            "PULUMI_HOME": str(self.directory / "home"),
            "PULUMI_CONFIG_PASSPHRASE": "demo",
        }

    def create(self) -> None:
        """Make the workspace again, with an empty stack and the checkout's config.

        Raises:
            CommandFailed: the stack could not be made.
        """
        shutil.rmtree(self.directory / "home", ignore_errors=True)
        self._link_plugin()
        self.make((self.project / f"Pulumi.{self.stack}.yaml").read_text(encoding="utf-8"))

    def _link_plugin(self) -> None:
        """Put the AWS provider where the CLI looks for plugins: the user's own, or else the sandbox's stand-in."""
        name = f"resource-aws-v{version('pulumi-aws')}"
        theirs = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi") / "plugins" / name
        plugins = self.directory / "home" / "plugins"
        plugins.mkdir(parents=True)
        if theirs.is_dir():
            (plugins / name).symlink_to(theirs)
        else:
            (plugins / name).mkdir()
            (plugins / name / _STAND_IN.name).symlink_to(_STAND_IN)


def _without_stand_in(path: str) -> str:
    """The stand-in is linked as a plugin; found on PATH as well, the CLI would warn of it twice a run."""
    return os.pathsep.join(part for part in path.split(os.pathsep) if part != str(_STAND_IN.parent))
