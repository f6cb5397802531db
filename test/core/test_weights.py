from dataclasses import replace
import math

from core.fakes import contract
from core.fakes import weight_set
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from rl_robot_ros.core.policy import EXPLORATIONS
from rl_robot_ros.core.spec import Term
from rl_robot_ros.core.tally import Tally
from rl_robot_ros.core.weights import digest_of
from rl_robot_ros.core.weights import held_version
from rl_robot_ros.core.weights import stale
from rl_robot_ros.core.weights import WeightSet
from rl_robot_ros.core.weights import WeightStore

SCHEMA = contract().schema
KEY = b'a shared key'


def store(**options):
    return WeightStore(lambda schema: '' if schema == SCHEMA else 'not mine', **options)


def test_digest_is_sha256_of_little_endian_doubles():
    # printf '\0\0\0\0\0\0\xf0\x3f' | sha256sum
    assert digest_of(np.array([1.0])) == (
        '6c3c396ed6b5c36dcae172271f462051b1266b851e92df3deea8ac65478fd712')
    assert digest_of(np.arange(6.0)[::2]) == digest_of(np.array([0.0, 2.0, 4.0], dtype='>f8'))


@given(st.integers(0, 2**53), st.integers(0, 2**53))
def test_refusal_tells_the_held_version(held, got):
    assert held_version(stale(held, got)) == (held if held < 10**15 else None)


@pytest.mark.parametrize('reason', ['', 'epoch: learner 3', 'stale: have x, got 1',
                                    'have 3, got 2', 'stale: have 1'])
def test_other_refusals_tell_none(reason):
    assert held_version(reason) is None


def test_newer_is_staged_and_swapped():
    box = store()
    assert box.active is None and box.newest_version == 0
    assert box.offer(weight_set(3), 0.0) == ''
    assert (box.newest_version, box.active, box.schema) == (3, None, SCHEMA)
    assert box.swap() and box.active.version == 3 and box.previous is None
    assert not box.swap()
    assert box.offer(weight_set(4), 1.0) == '' and box.offer(weight_set(6), 2.0) == ''
    assert box.swap(4) and box.active.version == 4 and box.previous.version == 3
    assert not box.swap(5) and box.active.version == 4
    assert box.swap() and (box.active.version, box.previous.version) == (6, 4)
    assert box.accepted_at == 2.0 and box.refused == {}


def test_swap_skips_older_ones():
    box = store()
    for version in (1, 2, 3):
        box.offer(weight_set(version), 0.0)
    assert box.swap(2) and box.active.version == 2
    assert [s.version for s in box.staged] == [3]


def test_staging_is_bounded():
    box = store()
    for version in range(1, 31):
        assert box.offer(weight_set(version), 0.0) == ''
    assert [s.version for s in box.staged] == list(range(23, 31))


@pytest.mark.parametrize('version', [0, 1, 4])
def test_only_newer_versions(version):
    box = store()
    box.offer(weight_set(5), 0.0)
    assert box.offer(weight_set(version), 100.0) == f'stale: have 5, got {version}'
    assert box.refused == {'stale': 1} and box.newest_version == 5 and len(box.staged) == 1


def test_version_zero_is_never_newer_than_nothing():
    assert store().offer(weight_set(0), 0.0) == 'stale: have 0, got 0'


def test_the_very_same_push_again_is_no_refusal():
    """A learner that heard no answer asks again."""
    box = store(learner_timeout=10.0)
    box.offer(weight_set(5), 0.0)
    assert box.offer(weight_set(5), 1.0) == '' and box.repeated == 1
    assert len(box.staged) == 1 and box.refused == {} and box.accepted_at == 0.0
    other = replace(weight_set(5), digest=weight_set(6).digest)
    assert box.offer(other, 1.0) == 'stale: have 5, got 5'
    box.offer(weight_set(6), 2.0)
    assert box.offer(weight_set(5), 3.0) == 'stale: have 6, got 5'
    assert box.offer(weight_set(6, epoch=6), 50.0) == 'stale: have 6, got 6'


