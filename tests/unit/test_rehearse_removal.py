"""What a rehearsal removes, and where it begins: nothing that others have made."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rds_encrypt.core.errors import ActionRequired, PreconditionFailed
from rds_encrypt.journal import Role, tags_for
from rds_encrypt.names import Names
from rds_encrypt.rehearse import rehearsal
from rds_encrypt.rehearse.copied import TAG, CopiedInstance
from rds_encrypt.rehearse.rehearsal import Rehearsal
from tests.unit.fakes import FakeAws, instance

OURS = {TAG: "orders"}


def require_ours(*there: Any, **tags: dict[str, str]) -> None:
    found = {one.identifier: one for one in there}
    CopiedInstance(FakeAws(), "orders", Names("orders-rehearsal"))._require_ours(
        {**{name: one.tags for name, one in found.items()}, **tags}, found
    )


def test_a_migration_of_an_instance_of_that_name_is_not_a_rehearsal() -> None:
    """Its source carries its own id in the migration's tag, and so cannot vouch for itself."""
    staging = instance("orders-rehearsal", tags_for(Role.SOURCE, "db-ORDERS-REHEARSAL"))
    with pytest.raises(ActionRequired, match=f"lacks the tag {TAG}=orders"):
        require_ours(staging)


def test_the_copy_and_what_its_migration_made_are_ours() -> None:
    copy = instance("orders-rehearsal", OURS)
    replica = instance("orders-rehearsal-not-encrypted", tags_for(Role.REPLICA, copy.resource_id))
    snapshot = {"orders-rehearsal-encrypted": tags_for(Role.ENCRYPTED, copy.resource_id)}
    require_ours(copy, replica, **snapshot)
    with pytest.raises(ActionRequired, match="it may not be the rehearsal's"):
        require_ours(copy, **{"orders-rehearsal-encrypted": {}})


def rehearsing(directory: Path) -> Rehearsal:
    made = object.__new__(Rehearsal)
    fields = {
        "config": SimpleNamespace(source="orders"),
        "options": SimpleNamespace(directory=directory, snapshot=None, small=True),
        "_copied": SimpleNamespace(require_unused_names=lambda: None),
    }
    for name, value in fields.items():
        object.__setattr__(made, name, value)
    return made


def test_a_directory_with_other_files_is_refused_and_keeps_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cast(Any, rehearsal).shutil, "which", lambda _name: "pulumi")
    for name in ("rehearsal.lock", "observations.jsonl", "invoices-cutover.json"):
        (tmp_path / name).touch()
    (tmp_path / "state").mkdir()
    with pytest.raises(PreconditionFailed, match=r"other files: invoices-cutover\.json"):
        rehearsing(tmp_path).require_possible()
    rehearsing(tmp_path).begin()
    assert {entry.name for entry in tmp_path.iterdir()} == {
        "rehearsal.lock",
        "invoices-cutover.json",
        "journal.json",
    }
