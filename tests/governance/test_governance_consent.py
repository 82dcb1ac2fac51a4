from __future__ import annotations

import datetime as dt
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap

from hansa.errors import PolicyError
from hansa.governance import (
    ConsentRegister,
    Epoch,
    consent_codes,
    consented,
    everyone_consents,
    grant,
    open_epoch,
    still_consented,
    withdraw,
)
from hansa.model import Purpose

DAY = dt.date(2027, 3, 1)
SECRET = b"0123456789abcdef"
HMB, GRU = "DUO:0000006", "DUO:0000042"


def test_a_person_without_a_record_has_not_consented() -> None:
    assert not consented(ConsentRegister(), HMB)
    assert not consented(grant(ConsentRegister(), [1], GRU), HMB)


def test_consent_to_several_purposes_needs_each_and_to_none_is_nobodys() -> None:
    register = grant(grant(ConsentRegister(), [1, 2], HMB), [2, 3], GRU)
    assert set(consented(register, HMB, GRU)) == {2}
    assert not consented(everyone_consents([1, 2]))


def test_withdrawing_from_one_purpose_outweighs_broad_consent_and_leaves_the_others() -> None:
    register = withdraw(everyone_consents([1, 2]), [2], HMB)
    assert set(consented(register, HMB)) == {1}
    assert set(consented(register, GRU)) == {1, 2}


def test_a_register_is_not_changed_by_grants_withdrawals_or_its_readers() -> None:
    register = grant(everyone_consents([1]), [2], HMB)
    withdraw(register, [1, 2])
    grant(register, [3])
    consented(register, HMB).add(9)
    assert set(consented(register, HMB)) == {1, 2}
    with pytest.raises(TypeError):
        register.granted["x"] = BitMap()  # type: ignore[index]  # what the test is about


events = st.lists(st.tuples(st.booleans(), st.sets(st.integers(0, 5)), st.sampled_from([None, HMB, GRU])), max_size=12)


@given(events)
def test_the_last_word_of_each_person_counts(history: list[tuple[bool, set[int], str | None]]) -> None:
    register = ConsentRegister()
    expected = {HMB: set[int](), GRU: set[int]()}
    for granting, people, purpose in history:
        register = (grant if granting else withdraw)(register, people, purpose)
        for code in [purpose] if purpose else [HMB, GRU]:
            expected[code] = expected[code] | people if granting else expected[code] - people
    assert {code: set(consented(register, code)) for code in expected} == expected


def test_consent_to_one_disease_is_not_consent_to_another() -> None:
    heart = Purpose(statement="", terms=("DUO:0000007",), disease="MONDO:0005010")
    diabetes = heart.model_copy(update={"disease": "MONDO:0005148"})
    register = grant(ConsentRegister(), [1], *consent_codes(heart))
    assert set(consented(register, *consent_codes(heart))) == {1}
    assert not consented(register, *consent_codes(diabetes))


def epochs_of(sets: list[set[int]], k: int) -> list[tuple[Epoch | None, BitMap]]:
    opened: list[Epoch] = []
    steps: list[tuple[Epoch | None, BitMap]] = []
    for people in sets:
        epoch = open_epoch(opened, BitMap(people), k, SECRET, opened=DAY)
        opened += [epoch] if epoch else []
        steps.append((epoch, BitMap(people)))
    return steps


changing = st.lists(st.sets(st.integers(0, 30)).map(lambda out: set(range(25)) ^ out), min_size=1, max_size=8)


@given(changing, st.integers(1, 8))
def test_any_two_epochs_differ_by_nobody_or_by_at_least_k(sets: list[set[int]], k: int) -> None:
    opened = [epoch for epoch, _ in epochs_of(sets, k) if epoch]
    for position, one in enumerate(opened):
        for other in opened[:position]:
            distance = len(one.people ^ other.people)
            assert distance == 0 or distance >= k
    for last, following in pairwise(opened):
        assert len(last.people ^ following.people) >= k


@given(changing, st.integers(1, 8))
def test_whoever_does_not_consent_is_in_no_new_epoch_and_no_decoy(sets: list[set[int]], k: int) -> None:
    for epoch, people in epochs_of(sets, k):
        if epoch:
            assert epoch.people | epoch.decoys == people
            assert not epoch.people & epoch.decoys
            assert still_consented(epoch, people)


