"""Turns: every keeper works the same order out from what it saw."""

from __future__ import annotations

from itertools import permutations

from keepers.domain.turns import BEGINNING, FIRST, MEMORY, MOST_PLACES, Turns

KEEPERS = [f"0x{number:040x}" for number in range(0xA0, 0xA4)]


def knowing(own: str, *others: str, block: int = 1) -> Turns:
    made = Turns(own)
    for each in (own, *others):
        made.acted(each, block)
    return made


def test_place__keepers_that_know_each_other__one_first_one_second_for_every_subject() -> None:
    firsts = set()
    for subject in range(50):
        for order in permutations(KEEPERS[:3]):
            places = {own: knowing(own, *order).place(subject) for own in KEEPERS[:3]}
            assert sorted(places.values()) == [0, 1, 2]
        firsts.add(min(places, key=places.__getitem__))
    assert firsts == set(KEEPERS[:3])  # nobody is always first


def test_place__nobody_known__first() -> None:
    turns = Turns(KEEPERS[0].upper().replace("X", "x"))
    turns.acted(KEEPERS[0], 5)
    assert turns.place(7) == 0


def test_place__many_ahead__waits_no_longer_than_the_most() -> None:
    crowd = [f"0x{number:040x}" for number in range(50)]
    turns = knowing(KEEPERS[0], *crowd)
    assert max(turns.place(subject) for subject in range(20)) == MOST_PLACES


def behind(turns: Turns) -> int:
    return next(subject for subject in range(100) if turns.place(subject))


def test_passed__a_keeper_let_its_turn_go__is_forgotten_until_it_acts_again() -> None:
    turns = knowing(KEEPERS[0], KEEPERS[1])
    subject = behind(turns)
    turns.ready([subject], 1.0, 0.5, 1)
    turns.passed(subject)
    assert turns.place(subject) == 1  # it acted in this very block: it is busy elsewhere
    turns.ready([], 2.0, 0.5, 2)
    turns.ready([subject], 2.0, 0.5, 2)
    turns.passed(subject)
    assert turns.place(subject) == 0
    turns.acted(KEEPERS[1], 2)
    assert turns.place(subject) == 1


def test_place__a_keeper_not_seen_for_long__is_forgotten() -> None:
    turns = knowing(KEEPERS[0], KEEPERS[1])
    subject = behind(turns)
    turns.acted(KEEPERS[0], 1 + MEMORY)
    assert turns.place(subject) == 1
    turns.acted(KEEPERS[0], 2 + MEMORY)
    assert turns.place(subject) == 0


def test_begun__hardly_anybody_seen__a_few_that_differ_by_keeper() -> None:
    subjects = list(range(1_000))
    first, second = (Turns(own).begun(subjects, int, 1) for own in KEEPERS[:2])
    assert len(first) == len(second) == FIRST
    assert set(first) != set(second)
    turns = Turns(KEEPERS[0])
    for block in range(1, 1 + BEGINNING):
        assert len(turns.begun(subjects, int, block)) == FIRST
        assert turns.begun(subjects, int, block) == []  # once a block
        turns.acted(KEEPERS[1], block)
        turns.acted(KEEPERS[0], block)
    assert turns.begun(subjects, int, 9) == subjects


def test_ready__out_of_turn__waits_its_places_across_blocks_and_then_acts() -> None:
    turns = knowing(KEEPERS[0], KEEPERS[1])
    subject = behind(turns)
    first = next(each for each in range(100) if not turns.place(each))
    assert turns.ready([subject, first], 10.0, 0.5, 1) == ({first}, 10.5)
    assert turns.ready([subject], 10.4, 0.5, 1)[0] == set()
    assert turns.ready([subject], 10.5, 0.5, 1) == ({subject}, None)
    turns.ready([], 11.0, 0.5, 1)  # somebody acted: whatever comes next is due anew
    assert turns.ready([subject], 11.1, 0.5, 1)[0] == set()


def test_ready__many_out_of_turn__a_few_at_once() -> None:
    turns = knowing(KEEPERS[0], KEEPERS[1])
    waiting = [each for each in range(200) if turns.place(each)]
    turns.ready(waiting, 1.0, 0.5, 1)
    assert len(turns.ready(waiting, 2.0, 0.5, 1, FIRST)[0]) == FIRST
    assert turns.ready(waiting, 2.0, 0.5, 1)[0] == set(waiting)
