from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st
import pytest
from rl_robot_ros.robots.joint_limits import load_joint_limits
import yaml

LIMITS = {'joint1': {'has_velocity_limits': True, 'max_velocity': 1.0}, 'joint2': {}}
TREES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.text(max_size=5) | st.just('joint_limits'), inner, max_size=3), max_leaves=8)


@pytest.mark.parametrize('wrap', [
    lambda limits: limits, lambda limits: {'/**': {'ros__parameters': limits}},
    lambda limits: {'node': {'ros__parameters': limits}}])
def test_the_table_may_stand_below_a_node(tmp_path, wrap):
    path = tmp_path / 'joint_limits.yaml'
    path.write_text(yaml.safe_dump(wrap({'joint_limits': LIMITS})))
    assert load_joint_limits(path) == LIMITS


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match='no joint limits at .*filter.joint_limits_file'):
        load_joint_limits(tmp_path / 'nowhere.yaml')


@pytest.mark.parametrize('text', ['', '[]', 'a: 1', 'a: {b: 1}', '{', 'joint_limits: 3',
                                  'joint_limits: {joint1: 3}', 'a: 1\njoint_limit: {}', '\t',
                                  '!!python/object:os.system {}', '[' * 500])
def test_refusals(tmp_path, text):
    path = tmp_path / 'limits.yaml'
    path.write_text(text)
    with pytest.raises(ValueError, match='limits.yaml'):
        load_joint_limits(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=40) | TREES.map(lambda tree: yaml.safe_dump(tree).encode()))
def test_any_content_is_read_or_refused(tmp_path, content):
    path = tmp_path / 'limits.yaml'
    path.write_bytes(content)
    try:
        limits = load_joint_limits(path)
    except ValueError as error:
        assert 'limits.yaml' in str(error)
        return
    assert all(isinstance(table, dict) for table in limits.values())
