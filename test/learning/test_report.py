"""Figures for people: whole episodes and honest intervals."""

import json

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from rl_robot_ros.core.spec import Term
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.learning.episodes import EpisodeCollector
from rl_robot_ros.learning.report import EvaluationReport
from rl_robot_ros.learning.report import FIGURES
from rl_robot_ros.learning.report import wilson_interval

PERIOD = 0.02
LAYOUT = RowLayout(3, 2, ('distance', 'bonus'))


def make_rows(lengths, epoch=7, layout=LAYOUT, **columns):
    """Rows of whole episodes with these lengths; `columns` go into every row."""
    rows = []
    for length in lengths:
        for k in range(length):
            seq = len(rows)
            rows.append(layout.pack({
                'epoch': epoch, 'seq': seq, 'stamp_sec': seq // 50,
                'stamp_nanosec': (seq % 50) * 20_000_000, 'policy_version': 3,
                'truncated': k == length - 1, 'reward': 1.0, **columns}))
    return np.array(rows).reshape(-1, layout.width)


def column(name):
    return LAYOUT.column(name).start


def collect(*batches, **options):
    collector = EpisodeCollector(LAYOUT, PERIOD, **options)
    for batch in batches:
        collector.add(batch)
    return collector


# -- episodes ---------------------------------------------------------------------------------


def test_an_episode_is_summed_up():
    rows = make_rows([4], **{'terms.distance': -0.5})
    rows[:, LAYOUT.column('action')] = [(0.5, 0.0), (0.5, 0.0), (0.5, 1.0), (0.5, 1.0)]
    rows[2, column('success')] = rows[1, column('filtered')] = 1.0
    rows[:3, column('intervened')] = 1.0
    episode, = collect(rows).episodes
    assert (episode.total, episode.decisions, episode.version) == (4.0, 4, 3)
    assert episode.seconds == pytest.approx(0.08)
    assert (episode.success, episode.success_end, episode.terminated) == (True, False, False)
    assert (episode.filtered, episode.intervened) == (0.25, 0.75)
    assert episode.energy == pytest.approx((0.25 + 0.25 + 1.25 + 1.25) / 4)
    assert episode.smoothness == pytest.approx((0.5 + 0.0 + 1.0 + 0.0) / 4)
    assert episode.terms == (-0.5, 0.0)


@given(lengths=st.lists(st.integers(1, 6), max_size=6), cuts=st.lists(st.integers(0, 36)))
def test_batches_do_not_matter(lengths, cuts):
    rows = make_rows(lengths)
    parts = np.split(rows, sorted(min(cut, len(rows)) for cut in cuts))
    whole, split = collect(rows), collect(*parts)
    assert whole.episodes == split.episodes
    assert [episode.decisions for episode in whole.episodes] == lengths
    assert whole.dropped == split.dropped == 0


@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=6), data=st.data())
def test_an_episode_with_a_lost_row_does_not_count(lengths, data):
    rows = make_rows(lengths)
    lost = data.draw(st.sets(st.integers(0, len(rows) - 1), min_size=1))
    collector = collect(np.delete(rows, sorted(lost), axis=0))
    ends = np.cumsum(lengths)
    hit = {int(np.searchsorted(ends, row, side='right')) for row in lost}
    # After a lost last row, the next episode begins where nobody can tell.
    hit |= {index + 1 for index in range(len(lengths) - 1) if ends[index] - 1 in lost}
    kept = [length for index, length in enumerate(lengths) if index not in hit]
    assert [episode.decisions for episode in collector.episodes] == kept
    assert collector.dropped <= len(hit)
    if lost != set(range(len(rows))) and max(lost) < len(rows) - 1:
        assert collector.dropped > 0


def test_a_lost_row_that_has_no_number_shows_in_the_time():
    rows = make_rows([6, 3])
    rows[3:, column('stamp_sec')] += 1.0
    collector = collect(rows)
    assert [episode.decisions for episode in collector.episodes] == [3]
    assert collector.dropped == 1
    rows = make_rows([6, 3])
    rows[6:, column('stamp_sec')] += 1.0  # a pause between episodes is no loss
    assert len(collect(rows).episodes) == 2


@given(st.lists(st.tuples(st.integers(0, 11), st.integers(1, 12)), max_size=5))
def test_rows_that_come_again_are_ignored(repeats):
    rows = make_rows([4, 3, 5])
    collector = collect(rows, *(rows[start:start + count] for start, count in repeats))
    assert [episode.decisions for episode in collector.episodes] == [4, 3, 5]
    assert collector.duplicates == sum(len(rows[s:s + n]) for s, n in repeats)
    assert collector.dropped == 0


def test_policies_may_be_mixed():
    one, two = make_rows([3, 3], epoch=1), make_rows([2, 4], epoch=2)
    mixed = np.concatenate([pair for pairs in zip(one, two) for pair in pairs]).reshape(
        -1, LAYOUT.width)
    collector = collect(mixed)
    assert sorted((e.epoch, e.decisions) for e in collector.episodes) == [
        (1, 3), (1, 3), (2, 2), (2, 4)]


def test_who_comes_late_waits_for_the_next_episode():
    collector = collect(make_rows([4, 3])[2:])
    assert [episode.decisions for episode in collector.episodes] == [3]
    assert collector.dropped == 1


def test_evaluation_only():
    rows = make_rows([3, 3, 3])
    rows[3:6, column('evaluation')] = 1.0
    rows[8, column('evaluation')] = 1.0
    assert len(collect(rows).episodes) == 3
    assert len(collect(rows, evaluation_only=True).episodes) == 1


