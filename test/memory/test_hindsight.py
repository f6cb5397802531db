from hypothesis import given
from hypothesis import strategies as st
from memory.goal_world import episode
from memory.goal_world import FAR
from memory.goal_world import history
from memory.goal_world import layout_of
from memory.goal_world import Line
from memory.goal_world import NEAR
from memory.goal_world import TRACE
import numpy as np
import pytest
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.memory import hindsight as module
from rl_robot_ros.memory.hindsight import Hindsight

LAYOUT = layout_of()


def make(goals=4, seed=0, discrete=False):
    return Hindsight(Line(), layout_of(discrete), goals, seed, discrete)


def cell(row, name, layout=LAYOUT):
    values = row[layout.column(name)].tolist()
    return values[0] if len(values) == 1 else values


def expand(hindsight, rows):
    """Everything that replay is given, in order."""
    taken = []
    for part in hindsight.split(rows):
        taken += [part.rows] + ([] if part.episode is None else [hindsight.relabel(part.episode)])
    return np.concatenate(taken) if taken else rows


def judged_by_hand(row, goal, layout):
    """Say what a row is worth under a goal, from its trace and the text of the task alone."""
    cells = row[layout.column('trace')]
    states = [(s.position, s.action) for s in TRACE.states(cells)]
    (start, before), *states = states
    rewards, energies, actions, success, terminated = [], [], [], False, False
    for position, action in states:
        distance = abs(position[0] - goal)
        actions.append(action)
        rewards.append(0.0 if distance < NEAR else -1.0)
        energies.append(-0.1 * sum(a * a for a in action))
        success |= distance < NEAR
        if distance > FAR:
            terminated = True
            break
    n = len(actions)
    mean = [sum(a[i] for a in actions) / n for i in range(2)]
    stop = bool(cells[1]) and n == len(states)
    return {'obs': [*start, *before, goal], 'next_obs': [*position, *mean, goal],
            'reward': (sum(rewards) + sum(energies)) / n, 'terms.miss': sum(rewards) / n,
            'terms.energy': sum(energies) / n, 'success': success,
            'terminated': terminated or stop,
            'truncated': bool(cell(row, 'terminated', layout) or cell(row, 'truncated', layout))
            and not (terminated or stop), 'effort' if 'effort' in layout else 'action': mean}


@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 5), st.booleans(), st.booleans(),
       st.sampled_from((1.0, 3.0)))
def test_copies_are_the_rows_of_another_goal(seed, length, goals, stop, discrete, spread):
    """Against a slow formula that knows neither recorder nor task object."""
    layout, hindsight = layout_of(discrete), make(goals, discrete=discrete)
    rows = episode(np.random.default_rng(seed), length, stop=stop, discrete=discrete,
                   spread=spread)
    copies = hindsight.relabel(rows)
    assert copies.shape == (len(rows) * goals, layout.width)
    achieved = [TRACE.states(row[layout.column('trace')])[-1].position[0] for row in rows]
    for number, copy in enumerate(copies):
        i = number // goals
        goal = cell(copy, 'obs', layout)[-1]
        assert goal in achieved[i:]
        wanted = judged_by_hand(rows[i], goal, layout)
        for name, value in wanted.items():
            got = np.atleast_1d(cell(copy, name, layout))
            assert got == pytest.approx(np.atleast_1d(value).astype(float), abs=1e-12), name
        for name in ('epoch', 'seq', 'stamp_sec', 'stamp_nanosec', 'policy_version', 'intervened',
                     'filtered', 'evaluation', 'request', 'trace'):
            assert cell(copy, name, layout) == cell(rows[i], name, layout), name
    assert layout.check(copies) == ''


@given(st.integers(0, 10**6), st.booleans())
def test_under_its_own_goal_a_row_stays_as_it_is(seed, stop):
    rows = episode(np.random.default_rng(seed), 5, stop=stop, spread=2.0)
    hindsight = make()
    for row in rows:
        again = row.copy()
        hindsight._judge(again, row[LAYOUT.column('obs')][-1:])
        assert again.tolist() == row.tolist()


