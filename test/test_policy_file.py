from dataclasses import replace
import struct

from core.fakes import weight_set
from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest
from rl_robot_ros.policy_file import load_policy
from rl_robot_ros.policy_file import save_policy
from safetensors.numpy import save

IN_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def same(one, other):
    return (replace(one, weights=None) == replace(other, weights=None)
            and np.array_equal(one.weights, other.weights))


@IN_FOLDER
@given(version=st.integers(1, 2**53), epoch=st.integers(0, 2**53),
       exploration=st.sampled_from(('policy', 'gaussian', 'none')),
       scale=st.floats(0.0, 1e300, allow_subnormal=True))
def test_round_trip(tmp_path, version, epoch, exploration, scale):
    weights = replace(weight_set(1), version=version, epoch=epoch, exploration=exploration,
                      exploration_scale=scale)
    path = tmp_path / 'new' / 'policy.safetensors'
    save_policy(path, weights)
    assert same(load_policy(path), weights)
    assert list(path.parent.iterdir()) == [path]


def test_the_newer_one_replaces_the_older(tmp_path):
    path = tmp_path / 'policy.safetensors'
    for version in (1, 2):
        save_policy(path, weight_set(version))
        assert load_policy(path).version == version


def test_a_missing_file(tmp_path):
    for path in (tmp_path / 'nowhere', tmp_path):
        with pytest.raises(FileNotFoundError, match='no policy file at'):
            load_policy(path)


@IN_FOLDER
@given(data=st.data())
def test_damage_is_noticed(tmp_path, data):
    """A cut file, a changed byte: an error that names the file, or no change that matters."""
    path = tmp_path / 'policy.safetensors'
    weights = weight_set(7)
    save_policy(path, weights)
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[at:]
    else:
        content[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        read = load_policy(path)
    except ValueError as error:
        assert str(path) in str(error)
        return
    # What is not covered by the digest are the small fields of the header.
    assert np.array_equal(read.weights, weights.weights)
    assert read.damage() == ''


@IN_FOLDER
@given(content=st.binary(max_size=100) | st.binary(max_size=60).map(
    lambda text: struct.pack('<Q', len(text)) + text))
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / 'other'
    path.write_bytes(content)
    with pytest.raises(ValueError, match='other is no intact policy file'):
        load_policy(path)


def metadata(weights, **changes):
    fields = ('epoch', 'version', 'schema', 'digest', 'exploration', 'exploration_scale')
    return {**{name: str(getattr(weights, name)) for name in fields}, **changes}


@pytest.mark.parametrize('tensors, changes, says', [
    ({'weights': 'same'}, {'epoch': 'x'}, 'is no intact policy file'),
    ({'weights': 'same'}, {'exploration_scale': 'x'}, 'is no intact policy file'),
    ({'weights': 'same'}, {'exploration_scale': 'nan'}, 'is damaged: exploration: '),
    ({'weights': 'same'}, {'schema': 'v1 x'}, 'is damaged: schema: '),
    ({'weights': 'same'}, {'digest': '0' * 64}, 'is damaged: digest: '),
    ({'weights': 'zero'}, {}, 'is damaged: digest: '),
    ({'weights': 'short'}, {}, 'is damaged: length: '),
    ({'weights': 'square'}, {}, 'is damaged: length: '),
    ({'weights': 'nan'}, {}, 'is damaged: weights: not finite'),
    ({'other': 'same'}, {}, 'is no intact policy file')])
def test_policy_files_that_are_wrong(tmp_path, tensors, changes, says):
    weights = weight_set(1)
    made = {'same': weights.weights, 'zero': 0.0 * weights.weights, 'short': weights.weights[1:],
            'square': weights.weights[None, :], 'nan': np.nan * weights.weights}
    path = tmp_path / 'policy.safetensors'
    path.write_bytes(save({name: np.ascontiguousarray(made[kind])
                           for name, kind in tensors.items()}, metadata(weights, **changes)))
    with pytest.raises(ValueError, match=says):
        load_policy(path)
    path.write_bytes(save({'weights': weights.weights}))
    with pytest.raises(ValueError, match='is no intact policy file'):
        load_policy(path)