def test_discrete_actions_are_judged_by_their_effort():
    layout = RowLayout(3, 1, (), (Term('effort', 2),))
    rows = make_rows([2], layout=layout, effort=np.array([1.0, 1.0]), action=5.0)
    collector = EpisodeCollector(layout, PERIOD)
    collector.add(rows)
    assert collector.episodes[0].energy == pytest.approx(2.0)


def test_an_endless_episode_is_given_up(monkeypatch):
    monkeypatch.setattr('rl_robot_ros.learning.episodes.MOST_ROWS', 10)
    collector = collect(make_rows([30, 4]))
    assert [episode.decisions for episode in collector.episodes] == [4]
    assert collector.dropped == 1


@pytest.mark.parametrize('damage', [
    lambda rows: rows[:, 1:], lambda rows: rows[0], lambda rows: rows * np.nan,
    lambda rows: rows + 0.5])
def test_rows_of_another_kind_are_refused(damage):
    with pytest.raises(ValueError, match='EpisodeCollector.add'):
        collect(damage(make_rows([3])))
    with pytest.raises(ValueError, match='decision_period'):
        EpisodeCollector(LAYOUT, 0.0)


# -- report -----------------------------------------------------------------------------------


@given(st.integers(0, 500), st.integers(0, 500))
def test_the_interval_holds_the_rate(successes, failures):
    trials = successes + failures
    low, high = wilson_interval(successes, trials)
    assert 0.0 <= low <= high <= 1.0
    if trials:
        assert low - 1e-12 <= successes / trials <= high + 1e-12
        wider = wilson_interval(10 * successes, 10 * trials)
        assert wider[1] - wider[0] < high - low


def test_the_interval_is_that_of_the_literature():
    # Newcombe (1998), Statistics in Medicine 17, table I, method 3.
    for successes, trials, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605),
                                         (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)):
        assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=5e-5)
    with pytest.raises(ValueError, match='3 successes in 2 trials'):
        wilson_interval(3, 2)


def test_a_report_weighs_decisions_and_episodes_rightly(tmp_path):
    rows = make_rows([1, 3], **{'terms.bonus': 0.5})
    rows[0, column('filtered')] = rows[0, column('success')] = 1.0
    made = EvaluationReport.of(collect(rows))
    assert (made.episodes, made.return_mean, made.return_std) == (2, 2.0, 1.0)
    assert made.length_mean == pytest.approx(0.04)
    assert (made.success_rate, made.success_end_rate) == (0.5, 0.5)
    assert made.filtered == 0.25
    assert made.terms == {'distance': 0.0, 'bonus': 0.5}
    assert EvaluationReport.of(collect(rows), 1).success_rate == 1.0
    path = tmp_path / 'evaluation.json'
    made.to_json(path)
    stored = json.loads(path.read_text())
    assert stored['success_rate'] == 0.5 and stored['terms']['bonus'] == 0.5
    assert [entry.name for entry in tmp_path.iterdir()] == ['evaluation.json']
    text = '\n'.join(made.lines())
    assert '50.0%' in text and '2.00 +- 1.00' in text and 'bonus 0.5000' in text


def test_a_report_of_nothing_is_valid_json(tmp_path):
    made = EvaluationReport.of(collect(make_rows([4])[:-1]))
    made.to_json(tmp_path / 'x.json')
    stored = json.loads((tmp_path / 'x.json').read_text())
    assert stored['episodes'] == 0 and stored['return_mean'] is None
    assert (stored['success_low'], stored['success_high']) == (0.0, 1.0)
    assert made.lines() == ['no whole episode (0 were incomplete)']


def test_every_figure_has_its_interval(tmp_path):
    lengths = [3, 9, 5, 7, 30, 6, 4, 8]
    rows = make_rows(lengths, intervened=1.0)
    rows[:, LAYOUT.column('action')] = np.random.default_rng(1).normal(size=(len(rows), 2))
    rows[:20, column('success')] = rows[:10, column('filtered')] = 1.0
    made = EvaluationReport.of(collect(rows))
    assert made.return_iqm == 6.5 and made.returns == tuple(map(float, lengths))
    assert set(made.intervals) == set(FIGURES)
    for name, (low, high) in made.intervals.items():
        assert low <= getattr(made, name) <= high, name
        certain = name in ('terminated_rate', 'intervened')
        assert (high == low) == certain, name
    assert made.figure('success_rate')[1:] == (made.success_low, made.success_high)
    assert made.figure('energy')[1:] == made.intervals['energy']
    made.to_json(tmp_path / 'a.json')
    EvaluationReport.of(collect(rows)).to_json(tmp_path / 'b.json')
    assert (tmp_path / 'a.json').read_text() == (tmp_path / 'b.json').read_text()
    stored = json.loads((tmp_path / 'a.json').read_text())
    assert stored['intervals']['return_mean'] == list(made.intervals['return_mean'])
    low, high = made.intervals['return_iqm']
    assert f'6.50 [{low:.2f}, {high:.2f}]' in '\n'.join(made.lines())


def test_long_episodes_weigh_more_in_the_interval_too():
    rows = make_rows([1, 1, 98])
    rows[2:, column('filtered')] = 1.0
    made = EvaluationReport.of(collect(rows))
    assert made.filtered == 0.98
    low, high = made.intervals['filtered']
    assert (low, high) == (0.0, 1.0), 'a resample without the long one, and one of it alone'


def test_one_episode_has_no_interval(tmp_path):
    made = EvaluationReport.of(collect(make_rows([4])))
    made.to_json(tmp_path / 'x.json')
    stored = json.loads((tmp_path / 'x.json').read_text())
    assert stored['return_iqm'] == 4.0 and stored['intervals']['return_iqm'] == [None, None]
    assert 'one episode has no interval' in '\n'.join(made.lines())
