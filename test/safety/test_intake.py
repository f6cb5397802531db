import math

import numpy as np
import pytest
from rl_robot_ros.safety.intake import COUNTERS
from rl_robot_ros.safety.intake import RequestIntake

GOOD = np.array([1.0, 2.0])


def make(most_invalid=5, timeout=0.02):
    counters = dict.fromkeys(COUNTERS, 0)
    return RequestIntake(2, timeout, 0.005, most_invalid, counters), counters


@pytest.mark.parametrize('request_,kind', [
    ([1.0, math.nan], 'not_finite'), ([math.inf, 0.0], 'not_finite'),
    ([-math.inf, 0.0], 'not_finite'),
    ([], 'size'), ([1.0], 'size'), ([1.0, 2.0, 3.0], 'size'), (1.0, 'size'),
    ([[1.0, 2.0]], 'size'),
    (['a', 'b'], 'not_numbers'), ([[1.0], [1.0, 2.0]], 'not_numbers'), (object(), 'not_numbers'),
    ([10**400, 0], 'not_numbers'),
])
def test_a_bad_request_is_refused_as_a_whole(request_, kind):
    intake, counters = make()
    assert intake.take(GOOD, None, True, 1) == 'policy'
    assert intake.take(request_, None, True, 1) == 'policy', 'the last good one is repeated'
    assert intake.effort.tolist() == [1.0, 2.0]
    assert intake.rejection
    assert counters['rejected_requests'] == counters[f'rejected_{kind}'] == 1
    assert counters['repeated_requests'] == 1
    assert sum(counters.values()) == 3
    assert intake.take(GOOD, None, True, 1) == 'policy' and not intake.rejection


def test_huge_but_finite_is_complete():
    intake, _ = make()
    assert intake.rejection == intake.loss == ''
    assert intake.take([1e308, -1e308], None, True, 1) == 'policy'
    assert intake.effort.tolist() == [1e308, -1e308]


def test_the_request_is_copied_bit_by_bit():
    intake, _ = make()
    request = np.array([-0.0, 5e-324])
    intake.take(request, None, True, 1)
    assert intake.effort.tobytes() == request.tobytes()
    request[0] = 7.0
    assert intake.effort[0] == 0.0


def test_a_person_comes_first():
    intake, _ = make()
    assert intake.take(GOOD, [3.0, 4.0], True, 1) == 'teleop'
    assert intake.effort.tolist() == [3.0, 4.0]
    assert intake.take(GOOD, [math.nan, 0.0], True, 1) == 'teleop', 'no jump to the policy'
    assert intake.effort.tolist() == [3.0, 4.0]
    assert intake.take(GOOD, None, True, 1) == 'policy'


def test_motion_starts_with_a_fresh_request():
    intake, counters = make()
    assert intake.take(None, None, True, 1) == ''
    assert intake.take(GOOD, None, False, 1) == 'policy'
    assert intake.take(None, None, False, 1) == ''
    assert intake.take([1.0], None, False, 1) == ''
    assert not intake.loss
    intake.begin()
    assert intake.take(None, None, True, 1) == ''
    assert counters['repeated_requests'] == 0


def test_an_old_request_is_repeated_only_for_so_long():
    intake, counters = make(timeout=0.02)
    intake.take(GOOD, None, True, 1)
    for _ in range(3):
        assert intake.take(None, None, True, 1) == 'policy' and not intake.loss
    assert intake.take(None, None, True, 1) == ''
    assert intake.loss == 'no valid request for 0.02 s'
    assert counters['repeated_requests'] == 3
    assert intake.take(GOOD, None, True, 1) == 'policy' and not intake.loss
    assert intake.take(None, None, True, 5) == '', 'lost states count'


def test_a_fresh_request_starts_the_time_anew():
    intake, _ = make(timeout=0.02)
    for _ in range(10):
        assert intake.take(GOOD, None, True, 1) == 'policy'
        for _ in range(3):
            assert intake.take(None, None, True, 1) == 'policy'


def test_many_invalid_requests_are_a_loss():
    intake, _ = make(most_invalid=3, timeout=1.0)
    intake.take(GOOD, None, True, 1)
    for _ in range(2):
        assert intake.take([math.nan, 0.0], None, True, 1) == 'policy'
    assert intake.take([math.nan, 0.0], None, True, 1) == ''
    assert intake.loss == '3 invalid requests in a row, the last: request is not finite'
    intake.take(GOOD, None, True, 1)
    for _ in range(2):
        assert intake.take([math.nan, 0.0], None, True, 1) == 'policy'


def test_it_begins_with_nothing_and_counts_from_zero():
    intake, _ = make(most_invalid=2, timeout=0.01)
    assert intake.effort.tolist() == [0.0, 0.0]
    for _ in range(2):
        intake.begin()
        assert intake.take([math.nan, 0.0], None, True, 1) == '' and not intake.loss
        assert intake.take([math.nan, 0.0], None, True, 1) == ''
        assert intake.loss.startswith('2 invalid requests in a row')
        intake.begin()
        assert intake.take(None, None, True, 1) == '' and not intake.loss
        assert intake.take(None, None, True, 1) == ''
        assert intake.loss == 'no valid request for 0.01 s'