def test_goals_come_from_this_row_to_the_last_one_alike():
    rows = episode(np.random.default_rng(1), 4)
    achieved = [TRACE.states(row[LAYOUT.column('trace')])[-1].position[0] for row in rows]
    copies = make(goals=3000).relabel(rows).reshape(len(rows), 3000, -1)
    for i, of_row in enumerate(copies):
        goals = of_row[:, LAYOUT.column('obs').stop - 1]
        counts = [int((goals == goal).sum()) for goal in achieved]
        assert counts[:i] == [0] * i and sum(counts) == 3000
        assert counts[i:] == pytest.approx([3000 / (len(rows) - i)] * (len(rows) - i), rel=0.15)


def test_a_goal_that_was_reached_is_worth_it():
    """The copy whose goal is the end of its own row ends in a success."""
    rows = episode(np.random.default_rng(1), 1)
    assert all(cell(copy, 'success') for copy in make().relabel(rows))


# -- which rows: whole episodes, whatever the batches ------------------------------------------


@given(st.integers(0, 10**6), st.lists(st.integers(1, 6), max_size=5),
       st.lists(st.integers(0, 12), max_size=6))
def test_batches_do_not_matter(seed, lengths, cuts):
    rows = np.concatenate([history(seed, (2, *lengths)), history(seed, (3, 2), epoch=2)])
    # Two policies, their rows mixed, those of each in order.
    order = np.argsort(np.random.default_rng(seed).permutation(len(rows)), kind='stable')
    mixed = rows[order]
    for epoch in (1.0, 2.0):
        mixed[mixed[:, 0] == epoch] = rows[rows[:, 0] == epoch]
    whole = expand(make(), mixed)
    pieces, hindsight = [], make()
    for piece in np.split(mixed, np.minimum(np.cumsum(cuts), len(mixed))):
        pieces.append(expand(hindsight, piece))
    assert np.array_equal(np.concatenate(pieces), whole)
    assert len(whole) == 5 * len(rows)
    # Every episode's rows come first, then its copies, then the next rows.
    assert np.array_equal(expand(make(), rows)[:10][:2], rows[:2])


def test_seed_and_episode_decide_which_goals():
    rows = history(3, (6, 6))
    assert np.array_equal(expand(make(seed=1), rows), expand(make(seed=1), rows))
    assert not np.array_equal(expand(make(seed=1), rows), expand(make(seed=2), rows))
    first, second = (part.episode for part in make().split(rows))
    second = second.copy()
    second[:, LAYOUT.column('trace')] = first[:, LAYOUT.column('trace')]
    copies = [make().relabel(part)[:, LAYOUT.column('obs')] for part in (first, second)]
    assert not np.array_equal(*copies)


def whole_episodes(rows):
    """Cut rows of one policy into whole episodes, slowly: lists of seq."""
    found, now, whole, expected = [], [], True, 0
    for row in rows:
        seq = int(cell(row, 'seq'))
        if seq < expected:
            continue
        whole &= seq == expected
        expected = seq + 1
        now.append(seq)
        if cell(row, 'terminated') or cell(row, 'truncated'):
            found += [now] * whole
            now, whole = [], True
    return found


@given(st.integers(0, 10**6), st.sets(st.integers(0, 14), max_size=4),
       st.sets(st.integers(0, 14), max_size=3))
def test_episodes_that_lack_a_row_have_no_copies(seed, lost, again):
    rows = history(seed, (4, 3, 4, 3))
    kept = [row for i, row in enumerate(rows) if i not in lost]
    for number in sorted(again):  # rows that come a second time, or late
        if number < len(rows):
            kept.insert(min(len(kept), number + 3), rows[number])
    hindsight = make()
    parts = hindsight.split(np.array(kept))
    assert sum(len(part.rows) for part in parts) == len(kept)
    seqs = [part.episode[:, LAYOUT.column('seq')].ravel().astype(int).tolist()
            for part in parts if part.episode is not None]
    assert seqs == whole_episodes(kept)