def test_nothing_at_all_is_not_what_was_accepted_before():
    assert store().offer(WeightSet(0, 0, '', '', np.zeros(1)), 0.0) == 'stale: have 0, got 0'


def test_one_learner_is_in_charge():
    box = store(learner_timeout=10.0)
    box.offer(weight_set(5, epoch=1), 100.0)
    reason = box.offer(weight_set(6, epoch=2), 109.9)
    assert reason.startswith('epoch: learner 1 pushed 9.9 s ago') and reason.endswith('got 2')
    assert held_version(reason) is None
    # A refusal does not keep the first learner in charge, an accepted push does.
    assert box.offer(weight_set(6, epoch=1), 109.95) == ''
    assert box.offer(weight_set(7, epoch=2), 112.0).startswith('epoch: ')
    assert box.offer(weight_set(6, epoch=2), 120.0) == 'stale: have 6, got 6'
    assert box.offer(weight_set(7, epoch=2), 120.0) == ''
    assert box.offer(weight_set(8, epoch=1), 121.0).startswith('epoch: learner 2')
    assert box.refused == {'epoch': 3, 'stale': 1}


def test_first_schema_stays():
    box = store()
    other = weight_set(made_for=contract(extra=()))
    assert box.offer(other, 0.0) == 'schema: not mine' and box.schema == ''
    wide = WeightStore(lambda schema: '')
    assert wide.offer(weight_set(1), 0.0) == ''
    reason = wide.offer(replace(other, version=2), 0.0)
    assert reason.startswith('schema: have ') and SCHEMA in reason and wide.newest_version == 1


@pytest.mark.parametrize('schema', ['', 'nonsense', 'v1 nonsense | joints b,a | obs x:6',
                                    SCHEMA.replace('6-4-2', '7-4-2'),
                                    SCHEMA.replace('6-4-2', '6-4-3'),
                                    contract(extra=(Term('obs', 6),)).schema,
                                    contract(extra=(Term('log_prob', 10**6),)).schema])
def test_a_schema_that_nobody_can_act_on(schema):
    box = WeightStore(lambda schema: '')
    candidate = WeightSet.make(1, 1, schema, weight_set().weights)
    assert box.offer(candidate, 0.0).startswith('schema: ')
    assert box.schema == '' and box.staged == [] and box.newest_version == 0


@pytest.mark.parametrize('change', [lambda w: w[:-1], lambda w: np.append(w, 0.0),
                                    lambda w: w[:0], lambda w: w[None, :]])
def test_wrong_number_of_weights(change):
    candidate = WeightSet.make(1, 1, SCHEMA, change(weight_set().weights))
    assert store().offer(candidate, 0.0).startswith("length: network 'gaussian 6-4-2 tanh' has ")


@given(st.integers(0, 49), st.sampled_from((np.nan, np.inf, -np.inf, 1e39, -1e300)))
def test_weights_must_be_finite(at, value):
    weights = weight_set().weights.copy()
    weights[at] = value
    candidate = WeightSet.make(1, 1, SCHEMA, weights)
    assert store().offer(candidate, 0.0) == 'weights: not finite in single precision'


@given(st.integers(0, 49), st.integers(0, 62))
def test_one_flipped_bit_is_noticed(at, bit):
    good = weight_set()
    weights = good.weights.copy()
    weights.view(np.uint64)[at] ^= np.uint64(1 << bit)
    box = store()
    reason = box.offer(replace(good, weights=weights), 0.0)
    assert reason.startswith(('digest: ', 'weights: ')) and sum(box.refused.values()) == 1


@given(st.text(max_size=12) | st.sampled_from(EXPLORATIONS), st.floats())
def test_exploration_is_checked(kind, scale):
    good = kind in EXPLORATIONS and math.isfinite(scale) and scale >= 0.0
    reason = store().offer(weight_set(exploration=kind, scale=scale), 0.0)
    assert reason == '' if good else reason.startswith('exploration: got ')


