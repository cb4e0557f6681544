"""The topology: who is the source and who the encrypted one, by their tags, whatever they are called."""

from __future__ import annotations

from typing import Any

import pytest

from rds_encrypt.core.errors import ActionRequired, PreconditionFailed
from rds_encrypt.discovery import Topology, discover
from rds_encrypt.journal import Role, Tag, tags_for
from rds_encrypt.names import Names
from tests.unit.fakes import FakeAws, instance

NAMES = Names("orders")
ID = "db-SOURCE"


def source(identifier: str = "orders", **tags: str) -> Any:
    marks = {**tags_for(Role.SOURCE, ID), Tag.OWNER: "rds-encrypt/dev", **tags}
    return instance(identifier, tags=marks, DbiResourceId=ID)


def encrypted(identifier: str = "orders-encrypted", *tags: str) -> Any:
    marks = {**tags_for(Role.ENCRYPTED, ID), **dict.fromkeys(tags, "2026-11-24T20:00:00+00:00")}
    return instance(identifier, tags=marks, DbiResourceId="db-ENCRYPTED", StorageEncrypted=True)


def ids(topology: Topology) -> tuple[str | None, str | None]:
    return (
        topology.source.resource_id if topology.source else None,
        topology.encrypted.resource_id if topology.encrypted else None,
    )


def test_an_untouched_instance_of_that_name_is_the_source() -> None:
    survey = discover(FakeAws(instance()), NAMES)
    assert ids(survey) == ("db-ORDERS", None)
    assert not survey.state.cutover_begun
    assert not survey.can_roll_back


def test_nobody_of_that_name_is_refused_with_the_region() -> None:
    with pytest.raises(PreconditionFailed, match="there is no DB instance of this name in eu-west-1"):
        discover(FakeAws(instance("customers")), NAMES)


def test_an_instance_that_somebody_else_encrypted_is_refused() -> None:
    with pytest.raises(PreconditionFailed, match=r"already encrypted \(with arn:key\)"):
        discover(FakeAws(instance(StorageEncrypted=True, KmsKeyId="arn:key")), NAMES)


@pytest.mark.parametrize("encrypted_flag", [True, False])
def test_encrypted_with_a_key_that_aws_owns_is_a_case_of_its_own(*, encrypted_flag: bool) -> None:
    with pytest.raises(
        PreconditionFailed, match=r"already encrypted, with a key that AWS owns \(`sse-rds`\)"
    ):
        discover(
            FakeAws(instance(StorageEncrypted=encrypted_flag, StorageEncryptionType="sse-rds")),
            NAMES,
        )


def test_in_replicate_each_is_found_under_its_name() -> None:
    survey = discover(FakeAws(source(), encrypted()), NAMES)
    assert ids(survey) == (ID, "db-ENCRYPTED")
    assert not survey.state.cut_over


def test_after_the_swap_roles_stay_with_the_instances() -> None:
    """The name `orders` is the encrypted one's by now: it is not taken for a source that is encrypted already."""
    swapped = encrypted("orders", Tag.CUTOVER_BEGAN, Tag.OPENED)
    survey = discover(FakeAws(source("orders-old"), swapped), NAMES)
    assert ids(survey) == (ID, "db-ENCRYPTED")
    assert (survey.state.cutover_begun, survey.state.cut_over, survey.can_roll_back) == (True, True, True)


@pytest.mark.parametrize(
    "world",
    [
        (
            source("orders-old"),
            encrypted("orders-encrypted", Tag.CUTOVER_BEGAN),
        ),  # between the two renames
        (source("orders"), encrypted("orders-encrypted", Tag.CUTOVER_BEGAN)),  # before the first
    ],
)
def test_between_the_renames_the_swap_has_begun_and_is_not_complete(world: tuple[Any, Any]) -> None:
    survey = discover(FakeAws(*world), NAMES)
    assert ids(survey) == (ID, "db-ENCRYPTED")
    assert (survey.state.cutover_begun, survey.state.cut_over) == (True, False)


def test_a_source_in_mid_rename_is_found_by_its_identity() -> None:
    """Neither name lists it, but the encrypted instance knows its DbiResourceId."""
    survey = discover(FakeAws(source("orders-somewhere"), encrypted()), NAMES)
    assert ids(survey) == (ID, "db-ENCRYPTED")


def test_an_encrypted_instance_in_mid_rename_is_found_by_the_sources_note() -> None:
    noted = source("orders-old", **{Tag.PARTNER: "db-ENCRYPTED"})
    survey = discover(FakeAws(noted, encrypted("orders-tmp", Tag.CUTOVER_BEGAN)), NAMES)
    assert ids(survey) == (ID, "db-ENCRYPTED")


def test_a_source_that_was_deleted_for_good_is_known_by_its_id() -> None:
    survey = discover(FakeAws(encrypted("orders", Tag.CUTOVER_BEGAN, Tag.OPENED)), NAMES)
    assert ids(survey) == (None, "db-ENCRYPTED")
    assert survey.source_id == ID
    assert not survey.can_roll_back


@pytest.mark.parametrize("began", [Tag.CUTOVER_BEGAN, Tag.ROLLBACK_BEGAN])
def test_a_source_that_a_rename_hides_is_waited_for(began: Tag, monkeypatch: pytest.MonkeyPatch) -> None:
    aws, listed = (
        FakeAws(encrypted("orders-encrypted", began)),
        FakeAws(source("orders-tmp"), encrypted("orders-encrypted", began)),
    )

    def reappear(_seconds: float) -> None:
        aws.rds = listed.rds

    monkeypatch.setattr("rds_encrypt.core.waiting.time.sleep", reappear)

    assert ids(discover(aws, NAMES)) == (ID, "db-ENCRYPTED")


def test_after_a_rollback_it_can_be_rolled_back_no_further_but_stays_in_that_phase() -> None:
    survey = discover(FakeAws(source(), encrypted("orders-encrypted", Tag.ROLLED_BACK)), NAMES)
    assert (survey.state.cutover_begun, survey.state.cut_over, survey.can_roll_back) == (False, False, True)


def test_an_instance_of_another_migration_is_nobody_of_ours() -> None:
    """Somebody else's `orders-old` has no tags, and stays out of it."""
    survey = discover(FakeAws(source(), encrypted(), instance("orders-old")), NAMES)
    assert ids(survey) == (ID, "db-ENCRYPTED")


def test_an_encrypted_instance_that_was_deleted_in_mid_move_is_not_waited_for_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rds_encrypt.discovery._RENAME_GAP", 0.0)
    left = source("orders-old", **{Tag.PARTNER: "db-ENCRYPTED"})

    with pytest.raises(
        ActionRequired, match=r"db-ENCRYPTED does not exist, .* is called orders-old.*runbook\.md"
    ):
        discover(FakeAws(left), NAMES)


def test_the_replica_leads_to_both_if_somebody_renamed_them() -> None:
    replica = instance("orders-not-encrypted", tags_for(Role.REPLICA, ID))
    renamed = encrypted("orders-previous-encrypted", Tag.CUTOVER_BEGAN, Tag.OPENED)
    there = source("orders-previous", **{Tag.PARTNER: "db-ENCRYPTED"}), renamed, replica
    assert ids(discover(FakeAws(*there), NAMES)) == (ID, "db-ENCRYPTED")
