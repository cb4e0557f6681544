"""Reads DB instances: finds them by name or DbiResourceId, and waits until they are in a given state."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, repeat
from typing import Any

import botocore.exceptions

from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.describe_batches import WINDOW, in_pages, shared_batches
from rds_encrypt.aws.errors import code_of, sorted_errors
from rds_encrypt.aws.instance import Instance, status_error
from rds_encrypt.core.errors import ActionRequired, Bug
from rds_encrypt.core.waiting import Progress, Wait, silent, until

__all__ = ["InstanceReader"]

_PAUSES = (0.3, 0.7, 1.5)
"""Seconds between the polls for an instance that should exist but is not listed."""

_RESTART = 900.0
_UNHURRIED = 1.0
"""Waits with at least this many seconds between polls may share their requests with other threads."""


class InstanceReader:
    """Finds the region's DB instances and waits for them.

    It batches its requests with those of other threads; each answer comes from a request that began after the question.
    """

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self._batches = shared_batches(aws.settings)

    def named(self, identifiers: Iterable[str]) -> dict[str, Instance]:
        """Return those of the given names that exist, by name."""
        names = sorted({identifier.lower() for identifier in identifiers})
        with sorted_errors(", ".join(names)):
            return self._with_recent_tags(self._batches.by_name.ask(names, self._called))

    def all(self) -> list[Instance]:
        """Return all instances of the region."""
        region = self._aws.region
        with sorted_errors(f"DB instances in {region}"):
            listed = self._batches.all.ask([region], lambda _: {region: self._described()})[region]
        return list(self._with_recent_tags({instance.resource_id: instance for instance in listed}).values())

    def find(self, resource_id: str) -> Instance | None:
        """Return the instance with this DbiResourceId, or ``None`` if there is none."""
        return self.find_several([resource_id]).get(resource_id)

    def find_several(self, resource_ids: Iterable[str], *, window: float = 0.0) -> dict[str, Instance]:
        """Return those of the given instances that exist, by DbiResourceId, as of one moment."""
        ids = sorted(set(resource_ids))
        with sorted_errors(", ".join(ids)):
            return self._with_recent_tags(self._batches.by_id.ask(ids, self._identified, window=window))

    def get(self, resource_id: str) -> Instance:
        """Return the instance with this DbiResourceId.

        Raises:
            ActionRequired: there is none.
        """
        return self.get_several(resource_id)[0]

    def get_several(self, *resource_ids: str) -> tuple[Instance, ...]:
        """Return the instances with these DbiResourceIds, in this order, as of one moment.

        Raises:
            ActionRequired: one does not exist.
        """
        instances = self.find_several(resource_ids)
        for pause in _PAUSES:  # AWS does not list a new instance immediately
            if all(resource_id in instances for resource_id in resource_ids):
                break
            time.sleep(pause)
            instances = self.find_several(resource_ids)
        if gone := [resource_id for resource_id in resource_ids if resource_id not in instances]:
            raise ActionRequired(
                "this DB instance no longer exists",
                where=", ".join(gone),
                fix="Run `pulumi refresh` to see what else is gone",
            )
        return tuple(instances[resource_id] for resource_id in resource_ids)

    def wait_until_available(
        self, resource_id: str, *, deadline: float, progress: Progress = silent, longest: float = 10.0
    ) -> Instance:
        """Wait until the instance is available.

        Raises:
            ActionRequired: it is gone, or in a status that it will not leave on its own.
            TimedOut: ``deadline`` seconds were not enough.
        """
        return self.wait(
            resource_id,
            "be available",
            lambda instance: instance.available,
            deadline=deadline,
            progress=progress,
            longest=longest,
        )

    def serving(self, resource_id: str, *, deadline: float = _RESTART) -> Instance | None:
        """Return the instance once its MySQL serves, and wait out a change or a reboot; ``None`` if it is gone or down.

        Raises:
            TimedOut: ``deadline`` seconds were not enough.
        """
        instance = self.find(resource_id)
        if instance is not None and not (instance.serving or instance.down):
            instance = self.wait(
                resource_id, "serve", lambda latest: latest.serving or latest.down, deadline=deadline
            )
        return instance if instance is not None and instance.serving else None

    def wait(
        self,
        resource_id: str,
        purpose: str,
        done: Any,
        *,
        deadline: float,
        progress: Progress = silent,
        longest: float = 10.0,
    ) -> Instance:
        """Wait until ``done`` holds for the instance with this DbiResourceId, even if its name changes meanwhile."""
        instance = until(
            Wait(
                f"it to {purpose}",
                where=resource_id,
                deadline=deadline,
                longest=longest,
                advice="Check the instance's events in the RDS console, then run the same command again",
            ),
            self._look_at(resource_id, patient=longest >= _UNHURRIED),
            done=lambda latest: latest is not None and done(latest),
            failed=lambda latest: status_error(latest) if latest is not None else None,
            describe=lambda latest: str(latest) if latest else "not listed at the moment",
            progress=progress,
        )
        if instance is None:
            raise Bug(f"a wait for {resource_id} ended with nothing seen")
        return instance

    def _with_recent_tags(self, instances: Mapping[str, Instance]) -> dict[str, Instance]:
        recent = self._aws.recent_tags
        return {key: Instance(recent.applied_to(instance.description)) for key, instance in instances.items()}

    def _look_at(self, resource_id: str, *, patient: bool) -> Callable[[], Instance | None]:
        """Return the poll of a wait: the first one runs immediately; in a patient wait, later ones wait for other threads."""
        windows = chain([0.0], repeat(WINDOW if patient else 0.0))
        return lambda: self.find_several([resource_id], window=next(windows)).get(resource_id)

    def _identified(self, resource_ids: Sequence[str]) -> dict[str, Instance]:
        return {
            instance.resource_id: instance
            for some in in_pages(resource_ids)
            for instance in self._filtered("dbi-resource-id", some)
        }

    def _called(self, identifiers: Sequence[str]) -> dict[str, Instance]:
        return {
            instance.identifier: instance
            for some in in_pages(identifiers)
            for instance in self._filtered("db-instance-id", some)
        }

    def _filtered(self, name: str, values: list[str]) -> list[Instance]:
        try:
            return self._described(Filters=[{"Name": name, "Values": values}])
        except botocore.exceptions.ClientError as error:
            # AWS answers an unknown name with an empty list, but an unknown DbiResourceId sometimes with this error.
            if code_of(error) not in {"DBInstanceNotFound", "DBInstanceNotFoundFault"}:
                raise
            if len(values) == 1:
                return []
            # The error does not say which one is unknown; the others exist.
            return [instance for value in values for instance in self._filtered(name, [value])]

    def _described(self, **arguments: Any) -> list[Instance]:
        pages = self._aws.rds.get_paginator("describe_db_instances").paginate(**arguments)
        return [Instance(description) for page in pages for description in page["DBInstances"]]