@given(changing, st.integers(1, 8))
def test_where_people_withdrew_at_least_k_leave_together(sets: list[set[int]], k: int) -> None:
    steps = epochs_of(sets, k)
    opened = [(epoch, people) for epoch, people in steps if epoch]
    for (last, _), (following, people) in pairwise(opened):
        if last.people - people:
            assert len(last.people - following.people) >= k
        else:
            assert not following.decoys


def test_the_first_epoch_is_everybody_who_consents() -> None:
    epoch = open_epoch([], BitMap([1, 2, 3]), 10, SECRET, opened=DAY)
    assert epoch is not None
    assert (epoch.number, set(epoch.people), len(epoch.decoys)) == (1, {1, 2, 3}, 0)


def test_nobody_makes_an_empty_first_epoch() -> None:
    epoch = open_epoch([], BitMap(), 1, SECRET, opened=DAY)
    assert epoch is not None
    assert not epoch.people


def first_epoch(size: int = 100) -> Epoch:
    epoch = open_epoch([], BitMap(range(size)), 10, SECRET, opened=DAY)
    assert epoch is not None
    return epoch


@pytest.mark.parametrize("added", [0, 1, 9])
def test_few_new_people_wait(added: int) -> None:
    assert open_epoch([first_epoch()], BitMap(range(100 + added)), 10, SECRET, opened=DAY) is None


def test_enough_new_people_open_an_epoch_without_decoys() -> None:
    epoch = open_epoch([first_epoch()], BitMap(range(110)), 10, SECRET, opened=DAY)
    assert epoch is not None
    assert set(epoch.people) == set(range(110))
    assert not epoch.decoys


def test_one_withdrawal_takes_effect_at_once_with_decoys_that_hide_it() -> None:
    first = first_epoch()
    stay = BitMap(range(1, 100))
    assert not still_consented(first, stay)
    epoch = open_epoch([first], stay, 10, SECRET, opened=DAY)
    assert epoch is not None
    assert 0 not in epoch.people
    assert 0 not in epoch.decoys
    assert len(epoch.decoys) == 9


def test_many_withdrawals_need_no_decoys() -> None:
    epoch = open_epoch([first_epoch()], BitMap(range(10, 100)), 10, SECRET, opened=DAY)
    assert epoch is not None
    assert not epoch.decoys


def test_asking_again_draws_the_same_decoys_and_another_secret_draws_others() -> None:
    first, stay = first_epoch(), BitMap(range(1, 100))
    one = open_epoch([first], stay, 10, SECRET, opened=DAY)
    again = open_epoch([first], stay, 10, SECRET, opened=DAY)
    other = open_epoch([first], stay, 10, SECRET[::-1], opened=DAY)
    assert one == again
    assert one is not None
    assert other is not None
    assert one.decoys != other.decoys


def test_decoys_are_drawn_evenly() -> None:
    first, stay = first_epoch(), BitMap(range(1, 100))
    drawn = [0] * 100
    for seed in range(400):
        epoch = open_epoch([first], stay, 10, seed.to_bytes(16, "big"), opened=DAY)
        assert epoch is not None
        for person in epoch.decoys:
            drawn[person] += 1
    # 400 draws of 9 among 99: mean 36.4, standard deviation 5.7; the seeds are fixed.
    assert drawn[0] == 0
    assert all(15 < times < 60 for times in drawn[1:])


def test_decoys_return_with_a_later_epoch() -> None:
    first = first_epoch()
    second = open_epoch([first], BitMap(range(1, 100)), 10, SECRET, opened=DAY)
    assert second is not None
    third = open_epoch([first, second], BitMap(range(1, 120)), 10, SECRET, opened=DAY)
    assert third is not None
    assert third.people >= second.decoys


def test_where_too_few_people_are_left_to_hide_a_withdrawal_no_epoch_opens() -> None:
    few = open_epoch([], BitMap(range(10)), 10, SECRET, opened=DAY)
    assert few is not None
    assert open_epoch([few], BitMap(range(1, 10)), 10, SECRET, opened=DAY) is None


@pytest.mark.parametrize(("k", "secret"), [(0, SECRET), (10, b"short")])
def test_a_useless_k_or_secret_is_an_error(k: int, secret: bytes) -> None:
    with pytest.raises(PolicyError):
        open_epoch([], BitMap([1]), k, secret, opened=DAY)
