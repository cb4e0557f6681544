"""The RDS API as one callable: a request's form in, an answer out."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping

from dev.sandbox.faults import FaultBook
from dev.sandbox.rds import (
    events,
    information,
    instances,
    lifecycle,
    modify,
    option_groups,
    parameter_groups,
    pointers,
    protocol,
    replicas,
    restore,
    snapshots,
    subnet_groups,
    tags,
)
from dev.sandbox.rds.clock import TimeModel
from dev.sandbox.rds.errors import RDSError
from dev.sandbox.rds.hosting import Hosting
from dev.sandbox.rds.protocol import Answer
from dev.sandbox.rds.region import Region
from dev.sandbox.rds.registry import ACTIONS

__all__ = ["MODULES", "RDS"]

_log = logging.getLogger(__name__)

# Importing a module registers its actions.
MODULES = (
    events,
    information,
    instances,
    lifecycle,
    modify,
    option_groups,
    parameter_groups,
    pointers,
    replicas,
    restore,
    snapshots,
    subnet_groups,
    tags,
)


class RDS:
    """All regions of one account."""

    def __init__(self, account_id: str, hosting: Hosting, clock: TimeModel, faults: FaultBook) -> None:
        self._account_id = account_id
        self._hosting = hosting
        self._clock = clock
        self._faults = faults
        self._regions: dict[str, Region] = {}
        self._lock = threading.Lock()

    def region(self, name: str) -> Region:
        with self._lock:
            if name not in self._regions:
                self._regions[name] = Region(name, self._account_id, self._hosting, self._clock, self._faults)
            return self._regions[name]

    def regions(self) -> list[Region]:
        with self._lock:
            return list(self._regions.values())

    def answer(self, region_name: str, form: Mapping[str, str]) -> Answer:
        """Carry out one request; it never waits for a transition."""
        action = form.get("Action", "")
        region = self.region(region_name)
        try:
            call = protocol.parse(form)
            handler = ACTIONS.get(call.action)
            if handler is None:
                raise protocol.unknown_action(call.action)
            with region.lock:
                return protocol.success(call.action, handler(region, call.parameters))
        except RDSError as error:
            return protocol.failure(action, error)
        except Exception:
            _log.exception("The action %s failed in the sandbox itself", action)
            raise

    def close(self) -> None:
        for region in self.regions():
            region.close()
