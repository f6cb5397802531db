from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.memory.rollout import generalised_advantages
from rl_robot_ros.memory.rollout import returns_to_go
from rl_robot_ros.memory.rollout import Rollout

LAYOUT = RowLayout(1, 1)
SEQ = LAYOUT.column('seq').start


def row(epoch, seq, end='', version=1, person=False):
    return LAYOUT.pack({'epoch': epoch, 'seq': seq, 'terminated': float(end == 'terminated'),
                        'truncated': float(end == 'truncated'), 'policy_version': version,
                        'intervened': float(person)})


def stream(epoch, ends, lost=()):
    """Rows of one policy; `ends` says where episodes end, `lost` which rows never came."""
    return [row(epoch, i, end) for i, end in enumerate(ends) if i not in lost]


def pieces(block):
    """Return (epoch, seqs) of every piece."""
    cuts = np.flatnonzero(block.last)[:-1] + 1
    return [(int(part[0, LAYOUT.column('epoch').start]), part[:, SEQ].astype(int).tolist())
            for part in np.split(block.rows, cuts) if len(part)]


def expected(epoch, ends, lost):
    """Say slowly which episodes are of use: those whose rows are there up to the end."""
    result, piece = [], []
    for i, end in enumerate(ends):
        if i in lost:
            piece = []  # what came before the gap has lost its end
            continue
        piece.append(i)
        if end:
            result.append((epoch, piece))
            piece = []
    return result


ENDS = st.lists(st.sampled_from(('', '', 'terminated', 'truncated')), max_size=25)


@given(ENDS, ENDS, st.sets(st.integers(0, 24), max_size=4), st.randoms(use_true_random=False))
def test_hands_out_whole_episodes_of_mixed_policies(ends_a, ends_b, lost, random):
    a, b = stream(5, ends_a, lost), stream(6, ends_b)
    rollout = Rollout(LAYOUT, max_policy_lag=0)
    while a or b:
        batch = []
        for _ in range(random.randint(1, 6)):
            source = random.choice([s for s in (a, b) if s] or [[]])
            batch += [source.pop(0)] if source else []
        rollout.add(np.array(batch))
    wanted = expected(5, ends_a, lost) + expected(6, ends_b, ())
    assert len(rollout) == sum(len(seqs) for _, seqs in wanted)
    assert sorted(pieces(rollout.take(1))) == sorted(wanted)
    assert len(rollout) == 0


@given(ENDS, st.sets(st.integers(0, 24), max_size=4), st.integers(1, 7))
def test_partial_pieces_lose_no_row(ends, lost, size):
    rows = stream(5, ends, lost)
    rollout = Rollout(LAYOUT, max_policy_lag=0, partial=True)
    for i in range(0, len(rows), size):
        rollout.add(np.array(rows[i:i + size]))
    assert len(rollout) == len(rows)
    block = rollout.take(1)
    assert rollout.dropped == 0
    assert block.rows[:, SEQ].astype(int).tolist() == [r[SEQ] for r in rows]
    for _, seqs in pieces(block):
        assert seqs == list(range(seqs[0], seqs[-1] + 1))
        assert not any(ends[i] for i in seqs[:-1])


def test_open_episode_waits_for_its_end():
    rollout = Rollout(LAYOUT, max_policy_lag=9)
    rollout.add(np.array([row(1, 0), row(1, 1, 'terminated'), row(1, 2)]))
    assert pieces(rollout.take(1)) == [(1, [0, 1])]
    rollout.add(np.array([row(1, 3, 'truncated')]))
    assert pieces(rollout.take(1)) == [(1, [2, 3])]


def test_old_weights_and_people_are_masked():
    rollout = Rollout(LAYOUT, max_policy_lag=2)
    rollout.add(np.array([row(1, 0, version=3), row(1, 1, version=4), row(1, 2, person=True,
                                                                          version=6),
                          row(1, 3, 'terminated', version=6)]))
    assert rollout.take(6).use.tolist() == [False, True, False, True]


def test_is_bounded():
    rollout = Rollout(LAYOUT, max_policy_lag=0, capacity=5)
    for i in range(20):
        rollout.add(np.array([row(1, 2 * i), row(1, 2 * i + 1, 'terminated'), row(2, i)]))
    kept = len(rollout.parts()[0])
    assert kept <= 5
    assert kept + rollout.dropped == 60


@given(ENDS, st.sets(st.integers(0, 24), max_size=3), st.booleans(), st.randoms())
def test_parts_carry_the_state_over(ends, lost, partial, random):
    """Also the order of pieces of several policies, which decides how sums are rounded."""
    rows = [[row] for row in stream(5, ends, lost)] + [[row] for row in stream(6, ends, set())]
    random.shuffle(rows)
    first, second = (Rollout(LAYOUT, 0, partial) for _ in range(2))
    for part in rows:
        first.add(np.array(part))
    second.restore(*first.parts())
    assert len(second) == len(first)
    more = np.array([row(5, 25, 'terminated'), row(6, 25)])
    first.add(more)
    second.add(more)
    assert pieces(first.take(1)) == pieces(second.take(1))


def test_nothing_collected_is_an_empty_block():
    block = Rollout(LAYOUT, 0).take(1)
    assert block.rows.shape == (0, LAYOUT.width)
    assert len(block.last) == len(block.use) == 0


@given(st.lists(st.tuples(st.floats(-5, 5), st.booleans(), st.floats(-5, 5)), max_size=12),
       st.floats(0.0, 1.0))
def test_returns_to_go_are_discounted_sums(steps, gamma):
    reward, last, bootstrap = (np.array(column) for column in zip(*steps)) if steps else (
        np.zeros(0), np.zeros(0, bool), np.zeros(0))
    last[-1:] = True
    result = returns_to_go(reward, last, bootstrap, gamma)
    for i in range(len(reward)):
        end = i + int(np.argmax(last[i:]))
        wanted = sum(gamma**(k - i) * reward[k] for k in range(i, end + 1))
        wanted += gamma**(end + 1 - i) * bootstrap[end]
        assert result[i] == pytest.approx(wanted, abs=1e-9)


def test_generalised_advantages_between_their_two_ends():
    """Lambda 0 is one surprise, lambda 1 the return less the value (equations 16 to 18)."""
    rng = np.random.default_rng(0)
    reward, value, after = rng.normal(size=(3, 12))
    last = np.zeros(12, dtype=bool)
    last[[4, 5, 11]] = True
    after[:-1] = np.where(last[:-1], after[:-1], value[1:])
    one = generalised_advantages(reward, value, after, last, 0.9, 0.0)
    assert one == pytest.approx(reward + 0.9 * after - value)
    whole = generalised_advantages(reward, value, after, last, 0.9, 1.0)
    assert whole == pytest.approx(returns_to_go(reward, last, after, 0.9) - value)
