"""The audit itself: it must see every kind of damage, or a clean run of it would mean nothing."""

from chaos import audit
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

A, B = 7, 8  # policy epochs
ISSUED = [(1, 'x'), (2, 'y'), (1002, 'z')]


def evidence(rows, made=None, versions=None, **others):
    """Make evidence of stored (epoch, seq) pairs."""
    pairs = np.array(rows, np.int64).reshape(-1, 2)
    versions = [1] * len(pairs) if versions is None else versions
    others = {'issued': ISSUED, **others}
    return audit.Evidence(made or {A: len(pairs)}, pairs[:, 0], pairs[:, 1],
                          np.array(versions, np.int64), **others)


def rows_of(epoch, *numbers):
    return [(epoch, number) for number in numbers]


def test_nothing_is_wrong():
    good = evidence(rows_of(A, 0, 2, 1), {A: 3}, [1, 2, 2],
                    accepted={'a': [[(1, 'x'), (2, 'y')], [(2, 'y'), (1002, 'z')]]})
    assert audit.violations(good) == []
    assert audit.account(good) == audit.Account(3, 3, 0, 0, 0, 0)


@given(st.sets(st.integers(0, 19)), st.integers(0, 25), st.integers(0, 25), st.integers(0, 3))
def test_every_row_is_in_exactly_one_place(stored, lost, log_lost, later):
    """`later`: rows that were made after the witness was asked."""
    rows = [*rows_of(A, *stored), *rows_of(A, *range(20, 20 + later))]
    found = audit.account(evidence(rows, {A: 20}, lost=lost, log_lost=log_lost))
    gone = 20 - len(stored)
    assert found.made == 20 == found.stored + found.lost + found.unaccounted
    assert found.closed == (lost <= gone <= lost + log_lost)


def test_rows_that_are_missing_and_nobody_says_so():
    found = audit.violations(evidence(rows_of(A, 0, 1, 3), {A: 4, B: 2}, lost=2))
    assert found == ['1 of 6 rows are neither stored nor reported as lost']


def test_rows_that_are_said_to_be_lost_and_are_there():
    found = audit.violations(evidence(rows_of(A, 0, 1, 2), {A: 4}, lost=3))
    assert found == ['2 of 4 rows are reported as lost, but stored']


@pytest.mark.parametrize(('stored', 'lost', 'invented'), [
    ((0, 1, 2), 0, 0), ((0, 1, 2, 3), 0, 0), ((0, 1, 2), 1, 0),  # not made, stored, lost
    ((0, 1, 2, 3), 1, 1), ((0, 1, 2), 2, 1), ((0, 1), 0, 0)])
def test_a_row_that_was_being_made_when_its_process_was_killed(stored, lost, invented):
    found = audit.account(evidence(rows_of(A, *stored), {A: 3}, lost=lost, unsure={(A, 3)}))
    assert found.invented == invented and found.unaccounted == (len(stored) < 3)


def test_rows_twice():
    found = audit.violations(evidence(rows_of(A, 0, 1, 1), {A: 2}))
    assert found == ['1 of 2 rows are stored more than once']


def test_rows_of_strangers_and_of_weights_that_nobody_issued():
    found = audit.violations(evidence([*rows_of(A, 0), *rows_of(B, 0)], {A: 1}, [1, 9]))
    assert any('nobody saw' in text for text in found)
    assert any('no learner issued: [9]' in text for text in found)


def test_versions_that_fall_in_rows():
    """In the order in which they were made, not in the order in which they came."""
    assert audit.wrong_rows(evidence(rows_of(A, 1, 0), versions=[2, 1])) == []
    assert len(audit.wrong_rows(evidence(rows_of(A, 0, 1), versions=[2, 1]))) == 1


@pytest.mark.parametrize('issued', [[(1, 'x'), (1, 'y')], [(5, 'x'), (4, 'y')]])
def test_versions_that_are_used_again(issued):
    assert len(audit.wrong_versions(issued)) == 1


@pytest.mark.parametrize('accepted', [
    [[(1, 'x'), (2, 'forged')]],  # nobody issued these bytes
    [[(9, 'x')]],  # nor this version
    [[(2, 'y'), (1, 'x')]],  # an old one, by the same process
    [[(2, 'y'), (2, 'y')]],
    [[(1002, 'z')], [(2, 'y')]],  # by the next one
])
def test_weights_that_should_have_been_refused(accepted):
    assert audit.wrong_weights(evidence([], {}, accepted={'a': accepted}))
    assert not audit.wrong_weights(evidence([], {}, accepted={'a': [[(1, 'x'), (1002, 'z')]]}))


def returns(epoch, seq, reward, ended, stamp=None):
    stamp = np.arange(len(seq)) * 0.1 if stamp is None else np.array(stamp)
    return audit.returns(np.array(epoch), np.array(seq), stamp, np.array(reward, float),
                         np.array(ended, bool), 0.1).tolist()


def test_returns_of_whole_episodes():
    assert returns([A] * 5, range(5), [1, 2, 3, 4, 5], [0, 1, 0, 0, 1]) == [3.0, 12.0]
    # One that has no end yet, one of another policy between them, rows in another order.
    assert returns([A, B, A, A], [1, 0, 0, 2], [1, 9, 1, 1], [1, 1, 0, 0],
                   [0.1, 7.0, 0.0, 0.2]) == [2.0, 9.0]


@pytest.mark.parametrize(('seq', 'stamp'), [([0, 2, 3, 4], [0.0, 0.2, 0.3, 0.4]),
                                            ([0, 1, 2, 3], [0.0, 0.3, 0.4, 0.5])])
def test_episodes_with_a_hole_do_not_count(seq, stamp):
    assert returns([A] * 4, seq, [1, 2, 3, 4], [0, 1, 0, 1], stamp) == [7.0]


def test_rise():
    assert audit.rises(np.arange(10.0)) == (0.5, 8.5)
    assert audit.rises(np.array([3.0])) == (3.0, 3.0)