def test_a_row_that_does_not_go_on_where_the_last_one_ended_breaks_its_episode():
    """As after a row that the policy dropped, or a reset that it did not ask for."""
    rows = history(5, (4, 4))
    for column in ('position', 'velocity'):
        broken = rows.copy()
        first = broken[2, LAYOUT.column('trace')]
        first[2 + (column == 'velocity') * 3] += 1e-9
        hindsight = make()
        episodes = [part.episode for part in hindsight.split(broken) if part.episode is not None]
        assert len(episodes) == 1 and cell(episodes[0][0], 'seq') == 4
        assert hindsight.dropped == 1


def test_rows_of_a_policy_that_was_not_heard_from_its_start_wait_for_its_next_episode():
    rows = history(5, (4, 4))[1:]
    episodes = [p.episode for p in make().split(rows) if p.episode is not None]
    assert [len(part) for part in episodes] == [4]


def test_what_is_kept_is_bounded(monkeypatch):
    monkeypatch.setattr(module, 'MOST_ROWS', 10)
    monkeypatch.setattr(module, 'MOST_EPOCHS', 3)
    hindsight = make()
    for epoch in range(1, 8):
        hindsight.split(history(epoch, (6,), epoch=epoch)[:-1])
        assert hindsight._rows <= 10 and len(hindsight._known) <= 3
        kept = [known.rows or [] for known in hindsight._known.values()]
        assert hindsight._rows == sum(map(len, kept))
    assert hindsight.dropped == 5
    # The newest one is whole all the same, and one that is too long alone is given up.
    newest = history(7, (6,), epoch=7)
    assert hindsight.split(newest[-1:])[0].episode is not None
    long = history(9, (12,), epoch=9)
    assert [part.episode for part in hindsight.split(long)] == [None]


def test_the_policy_that_is_silent_for_longest_is_given_up_first(monkeypatch):
    monkeypatch.setattr(module, 'MOST_ROWS', 10)
    hindsight = make()
    first, second, third = (history(epoch, (6,), epoch=epoch) for epoch in (1, 2, 3))
    hindsight.split(np.concatenate((first[:4], second[:4], first[4:5], third[:4])))
    assert hindsight.split(second[4:])[0].episode is None
    assert len(hindsight.split(first[5:])[0].episode) == len(hindsight.split(
        third[4:])[0].episode) == 6
    assert hindsight._rows == 0 and hindsight.dropped == 1


# -- after a restart ---------------------------------------------------------------------------


@given(st.integers(0, 10**6), st.integers(1, 60), st.integers(1, 30))
def test_restored_is_as_if_never_stopped(seed, wanted, cut):
    rows = history(seed, (4, 3, 5, 2, 4, 3))
    cut = min(cut, len(rows) - 1)
    straight, resumed = make(), make()
    before = expand(straight, rows[:cut])
    # The log reaches back far enough for the episode that the oldest wanted row belongs to.
    log = rows[max(0, cut - wanted - 5):cut]
    resumed.split(rows[:3])  # whatever it knew
    again = resumed.restore(log, wanted)
    count = min(wanted, len(before))
    assert np.array_equal(again[-count:], before[-count:])
    assert np.array_equal(expand(resumed, rows[cut:]), expand(straight, rows[cut:]))


def test_rows_without_a_trace_are_refused():
    for layout in (RowLayout(6, 2, Line.reward_terms),
                   RowLayout(6, 2, Line.reward_terms, (TRACE.term._replace(size=3),))):
        with pytest.raises(ValueError, match='hindsight needs rows with the column trace:26'):
            Hindsight(Line(), layout, 4, 0)
