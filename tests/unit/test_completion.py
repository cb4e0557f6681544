"""Completing the settings of an encrypted instance that a killed run left behind."""

from __future__ import annotations

from typing import Any

from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.instances import Instances
from rds_encrypt.completion import complete
from rds_encrypt.core.waiting import silent
from tests.unit.fakes import FakeAws, instance


class Told(Instances):
    """Instances that are modified at once, though the first poll afterwards still sees the former settings, as on AWS."""

    def __init__(self, present: Instance) -> None:
        super().__init__(FakeAws(present))
        self.present = present
        self.asked: list[dict[str, Any]] = []

    def modify(self, resource_id: str, **changes: Any) -> None:
        assert resource_id == self.present.resource_id
        self.asked.append(changes)

    def wait(self, resource_id: str, purpose: str, done: Any, **_how: Any) -> Instance:
        assert resource_id == self.present.resource_id
        assert not done(self.present)
        names = {"EnablePerformanceInsights": "PerformanceInsightsEnabled"}
        changed = {names.get(key, key): value for key, value in self.asked[-1].items()}
        modified = Instance({**self.present.description, **changed})
        assert done(modified), purpose
        return modified


def left_behind(**changes: Any) -> Instance:
    return instance("orders-encrypted", StorageEncrypted=True, **changes)


def test_what_rds_takes_only_after_a_restore_is_given() -> None:
    source = instance(DeletionProtection=True, PreferredBackupWindow="03:00-03:30")
    instances = Told(
        left_behind(BackupRetentionPeriod=0, DeletionProtection=False, PreferredBackupWindow="05:00-05:30")
    )
    completed = complete(instances, source, instances.present, silent)
    assert instances.asked == [
        {"BackupRetentionPeriod": 7, "DeletionProtection": True, "PreferredBackupWindow": "03:00-03:30"}
    ]
    assert completed.retention_days == 7


def test_settings_that_belong_together_are_given_together() -> None:
    source = instance(PerformanceInsightsEnabled=True, PerformanceInsightsRetentionPeriod=7)
    instances = Told(left_behind(PerformanceInsightsEnabled=False, PerformanceInsightsRetentionPeriod=7))
    complete(instances, source, instances.present, silent)
    assert instances.asked == [{"EnablePerformanceInsights": True, "PerformanceInsightsRetentionPeriod": 7}]


def test_an_instance_that_has_them_is_left_alone() -> None:
    instances = Told(left_behind(Timezone="other"))
    assert complete(instances, instance(), instances.present, silent) is instances.present
    assert instances.asked == []
