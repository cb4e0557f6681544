"""How applications move to the other instance: by its name, by a DNS record or command of theirs, or not by us.

`rename` is the runbook's procedure: applications notice only the gap, but each rename reboots and takes AWS minutes. The others
keep both names and take seconds: the candidate opens under its own name.

To add one, write its module and enter it here; its settings are in ``rds_encrypt/settings.py``.
"""

from __future__ import annotations

from rds_encrypt.cutover.context import Strategy
from rds_encrypt.cutover.strategies import dns, rename
from rds_encrypt.cutover.strategies.dns import Dns
from rds_encrypt.cutover.strategies.in_place import InPlace
from rds_encrypt.cutover.strategies.rename import Rename
from rds_encrypt.settings import CutoverSettings, DnsSettings, StrategyName

__all__ = ["CHECKS", "Dns", "InPlace", "Rename", "strategy_called", "strategy_of"]

CHECKS = (dns.RECORD, rename.BACKUP_WINDOW)
"""All checks that belong to one strategy, in the order in which they run."""


def strategy_of(settings: CutoverSettings) -> Strategy:
    """Return the strategy that the config describes."""
    return strategy_called(settings.strategy, settings.dns, settings.hooks.move)


def strategy_called(
    name: StrategyName, record: DnsSettings | None = None, command: tuple[str, ...] = ()
) -> Strategy:
    """Return the strategy of that name; only `dns` takes a record or a command."""
    match name:
        case "rename":
            return Rename()
        case "dns":
            return Dns(record, command)
        case "none":
            return InPlace()
