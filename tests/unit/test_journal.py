"""The journal of tags, and the two directions that it is written in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rds_encrypt.cutover.direction import cutover_direction, rollback_direction
from rds_encrypt.journal import KEYS, Role, Tag, belongs, owner_tags, tags_for
from rds_encrypt.names import Names
from rds_encrypt.state import MigrationState

NAMES = Names("orders")
CUTOVER = cutover_direction(NAMES, "db-SOURCE", "db-ENCRYPTED")
ROLLBACK = rollback_direction(NAMES, "db-SOURCE", "db-ENCRYPTED")


def test_tags_mark_the_role_and_the_migration() -> None:
    tags = tags_for(Role.ENCRYPTED, "db-SOURCE")
    assert belongs(tags, Role.ENCRYPTED)
    assert not belongs(tags, Role.SOURCE)
    assert tags[Tag.MIGRATION] == "db-SOURCE"
    assert not belongs({}, Role.SOURCE)


@given(st.dictionaries(st.text(min_size=1, max_size=20), st.text(max_size=20)))
def test_the_owners_tags_are_those_that_neither_we_nor_aws_wrote(tags: dict[str, str]) -> None:
    ours = dict.fromkeys(KEYS, "x") | {"aws:cloudformation:stack-name": "x", "rds:owner": "x"}
    owners = {
        key: value for key, value in tags.items() if not key.startswith(("rds-encrypt:", "aws:", "rds:"))
    }
    assert owner_tags({**tags, **ours}) == owners


def test_both_directions_are_about_the_same_two_instances() -> None:
    assert (CUTOVER.primary_id, CUTOVER.candidate_id) == (ROLLBACK.candidate_id, ROLLBACK.primary_id)
    assert CUTOVER.encrypted_id == ROLLBACK.encrypted_id == "db-ENCRYPTED"
    assert (CUTOVER.following_user, CUTOVER.reverse_user) == (
        ROLLBACK.reverse_user,
        ROLLBACK.following_user,
    )


def test_after_a_rollback_the_encrypted_instance_is_called_and_held_as_before_the_cut_over() -> None:
    assert (ROLLBACK.primary_name, ROLLBACK.primary_group) == (NAMES.encrypted, NAMES.encrypted)
    assert (CUTOVER.primary_name, CUTOVER.primary_group) == (NAMES.old, NAMES.fence)


def state(tags: dict[str, str]) -> MigrationState:
    return MigrationState(source={}, encrypted=tags)


def test_each_direction_begins_at_its_own_point_of_no_return() -> None:
    assert CUTOVER.begun(state({Tag.CUTOVER_BEGAN: "now"}))
    assert not CUTOVER.begun(state({Tag.PROMOTED_AT: "b.000001:4"}))
    # A rollback is not begun merely because the cutover is over.
    assert not ROLLBACK.begun(state({Tag.CUTOVER_BEGAN: "now", Tag.OPENED: "now"}))
    assert ROLLBACK.begun(state({Tag.CUTOVER_BEGAN: "now", Tag.ROLLBACK_BEGAN: "now"}))


def test_a_complete_direction_leaves_nothing_that_makes_the_other_one_look_begun() -> None:
    after_cut_over = {Tag.CUTOVER_BEGAN, CUTOVER.marked} - set(CUTOVER.cleared)
    assert not ROLLBACK.begun(state(dict.fromkeys(after_cut_over, "now")))
    after_rollback = {*after_cut_over, Tag.ROLLBACK_BEGAN, ROLLBACK.marked} - set(ROLLBACK.cleared)
    assert not CUTOVER.begun(state(dict.fromkeys(after_rollback, "now")))
    assert not ROLLBACK.begun(state(dict.fromkeys(after_rollback, "now")))


def test_a_direction_is_complete_by_its_own_mark_after_its_own_point() -> None:
    there: dict[str, str] = {Tag.CUTOVER_BEGAN: "2", Tag.OPENED: "3"}
    assert CUTOVER.noted(state(there))
    assert not CUTOVER.noted(state({**there, Tag.OPENED: "1"}))
    back: dict[str, str] = {**there, Tag.ROLLBACK_BEGAN: "4"}
    assert [direction.noted(state(back)) for direction in (CUTOVER, ROLLBACK)] == [False, False]
    assert ROLLBACK.noted(state({**back, Tag.ROLLED_BACK: "5"}))
    assert not ROLLBACK.noted(state({Tag.ROLLED_BACK: "5"}))
    assert list(ROLLBACK.moments(state(back)).values()) == ["4"]
