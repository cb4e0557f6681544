"""The Pulumi CLI and its Python language host: the user's own where they are recent enough, else built with Go."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from toolchain import command, stamps
from toolchain.paths import BIN, CACHE, TOOLS, on_path, shown
from toolchain.problems import Missing, SetupProblem
from toolchain.steps import Step
from toolchain.versions import GoProgram, Versions, numbers

__all__ = ["go_sequence"]

_HOST_PROGRAMS = ("pulumi-language-python", "pulumi-language-python-exec", "pulumi-resource-pulumi-python")
_VERSION_VARIABLE = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"
_OLDEST_GO_THAT_FETCHES_NEWER = (1, 21)
_GET_GO = (
    "get it from https://go.dev/dl or with `brew install go` (Debian and Ubuntu: `apt-get install golang-go` where that is "
    "1.21 or newer)"
)
_OFFLINE = (
    "The Go module proxy can't be reached: check the network (and GOPROXY, HTTPS_PROXY), then run `make setup` again; "
    "what was fetched is kept."
)


def go_sequence(versions: Versions, *, own_only: bool) -> list[Step]:
    """The two programs, one after the other: a Go build uses every core by itself."""
    cli, host = versions.pulumi, versions.language_host
    return [
        Step(
            title=f"{host.title} {host.version}",
            doing="building with Go, about a minute",
            present=lambda: _linked("pulumi-language-python") or _built(host),
            make=lambda: _link_users(cli, own_only=own_only, links=_HOST_PROGRAMS) or _build_host(host),
            requires=lambda: _needs_go(cli, host, own_only=own_only),
        ),
        Step(
            title=f"{cli.title} {cli.version}",
            doing="building with Go, some four minutes on two cores",
            present=lambda: _linked("pulumi") or _built(cli),
            make=lambda: _link_users(cli, own_only=own_only, links=("pulumi",)) or _build(cli),
            requires=lambda: _needs_go(cli, cli, own_only=own_only),
        ),
    ]


def _linked(name: str) -> str | None:
    """The user's own program that an earlier run linked, if it still exists."""
    link = BIN / name
    return f"using your {link.readlink()}" if link.is_symlink() and link.exists() else None


def _built(program: GoProgram) -> str | None:
    target = BIN / program.name
    whole = program.name != "pulumi-language-python" or all((BIN / name).exists() for name in _HOST_PROGRAMS)
    done = target.exists() and not target.is_symlink() and stamps.read(program.name) == _fingerprint(program)
    return "already there" if done and whole else None


def _fingerprint(program: GoProgram) -> str:
    folder = TOOLS / program.directory
    sources = [folder / "go.mod", folder / "go.sum", *sorted(folder.glob("pulumi-*"))]
    return f"{program.version} {stamps.digest(*sources)}"


def _users_pulumi(cli: GoProgram) -> Path | None:
    """The user's own CLI, if it is recent and has its Python language host with it."""
    mine = on_path("pulumi")
    reported = command.ask([mine, "version"]) if mine else None
    if mine is None or not reported or not re.match(r"v?\d+\.\d+\.\d+", reported):
        return None
    if numbers(reported) < numbers(cli.minimum or cli.version):
        return None
    return mine if all(_users_host(mine, name) for name in _HOST_PROGRAMS) else None


def _users_host(cli: Path, name: str) -> Path | None:
    beside = cli.resolve().parent / name
    return beside if beside.exists() else on_path(name)


def _link_users(cli: GoProgram, *, own_only: bool, links: tuple[str, ...]) -> str | None:
    mine = None if own_only else _users_pulumi(cli)
    if mine is None:
        return None
    BIN.mkdir(parents=True, exist_ok=True)
    for name in links:
        source = mine if name == "pulumi" else _users_host(mine, name)
        if source is not None:
            (BIN / name).unlink(missing_ok=True)
            (BIN / name).symlink_to(source)
    return f"using your {mine}"


def _needs_go(cli: GoProgram, program: GoProgram, *, own_only: bool) -> None:
    if not own_only and _users_pulumi(cli) is not None:
        return
    required = _go_directive(program)
    if shutil.which("go") is None:
        raise Missing(
            f"Go {required} or newer is needed to build the Pulumi CLI and is not installed: {_GET_GO}."
        )
    answer = command.ask(["go", "env", "GOVERSION", "GOTOOLCHAIN"])
    reported, toolchain = [*(answer or "").splitlines(), "", ""][:2]
    match = re.match(r"go(\d+(?:\.\d+)+)", reported)
    if match is None:
        raise Missing(f"`go env GOVERSION` does not say which Go this is: reinstall it, or {_GET_GO}.")
    version = numbers(match[1])
    fetches_newer = version >= _OLDEST_GO_THAT_FETCHES_NEWER and toolchain != "local"
    if version < numbers(required) and not fetches_newer:
        raise Missing(
            f"Go {required} or newer is needed to build the Pulumi CLI and this is Go {match[1]}: {_GET_GO}."
        )


def _go_directive(program: GoProgram) -> str:
    match = re.search(r"^go (\S+)$", (TOOLS / program.directory / "go.mod").read_text(), re.MULTILINE)
    if match is None:
        raise SetupProblem(
            f"dev/tools/{program.directory}/go.mod has no `go` line: restore it from version control."
        )
    return match[1]


def _build(program: GoProgram) -> str:
    folder = TOOLS / program.directory
    if f"{program.module} v{program.version}" not in (folder / "go.mod").read_text():
        raise SetupProblem(
            f"{shown(folder / 'go.mod')} does not pin {program.title} {program.version} as dev/tools/versions.toml does: "
            f"run `cd {shown(folder)} && go get -tool {program.package}@v{program.version}`."
        )
    BIN.mkdir(parents=True, exist_ok=True)
    part = CACHE / f"{program.name}.part"
    flags = f"-s -w -X {_VERSION_VARIABLE}={program.reported_version}"
    command.run(
        program.name,
        ["go", "build", "-mod=readonly", "-buildvcs=false", f"-ldflags={flags}", "-o", part, program.package],
        doing=f"Building {program.title}",
        offline=_OFFLINE,
        cwd=folder,
        environment={"CGO_ENABLED": "0"},  # so that no C compiler is needed
    )
    part.replace(BIN / program.name)
    stamps.write(program.name, _fingerprint(program))
    return "built"


def _build_host(program: GoProgram) -> str:
    """The host itself, and the two scripts that it and the engine look for beside it on PATH."""
    folder = TOOLS / program.directory
    result = _build(program)
    sources = command.ask(
        ["go", "-C", folder, "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", program.module]
    )
    if not sources:
        raise SetupProblem(
            f"Go does not say where {program.module} is: run `go clean -modcache`, then `make setup` again."
        )
    _install(Path(sources) / "python" / "cmd" / "pulumi-language-python-exec")
    _install(folder / "pulumi-resource-pulumi-python")
    return result


def _install(script: Path) -> None:
    part = CACHE / f"{script.name}.part"
    shutil.copyfile(script, part)
    part.chmod(0o755)
    part.replace(BIN / script.name)  # never written through a link to the user's own
