"""Proxy targets: lets each RDS Proxy that had the one instance as its target use the one that carries production."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
import tenacity
from pulumi.dynamic import DiffResult, UpdateResult

from providers.arguments import PairArgs, recorded
from providers.progress import warning_for
from providers.resource import StepResource
from providers.step import Outputs, Step, StepContext
from rds_encrypt.aws import proxies
from rds_encrypt.aws.errors import denied
from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.proxies import ProxyTarget
from rds_encrypt.core.errors import Cancelled, MigrationError, Retryable, TimedOut
from rds_encrypt.core.waiting import Wait, until
from rds_encrypt.journal import Tag

__all__ = ["ProxyTargets", "ProxyTargetsArgs", "ProxyTargetsProvider"]

_REACHED = 300.0
"""Seconds for a proxy to reach a new target, or the one that has the name now."""
_REGISTERED_IN = {"available", "backing-up", "modifying"}
"""From AWS's refusal, quoted in terraform-provider-aws #19096."""
_BUSY = 1800.0
_ATTEMPTS = 8


@dataclass(frozen=True, kw_only=True)
class ProxyTargetsArgs(PairArgs):
    """The arguments of `ProxyTargets`.

    Attributes:
        moved: whether the encrypted instance carries production.
        settled: whether every proxy could be moved.
    """

    moved: bool
    settled: bool = recorded(default=True)


class ProxyTargetsProvider(Step[ProxyTargetsArgs]):
    """Moves proxies. Outputs: ``proxies``, the result for each, by its name; ``settled``, whether nothing is left to try.

    AWS does not document whether a target follows the name of an instance or the instance, so the step goes by what each proxy reports
    after the names have moved. It never fails: production does not need it, and the next `pulumi up` tries again.
    """

    identity = ("encrypted_id", "source_id")

    def perform(self, context: StepContext, args: ProxyTargetsArgs) -> Outputs:
        """Register the instance that carries production with each proxy that had either instance."""
        warn = warning_for(args.urn)
        try:
            done = self._moved(context, args)
        except Cancelled:
            raise
        except MigrationError as error:
            warn(
                f"rds-encrypt cannot check whether an RDS Proxy has {args.identifier} as its target: {error}"
            )
            # If AWS denies it now, it will deny it the next time too.
            return {"proxies": {}, "settled": denied(error) is not None}
        for proxy, trouble in done.items():
            if trouble:
                warn(f"RDS Proxy {proxy} does not use the instance that carries production: {trouble}")
        right = "uses the instance that carries production"
        return {
            "proxies": {proxy: trouble or right for proxy, trouble in done.items()},
            "settled": not any(done.values()),
        }

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Retry the moves that did not succeed."""
        result = super().diff(_id, _olds, _news)
        return result if self.read_args(_olds).settled else DiffResult(changes=True, replaces=result.replaces)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Run again: another phase wants them elsewhere, or one was not moved."""
        return UpdateResult({**_olds, **_news, **self.carry_out(_news)})

    def _moved(self, context: StepContext, args: ProxyTargetsArgs) -> dict[str, str]:
        """Move each proxy; return, by proxy, what went wrong."""
        instances = context.instances.find_several([args.encrypted_id, args.source_id])
        production = instances.get(args.encrypted_id if args.moved else args.source_id)
        journal = instances.get(args.encrypted_id)
        if production is None or journal is None:
            return {}
        ours, targets = set(args.names.all), proxies.targets(context.aws)
        known = {target.proxy for target in targets if target.identifier in ours}
        # A proxy that a killed run left without a target; if it has another by now, its owner registered that one.
        noted = journal.tags.get(Tag.PROXIES)
        left = {noted} & proxies.without_target(context.aws, targets) if noted else set()
        return {
            proxy: self._settled(context, journal, proxy, production, ours) for proxy in sorted(known | left)
        }

    def _settled(
        self, context: StepContext, journal: Instance, proxy: str, production: Instance, ours: set[str]
    ) -> str:
        """Let a proxy use the instance that carries production; return what went wrong.

        One that has the right target but does not reach it is registered again: it may still mean the instance that had the name.
        """
        name = production.identifier
        try:
            if _look(context, proxy, ours) == [name] and not _reached(context, proxy, name):
                return ""
            # AWS registers no instance in another status.
            context.instances.wait(
                production.resource_id,
                "be in a status in which AWS registers it with a proxy",
                lambda instance: instance.status in _REGISTERED_IN,
                deadline=_BUSY,
                progress=context.progress,
            )
            context.instances.tag(journal, {Tag.PROXIES: proxy})
            for identifier in _look(context, proxy, ours):
                context.progress(f"taking {identifier} away from RDS Proxy {proxy}")
                proxies.deregister(context.aws, proxy, identifier)
            context.progress(f"registering {name} with RDS Proxy {proxy}")
            _register(context, proxy, name)
            context.instances.untag(journal, [Tag.PROXIES])
            return _reached(context, proxy, name)
        except Cancelled:
            raise
        except MigrationError as error:
            return str(error)


def _register(context: StepContext, proxy: str, name: str) -> None:
    """Register the instance, again if AWS is not ready: until then the proxy has no target."""
    for attempt in tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(Retryable),
        stop=tenacity.stop_after_attempt(_ATTEMPTS),
        wait=tenacity.wait_random_exponential(multiplier=0.5, max=10.0),
        reraise=True,
    ):
        with attempt:
            proxies.register(context.aws, proxy, name)


def _look(context: StepContext, proxy: str, ours: set[str]) -> list[str]:
    """Return those of the migration's names that the proxy has as targets."""
    targets = proxies.targets_of(context.aws, proxy)
    return [target.identifier for target in targets if target.identifier in ours]


def _reached(context: StepContext, proxy: str, name: str) -> str:
    """Wait until the proxy reaches its target; return why it does not."""

    def look() -> ProxyTarget:
        targets = proxies.targets_of(context.aws, proxy)
        missing = ProxyTarget(proxy, name, usable=False, trouble="it is not registered")
        return next((target for target in targets if target.identifier == name), missing)

    try:
        until(
            Wait(f"RDS Proxy {proxy} to reach {name}", deadline=_REACHED, longest=5.0),
            look,
            done=lambda target: target.usable,
            describe=lambda target: f"RDS Proxy {proxy}: {target.trouble or 'it reaches its target'}",
            progress=context.progress,
        )
    except TimedOut:
        return look().trouble
    return ""


class ProxyTargets(StepResource, provider=ProxyTargetsProvider):
    """The RDS Proxies in front of the instance that carries production."""

    proxies: pulumi.Output[dict[str, str]]
    settled: pulumi.Output[bool]
