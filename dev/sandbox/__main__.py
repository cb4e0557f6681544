"""The command line: `python -m dev.sandbox up|down|status|env|seed`."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from dev.sandbox.process import DEFAULT_DIRECTORY, Sandbox, SandboxError
from dev.sandbox.pulumi import forget_stacks, pulumi_settings
from dev.sandbox.seed import seed

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except SandboxError as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dev.sandbox", description="A local RDS over real MySQL servers."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--directory", type=Path, default=DEFAULT_DIRECTORY, help="where it keeps its state")
    serving = argparse.ArgumentParser(add_help=False)
    serving.add_argument("--port", type=int, default=0, help="of the endpoint (default: any free one)")
    serving.add_argument(
        "--profile", choices=("fast", "paced", "realistic"), default="fast", help="the time model"
    )
    serving.add_argument("--factor", type=float, default=1.0, help="multiplies the time model's durations")
    seeding = argparse.ArgumentParser(add_help=False)
    seeding.add_argument(
        "--engine", choices=("8.0", "5.7", "9.7"), default="8.0", help="of the seeded instance `orders`"
    )
    seeding.add_argument("--rows", type=int, default=200_000, help="at least so many rows in all")

    up = commands.add_parser(
        "up", parents=[common, serving, seeding], help="start it in the background, seeded"
    )
    up.add_argument("--no-seed", action="store_true", help="start it empty")
    up.set_defaults(run=_up)
    commands.add_parser("down", parents=[common], help="stop it and all its servers").set_defaults(run=_down)
    commands.add_parser("status", parents=[common], help="say what runs").set_defaults(run=_status)
    commands.add_parser("env", parents=[common], help="print exports for a shell").set_defaults(run=_env)
    commands.add_parser("seed", parents=[common, seeding], help="make the database `orders`").set_defaults(
        run=_seed
    )
    serve = commands.add_parser("serve", parents=[common, serving], help="run it in the foreground")
    serve.add_argument("--parent", type=int, default=None, help=argparse.SUPPRESS)
    serve.set_defaults(run=_serve)
    return parser


def _up(options: argparse.Namespace) -> None:
    running = Sandbox.find(options.directory)
    if running is not None:
        print(f"The sandbox runs already at {running.endpoint}.")
    else:
        forget_stacks(options.directory)
        running = Sandbox.start(options.directory, options.profile, options.factor, options.port)
        print(f"The sandbox runs at {running.endpoint}.")
        if not options.no_seed:
            _plant(running, options)
    _write_env(running)
    _explain(running)


def _plant(sandbox: Sandbox, options: argparse.Namespace) -> None:
    made = seed(sandbox, engine=options.engine, rows=options.rows)
    print(
        f"Seeded `{made.identifier}` (MySQL {made.engine_version}): {made.rows:,} rows in {made.seconds:.1f} s."
    )


def _explain(sandbox: Sandbox) -> None:
    instances = sandbox.status()["instances"]
    for instance in instances:
        print(
            f"  instance {instance['identifier']}: {instance['address']}:{instance['port']}, "
            f"MySQL {instance['engine_version']}, {instance['status']}"
        )
    if any(instance["identifier"] == "orders" for instance in instances):
        print(
            "  master user: admin, its password is in the secret orders/master (the application's: orders/app)"
        )
    print(f"  TLS: verify with {sandbox.directory / 'ca.pem'}")
    print('  to point a shell at it: eval "$(make -s env)", to stop it: make sandbox-down')


def _down(options: argparse.Namespace) -> None:
    running = Sandbox.find(options.directory)
    if running is None:
        print("No sandbox is running.")
        return
    running.stop()
    print("The sandbox is stopped; no server of it is left.")


def _status(options: argparse.Namespace) -> None:
    running = _require(options)
    print(f"The sandbox runs at {running.endpoint} (process {running.pid}, profile {running.profile}).")
    for instance in running.status()["instances"]:
        print(f"  {instance['identifier']}: {instance['status']} at {instance['address']}:{instance['port']}")


def _env(options: argparse.Namespace) -> None:
    print(_exports(_require(options)), end="")


def _seed(options: argparse.Namespace) -> None:
    _plant(_require(options), options)


def _serve(options: argparse.Namespace) -> None:
    # moto and Flask take a second to import: only the server itself pays for it.
    from dev.sandbox.hosted import Options, serve  # noqa: PLC0415

    serve(Options(options.directory, options.port, options.profile, options.factor, options.parent))


def _require(options: argparse.Namespace) -> Sandbox:
    running = Sandbox.find(options.directory)
    if running is None:
        raise SandboxError(f"No sandbox is running in {options.directory}: start it with `make sandbox`.")
    return running


def _exports(sandbox: Sandbox) -> str:
    settings = sandbox.environment() | pulumi_settings(sandbox)
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in settings.items())


def _write_env(sandbox: Sandbox) -> None:
    (sandbox.directory / "env.sh").write_text(_exports(sandbox), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
