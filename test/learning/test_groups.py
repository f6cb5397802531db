"""Seeds of one set-up belong together, and a label says what sets two set-ups apart."""

from hypothesis import given
from hypothesis import strategies as st
from rl_robot_ros.learning.groups import group_runs
from rl_robot_ros.learning.groups import OF_THE_RUN
from rl_robot_ros.learning.groups import unique
from run_folders import CONFIG


def configs(*changes):
    return {f'run{k}': {**CONFIG, 'seed': k, **change} for k, change in enumerate(changes)}


def test_seed_name_and_end_do_not_matter():
    alike = configs({}, {'learner.run': '/elsewhere'}, {'stop.minutes': 5.0},
                    {'learner.resume': True, 'sim.clock_file': 'x'})
    assert group_runs(alike) == {'cartpole balance sac': ['run0', 'run1', 'run2', 'run3']}


def test_a_label_is_what_differs():
    groups = group_runs(configs({}, {'algorithm.lr_actor': 1e-3}, {}))
    assert groups == {'algorithm.lr_actor=0.0003': ['run0', 'run2'],
                      'algorithm.lr_actor=0.001': ['run1']}


def test_what_an_algorithm_brings_is_not_told():
    other = {'algorithm': 'td3', 'algorithm.noise': 0.1, 'algorithm.lr_actor': 1e-3}
    assert list(group_runs(configs({}, other))) == ['algorithm=sac', 'algorithm=td3']
    # Between two of the same algorithm it is, and what belongs to no algorithm always.
    groups = group_runs(configs({}, {'algorithm.lr_actor': 1e-4}, other, {'safety.margin': 0.1}))
    assert list(groups) == ['algorithm=sac, algorithm.lr_actor=0.0003, safety.margin=(not set)',
                            'algorithm=sac, algorithm.lr_actor=0.0001, safety.margin=(not set)',
                            'algorithm=td3, safety.margin=(not set)',
                            'algorithm=sac, algorithm.lr_actor=0.0003, safety.margin=0.1']
    assert list(group_runs(configs({}, {'preset': 's1'}))) == ['preset=(none)', 'preset=s1']


def test_runs_of_two_versions_of_the_program_have_a_label_that_can_be_read():
    new = {f'safety.new{k}': k for k in range(40)}
    groups = group_runs(configs({'safety.margin': 1}, {**new, 'safety.margin': 2},
                                {**new, 'safety.margin': 2, 'safety.new39': 5}))
    assert list(groups) == [
        'safety.margin=1, safety.new0=(not set), safety.new1=(not set), '
        'safety.new10=(not set), 37 more',
        'safety.margin=2, safety.new0=0, safety.new1=1, safety.new10=10, 37 more',
        'safety.margin=2, safety.new0=0, safety.new1=1, safety.new10=10, 37 more (run2)']


NAMES = st.sampled_from(['robot', 'task', 'algorithm', 'algorithm.x', 'task.x', 'sync.x', 'other',
                         'preset', *sorted(OF_THE_RUN)[:3]])
SETUPS = st.lists(st.dictionaries(NAMES, st.integers(0, 2)), min_size=1, max_size=6)


@given(SETUPS)
def test_every_run_is_in_one_group_and_labels_are_unique(setups):
    given_configs = {f'run{k}': setup for k, setup in enumerate(setups)}
    groups = group_runs(given_configs)
    assert sorted(name for names in groups.values() for name in names) == sorted(given_configs)
    for names in groups.values():
        kept = [{key: value for key, value in given_configs[name].items()
                 if key not in OF_THE_RUN} for name in names]
        assert all(setup == kept[0] for setup in kept)
    different = {tuple(sorted((key, value) for key, value in setup.items()
                              if key not in OF_THE_RUN)) for setup in setups}
    assert len(groups) == len(different)


def test_the_same_run_twice_is_one(tmp_path):
    assert unique([tmp_path, tmp_path / 'a' / '..', tmp_path / 'b']) in (
        [tmp_path, tmp_path / 'b'], [tmp_path / 'a' / '..', tmp_path / 'b'])
