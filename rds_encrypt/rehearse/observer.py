"""Observes a rehearsal from outside, as a client of AWS and of MySQL: statuses, names and binary logs, each change as a line."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from rds_encrypt.access import Access
from rds_encrypt.aws import snapshots
from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.instances import Instances
from rds_encrypt.core.errors import MigrationError
from rds_encrypt.mysql import retention
from rds_encrypt.names import Names
from rds_encrypt.rehearse.observations import Kind, Observations

__all__ = ["Observer"]

_MISSED = 3
"""Polls in a row without an instance before it counts as gone: a rename may hide one."""
_PROBE = 0.25
"""Seconds between two attempts to connect to the copy's name."""
_LOGS_EVERY = 5
"""Polls of AWS for each look at the binary logs."""


@dataclass
class Observer:
    """Records changes, for the length of a ``with`` block.

    Attributes:
        every: seconds between two polls of AWS.
        direct: whether names can be probed from here; through a bastion they are resolved there.
    """

    aws: Aws
    access: Access
    names: Names
    observations: Observations
    every: float
    direct: bool
    _known: dict[tuple[Kind, str], Mapping[str, Any]] = field(default_factory=dict, repr=False)
    _missed: dict[str, int] = field(default_factory=dict, repr=False)
    _address: tuple[str, int] | None = field(default=None, repr=False)
    _stopping: threading.Event = field(default_factory=threading.Event, repr=False)

    @contextmanager
    def observing(self) -> Iterator[None]:
        """Observe for the length of a ``with`` block."""
        with ExitStack() as stack:
            stack.callback(self._stopping.set)
            loops = [(self._poll, self.every), (self._look_at_logs, self.every * _LOGS_EVERY)]
            if self.direct:
                loops.append((self._probe, _PROBE))
            for look, pause in loops:
                thread = threading.Thread(target=self._loop, args=(look, pause), daemon=True)
                thread.start()
            yield

    def _loop(self, look: Callable[[], None], pause: float) -> None:
        while not self._stopping.wait(pause):
            try:
                look()
            except MigrationError:
                # The program meets the same error and reports it; the next poll observes what this one could not.
                continue

    def _poll(self) -> None:
        instances = {
            instance.resource_id: instance for instance in Instances(self.aws).named(self.names.all).values()
        }
        for instance in instances.values():
            self._missed.pop(instance.resource_id, None)
            self._note("instance", instance.resource_id, _of_instance(instance))
            if instance.identifier == self.names.source and instance.address:
                self._address = (instance.address, instance.port)
        for kind, key in list(self._known):
            if kind == "instance" and key not in instances:
                self._missed[key] = self._missed.get(key, 0) + 1
                if self._missed[key] == _MISSED:
                    self._note("instance", key, {**self._known[kind, key], "status": None})
        self._poll_snapshots()

    def _poll_snapshots(self) -> None:
        existing = snapshots.existing(self.aws, [self.names.replica, self.names.encrypted])
        facts_by_name = {name: _of_snapshot(snapshot.description) for name, snapshot in existing.items()}
        for kind, key in list(self._known):
            if kind == "snapshot" and key not in facts_by_name:
                facts_by_name[key] = {**self._known[kind, key], "status": None}
        for name, facts in facts_by_name.items():
            self._note("snapshot", name, facts)

    def _look_at_logs(self) -> None:
        instance = Instances(self.aws).named([self.names.source]).get(self.names.source)
        if instance is None or not instance.available:
            return
        with self.access.session(instance, patience=0.0) as session:
            files = [str(next(iter(row.values()))) for row in session.rows("SHOW BINARY LOGS")]
            hours = retention.read(session)
        if files:
            facts = {"first": files[0], "last": files[-1], "hours": hours}
            self._note("binlogs", instance.resource_id, {"id": instance.resource_id, **facts})

    def _probe(self) -> None:
        if self._address is None:
            return
        self._note("name", "", {"identifier": self.names.source, "state": _met_at(self._address)})

    def _note(self, kind: Kind, key: str, facts: Mapping[str, Any]) -> None:
        """Record the facts if they differ from the known ones."""
        if self._known.get((kind, key)) != facts:
            self._known[kind, key] = facts
            self.observations.record(kind, **facts)


def _of_instance(instance: Instance) -> dict[str, Any]:
    described = instance.description
    storage = described.get("StorageOperationStatus")
    return {
        "id": instance.resource_id,
        "identifier": instance.identifier,
        "status": instance.status,
        "gib": instance.allocated_gib,
        "storage": str(storage) if storage else None,
    }


def _of_snapshot(described: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "identifier": described["DBSnapshotIdentifier"],
        "status": described["Status"],
        "gib": described["AllocatedStorage"],
        "encrypted": described["Encrypted"],
        "progress": described.get("PercentProgress"),
    }


def _met_at(address: tuple[str, int]) -> str:
    """Return the state of an address as a client sees it."""
    try:
        with socket.create_connection(address, timeout=_PROBE * 4) as connection:
            # MySQL speaks first; something else may be listening at the address by now.
            return "open" if connection.recv(1) else "refused"
    except socket.gaierror:
        return "unresolved"
    except OSError:
        return "refused"
