"""Settings of the cutover: how applications move, its limits, your commands, and the checks to overrule."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from components.strict import Strict
from rds_encrypt.cutover.checks import CHECKS
from rds_encrypt.cutover.strategies import StrategyName

__all__ = ["CheckName", "CutoverSettings", "DnsSettings", "HookSettings"]


def _known_check(name: str) -> str:
    if name not in CHECKS:
        raise ValueError(f"{name!r} is not a check of the cutover. docs/concepts.md#the-checks lists them")
    return name


CheckName = Annotated[str, AfterValidator(_known_check), Field(title="checks")]


class DnsSettings(Strict):
    """The Route 53 CNAME that applications use."""

    hosted_zone_id: str
    """With `strategy: dns`: the Route 53 zone of the record that applications use."""
    record: str
    """The record, a CNAME that points at the source."""


class HookSettings(Strict):
    """Commands as lists of arguments: `before` may veto, `move` moves applications in strategy `dns`, `after` announces."""

    before: tuple[str, ...] = ()
    """Runs when the checks pass; a non-zero exit vetoes the cutover."""
    move: tuple[str, ...] = ()
    """With `strategy: dns`, instead of a record: moves applications."""
    after: tuple[str, ...] = ()
    """Runs when the new instance is open."""


class CutoverSettings(Strict):
    """How applications move, limits in seconds, your commands, and the checks to overrule."""

    strategy: StrategyName = "rename"
    """How applications move. `rename`: AWS exchanges the names, which takes minutes. `dns`: a record or your command moves them, in
    seconds. `none`: you move them. With `dns` and `none` the unencrypted instance keeps the name `X`."""
    dns: DnsSettings | None = None
    hooks: HookSettings = HookSettings()
    postpone: bool = False
    """Hold the cutover, once its checks pass, until you set the tag `rds-encrypt:release` on the source; for a day at most."""
    max_write_outage: Annotated[int, Field(ge=5, le=3600)] = 60
    """Seconds for fence, drain and promotion together; beyond that, rds-encrypt undoes the cutover. AWS's renames come on top."""
    long_transaction: Annotated[int, Field(ge=1, le=86400)] = 30
    """A transaction open for more seconds than this stops the cutover before the fence closes."""
    max_lag: Annotated[int, Field(ge=0, le=3600)] = 10
    """Seconds that the encrypted instance may be behind before the fence closes."""
    lag_steady: Annotated[int, Field(ge=0, le=3600)] = 5
    """Seconds for which the lag must stay within `maxLag`: the last check before the fence closes."""
    force: tuple[CheckName, ...] = ()
    """[Checks](concepts.md#the-checks) that may fail; the outputs say what they saw."""

    @model_validator(mode="after")
    def _dns_has_a_way(self) -> Self:
        if (self.dns is not None or self.hooks.move) and self.strategy != "dns":
            raise ValueError("`dns` and `hooks.move` go with `strategy: dns` only")
        if self.strategy == "dns" and (self.dns is None) == (not self.hooks.move):
            raise ValueError(
                "`strategy: dns` moves applications by a record or by a command. Give exactly one of `dns` (the Route 53 record) and `hooks.move` (the command)"
            )
        return self
