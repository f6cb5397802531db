import pytest
from rl_robot_ros import runs
from rl_robot_ros.learning.groups import group_runs
from rl_robot_ros.robots import keeping


def test_names_are_fit_for_directories(tmp_path):
    path = runs.create_run(tmp_path, 'my_package.arm:ROBOT', 'reach', 'sac')
    assert path.is_dir() and path.parent == tmp_path
    assert path.name.endswith('-arm_ROBOT-reach-sac')


def test_nothing_is_overwritten(tmp_path):
    runs.create_run(tmp_path, 'a', 'b', 'c', 'name')
    with pytest.raises(FileExistsError, match='--resume'):
        runs.create_run(tmp_path, 'a', 'b', 'c', 'name')


def test_policy_and_config_of_a_run(tmp_path):
    with pytest.raises(FileNotFoundError, match='no policy at'):
        runs.find_policy(tmp_path)
    with pytest.raises(FileNotFoundError, match=r'no config\.yaml'):
        runs.find_config(tmp_path)
    policy = tmp_path / runs.POLICY
    policy.touch()
    (tmp_path / runs.CONFIG).write_text('/**:\n  ros__parameters:\n    task.bonus: 2.0\n')
    assert runs.find_policy(tmp_path) == runs.find_policy(policy) == policy
    assert runs.find_config(policy) == {'task.bonus': 2.0}


def test_runs_of_one_robot_have_one_label(tmp_path):
    """Copies differ in where they lie and came from, not in what they are."""
    assert (keeping.FOLDER, keeping.SOURCE) == (runs.ROBOT_FOLDER, runs.ROBOT_SOURCE)
    copies = []
    for name, effort in (('one', 10), ('two', 10), ('other', 20)):
        copy = tmp_path / name / 'robot' / 'arms' / 'my_arm.yaml'
        copy.parent.mkdir(parents=True)
        copy.write_text(f'effort: {effort}')
        (copy.parents[1] / runs.ROBOT_SOURCE).write_text(name)
        copies.append(runs.robot_label(str(copy)))
    assert copies[0] == copies[1] != copies[2]
    assert all(label.startswith('my_arm@') for label in copies)
    assert runs.robot_label('arm7') == 'arm7'
    groups = group_runs({name: {'robot': str(tmp_path / name / 'robot' / 'arms' / 'my_arm.yaml'),
                                'task': 'reach'} for name in ('one', 'two', 'other')})
    assert sorted(map(len, groups.values())) == [1, 2]


def test_a_run_that_was_moved_finds_its_robot(tmp_path):
    copy = tmp_path / 'robot' / 'arms' / 'my_arm.yaml'
    copy.parent.mkdir(parents=True)
    copy.touch()
    (tmp_path / runs.CONFIG).write_text(
        '/**:\n  ros__parameters:\n    robot: "/no/where/robot/arms/my_arm.yaml"\n')
    assert runs.find_config(tmp_path)['robot'] == str(copy)
    copy.unlink()
    assert runs.find_config(tmp_path)['robot'] == '/no/where/robot/arms/my_arm.yaml'