def test_shared_key():
    box = store(key=KEY)
    one = weight_set(1)
    assert box.offer(one, 0.0).startswith('hmac: missing') and box.refused == {'hmac': 1}
    assert box.offer(one, 0.0, one.sign(b'another key')).startswith('hmac: ')
    assert box.offer(one, 0.0, one.sign(KEY)) == ''


@pytest.mark.parametrize('change', [{'epoch': 6}, {'version': 2}, {'schema': 'v1 x'},
                                    {'digest': '0' * 64}, {'exploration': 'none'},
                                    {'exploration_scale': 2.0}])
def test_signature_covers_the_identity(change):
    one = weight_set(1)
    assert store(key=KEY).offer(replace(one, **change), 0.0, one.sign(KEY)).startswith('hmac: ')


@given(st.text(max_size=70))
def test_no_text_is_a_signature(text):
    assert store(key=KEY).offer(weight_set(1), 0.0, text).startswith('hmac: ')


def test_rollback_and_versions_are_not_reused():
    box = store()
    assert box.rollback() == 'refused: there is no previous set of weights'
    box.offer(weight_set(1), 0.0)
    box.swap()
    assert box.rollback().startswith('refused')
    for version in (2, 3):
        box.offer(weight_set(version), 0.0)
        box.swap()
    box.offer(weight_set(4), 0.0)
    assert box.rollback() == 'back at version 2 until the next push'
    assert box.active.version == 2 and box.staged == [] and box.newest_version == 4
    assert box.rollback().startswith('refused')
    for version in (2, 3):
        assert box.offer(weight_set(version), 0.0) == f'stale: have 4, got {version}'
    assert box.offer(weight_set(5), 0.0) == '' and box.swap()
    assert (box.active.version, box.previous.version) == (5, 2)


PUSH = st.tuples(st.just('push'), st.integers(0, 12), st.integers(1, 3), st.floats(0.0, 6.0))
SWAP = st.tuples(st.just('swap'), st.none() | st.integers(0, 12))


@given(st.lists(PUSH | SWAP | st.tuples(st.just('rollback')), max_size=40))
def test_any_history(history):
    box = WeightStore(lambda schema: '', learner_timeout=5.0)
    now, accepted, active = 0.0, [], []
    for kind, *values in history:
        if kind == 'push':
            version, epoch, later = values
            now += later
            again = box.repeated
            if not box.offer(weight_set(version, epoch), now) and box.repeated == again:
                accepted.append(version)
        elif kind == 'swap':
            if box.swap(values[0]):
                active.append(box.active.version)
                assert values[0] is None or box.active.version <= values[0]
        else:
            box.rollback()
        assert box.newest_version == (accepted[-1] if accepted else 0)
        assert all(box.active is None or s.version > box.active.version for s in box.staged)
    assert accepted == sorted(set(accepted)) and active == sorted(set(active))
    assert set(active) <= set(accepted)


def test_a_new_process_takes_nothing_older_than_the_one_before_held(tmp_path):
    """Somebody has recorded an old push, signed as it was, and waits for a policy to restart."""
    old, held, newer = (weight_set(version) for version in (11, 12, 13))
    before = store(tally=Tally(tmp_path / 'tally'), key=KEY)
    assert not any(before.offer(pushed, 0.0, pushed.sign(KEY)) for pushed in (old, held))
    after = store(tally=Tally(tmp_path / 'tally'), key=KEY)
    refusal = after.offer(old, 0.0, old.sign(KEY))
    assert held_version(refusal) == 12 and after.newest_version == 0
    assert after.refused == {'stale': 1}
    assert after.offer(held, 0.0, held.sign(KEY)) == ''  # its learner pushes again
    assert after.offer(newer, 0.0, newer.sign(KEY)) == ''


def test_a_file_that_a_person_chose_may_be_older(tmp_path):
    before = store(tally=Tally(tmp_path / 'tally'))
    before.offer(weight_set(12), 0.0)
    after = store(tally=Tally(tmp_path / 'tally'))
    assert after.adopt(weight_set(5), 0.0) == '' and after.newest_version == 5
