"""Faults that can be injected: the book that the server keeps, and the client that tests write into it with."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["FAULTS_PATH", "Fault", "FaultBook", "Faults"]

FAULTS_PATH = "/_sandbox/faults"
CallKind = Literal["throttle", "error", "slow"]
"""An `error` with a `code` is that error of AWS's; without one, it is a 5xx."""


@dataclass
class Fault:
    """A fault that the next `count` calls of an action meet (`*` is any action of the service).

    With an `instance`, a name or a DbiResourceId, only calls about that instance meet it; by its id, whatever it is called.
    With `mentions`, only calls with that text in a parameter.
    """

    kind: CallKind
    action: str = "*"
    service: str = "rds"
    count: int = 1
    ms: int = 0
    status: int = 500
    code: str = ""
    message: str = ""
    instance: str = ""
    mentions: str = ""


class FaultBook:
    """The faults that are still to happen; each call takes those that are meant for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[Fault] = []
        self._restores: list[str] = []
        self._copies = 0
        self._refusal: tuple[str, str] | None = None
        self._purging = False
        self._met: set[tuple[str, str]] = set()

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._calls.append(fault)

    def fail_restores(self, statuses: list[str]) -> None:
        with self._lock:
            self._restores.extend(statuses)

    def fail_copies(self, count: int) -> None:
        with self._lock:
            self._copies += count

    def refuse_procedure(self, action: str, why: str) -> None:
        """Let the procedure for that action refuse once on each instance, also on later ones."""
        with self._lock:
            self._refusal = (action, why)
            self._met = {entry for entry in self._met if entry[0] != "refusal"}

    def purge(self) -> None:
        """Let binary logs be purged once on each instance, also on later ones, despite their retention."""
        with self._lock:
            self._purging = True

    def refusal(self, resource_id: str) -> tuple[str, str] | None:
        """Return the action that an instance is still to refuse, and the text."""
        return self._refusal if ("refusal", resource_id) not in self._met else None

    def purges(self, resource_id: str) -> bool:
        """Whether an instance's binary logs are still to be purged."""
        return self._purging and ("purge", resource_id) not in self._met

    def met(self, what: str, resource_id: str) -> None:
        """Note that an instance has met its `refusal` or `purge`."""
        with self._lock:
            self._met.add((what, resource_id))

    def clear(self) -> None:
        with self._lock:
            self._calls.clear()
            self._restores.clear()
            self._copies = 0
            self._refusal, self._purging = None, False
            self._met.clear()

    def take(
        self, service: str, action: str, subjects: Callable[[], set[str]], parameters: Mapping[str, object]
    ) -> list[Fault]:
        """Return the faults that this call meets, and count them off; `subjects` are what the call's instance is known by."""
        picky = any(fault.instance for fault in self._calls)
        about = subjects() if picky else set()
        with self._lock:
            met = [
                fault
                for fault in self._calls
                if fault.service in ("*", service) and fault.action in ("*", action) and fault.count > 0
                if not fault.instance or fault.instance in about
                if not fault.mentions or fault.mentions in str(parameters)
            ]
            for fault in met:
                fault.count -= 1
            self._calls = [fault for fault in self._calls if fault.count > 0]
            return met

    def take_restore_failure(self) -> str | None:
        with self._lock:
            return self._restores.pop(0) if self._restores else None

    def take_copy_failure(self) -> bool:
        with self._lock:
            fails = self._copies > 0
            self._copies -= fails
            return fails

    def pending(self) -> dict[str, Any]:
        with self._lock:
            return {
                "calls": [asdict(fault) for fault in self._calls],
                "restores": list(self._restores),
                "copies": self._copies,
            }


