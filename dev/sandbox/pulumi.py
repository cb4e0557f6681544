"""What a person's shell needs to run Pulumi against a sandbox: a backend and a home that go when the sandbox goes."""

from __future__ import annotations

import os
import shutil
from importlib.metadata import version
from pathlib import Path

from dev.sandbox.process import ROOT, Sandbox
from rds_encrypt.rehearse.workspace import state_url

__all__ = ["forget_stacks", "pulumi_settings"]

_STAND_IN = ROOT / "dev" / "sandbox" / "plugin" / "bin"
_STATE = "pulumi-state"


def pulumi_settings(sandbox: Sandbox) -> dict[str, str]:
    """Return the environment, PATH included; the stand-in plugin is installed in that home, where the engine expects plugins."""
    directory = sandbox.directory.resolve()
    path = sandbox.environment()["PATH"].split(os.pathsep)
    home = directory / "pulumi"
    state = directory / _STATE
    state.mkdir(exist_ok=True)
    if str(_STAND_IN) in path:
        _install(home / "plugins" / f"resource-aws-v{version('pulumi-aws')}")
        path.remove(str(_STAND_IN))
    return {
        "PATH": os.pathsep.join(path),
        "PULUMI_HOME": str(home),
        "PULUMI_BACKEND_URL": state_url(state),
        "PULUMI_CONFIG_PASSPHRASE": "sandbox",
        "PULUMI_SKIP_UPDATE_CHECK": "1",
        # Everything is here; asking for plugins elsewhere would only take time.
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "1",
    }


def forget_stacks(directory: Path) -> None:
    """Remove the stacks' state: a new sandbox knows nothing of what they say."""
    shutil.rmtree(directory / _STATE, ignore_errors=True)


def _install(plugin: Path) -> None:
    plugin.mkdir(parents=True, exist_ok=True)
    link = plugin / "pulumi-resource-aws"
    if not link.is_symlink():
        link.symlink_to(_STAND_IN / "pulumi-resource-aws")
