"""The points of `make chaos`: the seed decides them, and the second engine strikes each step at other moments."""

from __future__ import annotations

import random

import pytest

from tests.chaos.roads.points import FAULTS, REPLICATE, Point, drawn, drawn_inside


def dice(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - it must be the same again


def points(seed: int, moments: int, turn: int) -> list[Point]:
    return drawn(dice(seed), REPLICATE, moments, turn=turn)


@pytest.mark.parametrize("seed", range(20))
def test_a_seed_gives_the_same_points_again(seed: int) -> None:
    assert points(seed, 2, 1) == points(seed, 2, 1)


@pytest.mark.parametrize("seed", range(20))
def test_two_engines_strike_every_step_at_two_of_its_moments_with_one_each(seed: int) -> None:
    struck = [{(point.step, point.moment) for point in points(seed, 1, turn)} for turn in (0, 1)]

    assert [len(each) for each in struck] == [len(REPLICATE), len(REPLICATE)]
    assert not struck[0] & struck[1]


@pytest.mark.parametrize("seed", range(20))
def test_two_engines_strike_every_step_at_all_of_its_moments_with_two_each(seed: int) -> None:
    struck = {(point.step, point.moment) for turn in (0, 1) for point in points(seed, 2, turn)}

    assert len(struck) == 3 * len(REPLICATE)


def test_every_fault_is_dealt_out_on_every_engine() -> None:
    for turn in (0, 1):
        assert {point.fault for point in points(7, 1, turn)} == set(FAULTS)


def test_a_swap_is_struck_before_inside_and_after() -> None:
    found = drawn_inside(dice(7), "Cutover orders", 5, 40, turn=1)

    assert [point.moment for point in found] == ["before", *["inside"] * 5, "after"]
    assert all(1 <= point.calls <= 40 for point in found)