class Faults:
    """Writes faults into a running sandbox."""

    def __init__(self, endpoint: str) -> None:
        self._url = endpoint + FAULTS_PATH

    def throttle(self, action: str = "*", count: int = 1, service: str = "rds", mentions: str = "") -> None:
        """Let the next calls be refused with `Throttling`; with `mentions`, only those with that text in a parameter."""
        self._post(kind="throttle", action=action, count=count, service=service, mentions=mentions)

    def error(self, action: str = "*", count: int = 1, status: int = 500, service: str = "rds") -> None:
        """Let the next calls end with an HTTP 5xx; what they ask for is not done."""
        self._post(kind="error", action=action, count=count, status=status, service=service)

    def refuse(
        self,
        code: str,
        message: str,
        *,
        action: str = "*",
        count: int = 1,
        service: str = "*",
        status: int = 400,
        instance: str = "",
    ) -> None:
        """Let the next calls be refused with an error of AWS's, such as `ExpiredToken` with status 403.

        A large count refuses for good. With an instance, its name or DbiResourceId, only calls about that one are refused.
        """
        self._post(
            kind="error",
            action=action,
            count=count,
            service=service,
            status=status,
            code=code,
            message=message,
            instance=instance,
        )

    def slow(self, ms: int, action: str = "*", count: int = 1, service: str = "rds") -> None:
        """Let the next calls be answered late."""
        self._post(kind="slow", action=action, count=count, ms=ms, service=service)

    def kill(self, instance: str, *, restart: bool = True) -> None:
        """Kill an instance's server as a crash would; RDS starts it again unless `restart` is false."""
        self._post(kind="kill", instance=instance, restart=restart)

    def freeze(self, instance: str) -> None:
        """Stop an instance's server in its tracks: connections hang."""
        self._post(kind="freeze", instance=instance)

    def thaw(self, instance: str) -> None:
        self._post(kind="thaw", instance=instance)

    def set_status(self, instance: str, status: str) -> None:
        """Let an instance be in a status that it did not come to by itself, such as `storage-full`."""
        self._post(kind="status", instance=instance, status=status)

    def duration(self, what: str, seconds: float) -> None:
        """Let one kind of transition last that long until `clear`, by its name in `dev/sandbox/rds/clock.py`.

        Such as `backup` (the state `backing-up` before the first `available`), `settle`, `unmark`, `away`, `optimize`.
        """
        self._post(kind="duration", what=what, seconds=seconds)

    def grow(self, instance: str, gib: int) -> None:
        """Let storage autoscaling give the instance so much storage now."""
        self._post(kind="grow", instance=instance, gib=gib)

    def reboot_by_rds(self, instance: str) -> None:
        """Let RDS reboot a replica on its own, as it does after it has rotated its internal passwords."""
        self._post(kind="reboot", instance=instance)

    def stop(self, instance: str) -> None:
        """Stop the instance as somebody else would, whatever RDS's checks would say."""
        self._post(kind="stop", instance=instance)

    def delete(self, instance: str) -> None:
        """Delete the instance as somebody else would, deletion protection or not."""
        self._post(kind="delete", instance=instance)

    def owned_key(self, instance: str, *, shown: bool = True) -> None:
        """Let the instance be encrypted with an AWS-owned key (`sse-rds`); `shown`: StorageEncrypted is true as well."""
        self._post(kind="owned-key", instance=instance, shown=shown)

    def fail_restore(self, status: str = "incompatible-restore", count: int = 1) -> None:
        """Let the next restores end in that status."""
        self._post(kind="fail-restore", status=status, count=count)

    def fail_copy(self, count: int = 1) -> None:
        """Let the next snapshot copies end as `failed`."""
        self._post(kind="fail-copy", count=count)

    def quota(self, name: str, maximum: int) -> None:
        """Set a quota of the account, by its name in DescribeAccountAttributes."""
        self._post(kind="quota", name=name, maximum=maximum)

    def automated_backup(self, instance: str) -> None:
        """Let RDS take an automated snapshot now, as if the backup window had come."""
        self._post(kind="automated-backup", instance=instance)

    def heartbeat(
        self, seconds: float | None = None, *, under_read_only: bool = True, qualified: bool = True
    ) -> None:
        """How RDS's heartbeat is written on all instances until `clear`; no seconds: as often as the profile says.

        What is not known of RDS can be had both ways: whether `read_only` silences it, whether it names its schema.
        """
        self._post(kind="heartbeat", seconds=seconds, under_read_only=under_read_only, qualified=qualified)

    def refuse_replicas(self, instance: str, *, refused: bool = True) -> None:
        """Keep the receivers of an instance's managed replicas from connecting to it, or let them again."""
        self._post(kind="refuse-replicas", instance=instance, refused=refused)

    def proxies_follow(self, *, follow: bool = True) -> None:
        """Whether a proxy's target follows its instance through a rename, or keeps the name: AWS does not say."""
        self._post(kind="proxies-follow", follow=follow)

    def refuse_procedure(self, procedure: str, message: str) -> None:
        """Let `rds_start_replication`, `rds_stop_replication` or `rds_reset_external_master` refuse once on each instance."""
        self._post(kind="refuse-procedure", procedure=procedure, message=message)

    def purge(self) -> None:
        """Let each instance's binary logs be purged once although a retention is set: what no follower needs any more."""
        self._post(kind="purge")

    def lag(self, ms: int) -> None:
        """Let descriptions of instances be so old from now on, until it is 0: what was just made is not found yet."""
        self._post(kind="lag", ms=ms)

    def clear(self) -> None:
        """Forget the faults that have not happened yet."""
        self._send(urllib.request.Request(self._url, method="DELETE"))

    def _post(self, **fault: Any) -> None:
        body = json.dumps(fault).encode()
        headers = {"Content-Type": "application/json"}
        self._send(urllib.request.Request(self._url, data=body, headers=headers, method="POST"))

    @staticmethod
    def _send(request: urllib.request.Request) -> None:
        with urllib.request.urlopen(request, timeout=60) as response:
            response.read()
