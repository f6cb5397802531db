import pytest
from rl_robot_ros import runs


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
