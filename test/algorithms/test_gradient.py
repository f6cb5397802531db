from algorithms import workbench
import numpy as np
import pytest
from rl_robot_ros.algorithms import gradient
from rl_robot_ros.algorithms.gradient import GradientFunction
from rl_robot_ros.algorithms.networks import clip_norm_
import torch

THREE = torch.tensor(3.0)


def loss(parameters, factor):
    value = (factor * parameters.square()).sum()
    return value, value.detach()


@pytest.mark.parametrize('way', ['off', 'record'])
def test_gradient_without_compiler(way):
    function = GradientFunction(loss, way)
    at = torch.tensor([1.0, -2.0])
    for factor in (3.0, 5.0):
        found, details = function(at, torch.tensor(factor))
        assert found.tolist() == [2.0 * factor, -4.0 * factor]
        assert float(details) == 5.0 * factor
    assert not at.requires_grad and not found.requires_grad and function.way == way


@pytest.mark.parametrize('name', ['sac', 'td3', 'ddpg', 'dqn', 'ppo', 'behavior_cloning'])
def test_a_recording_computes_what_autograd_does(name):
    """From the same rows the same weights, but for rounding."""
    ends = []
    for way in ('off', 'record'):
        algorithm = workbench.make(name, compile=way, dropout=0.1, max_grad_norm=0.1, batch=16)
        layout, rng = workbench.layout_of(algorithm), np.random.default_rng(0)
        algorithm.prepare()
        for first in (0, 25):
            algorithm.add(workbench.act_rows(algorithm, layout, 25, rng, first=first))
            for _ in range(3 - 2 * algorithm.on_policy):
                algorithm.update()
        ends.append(algorithm.actor_weights())
    assert ends[0] == pytest.approx(ends[1], rel=1e-4, abs=1e-6)
    assert not np.array_equal(ends[0], workbench.make(name).actor_weights())


def broken(*_):
    raise RuntimeError('Python.h: No such file')


def test_auto_falls_back_where_compilation_fails(monkeypatch, caplog):
    monkeypatch.setattr(gradient, 'has_compiler', lambda: True)
    monkeypatch.setitem(gradient.TRANSLATE, 'on', broken)
    function = GradientFunction(loss, 'auto')
    assert function.way == 'on'
    assert function(torch.ones(1), THREE)[0].tolist() == [6.0]
    assert function.way == 'record'
    assert 'on failed, going on with record: Python.h' in caplog.text
    with pytest.raises(RuntimeError):  # a mistake in the loss is not hidden afterwards
        function(torch.ones(2), torch.ones(3))
    assert function.way == 'record'


def test_what_cannot_be_recorded_is_computed_anew(caplog):
    def loss(parameters, factor):
        if float(factor) > 0.0:  # a recording would know one answer only
            factor = 2.0 * factor
        value = (factor * parameters).sum()
        return value, value.detach()

    function = GradientFunction(loss, 'auto')
    assert function(torch.ones(1), THREE)[0].tolist() == [6.0]
    assert function.way == 'off' and 'record failed, going on with off' in caplog.text
    assert function(torch.ones(1), -THREE)[0].tolist() == [-3.0]


def test_on_insists(monkeypatch):
    monkeypatch.setitem(gradient.TRANSLATE, 'on', broken)
    with pytest.raises(RuntimeError, match=r'Python\.h'):
        GradientFunction(loss, 'on')(torch.ones(1), THREE)


def test_auto_needs_a_compiler(monkeypatch):
    monkeypatch.setenv('PATH', '')
    monkeypatch.delenv('CXX', raising=False)
    assert not gradient.has_compiler()
    assert GradientFunction(loss, 'auto').way == 'record'


def test_unknown_choice_is_refused():
    with pytest.raises(ValueError, match='allowed are auto, on, record, off'):
        GradientFunction(loss, 'yes')


def test_each_form_of_the_arguments_has_its_own_code(monkeypatch):
    made = []

    def compiler(graph, arguments, options):  # that of C++ takes long, and is not asked here
        made.append([argument.stride() for argument in arguments])
        return graph
    monkeypatch.setattr(torch._inductor, 'compile', compiler)
    function = GradientFunction(loss, 'on')
    for _ in range(2):
        for size in range(1, 11):
            found, _ = function(torch.ones(size), THREE)
            assert found.tolist() == [6.0] * size
    assert len(made) == 10
    found, _ = function(torch.arange(20.0)[::2], THREE)
    assert made[10:] == [[(2,), ()]] and len(found) == 10


def test_what_is_made_of_a_gradient_belongs_to_its_recording():
    def loss(x, _):
        return (x**2).sum(), x.detach()

    for way in ('off', 'record', 'on'):
        function = GradientFunction(loss, way, lambda raw: clip_norm_(raw, 1.0))
        found, _ = function(torch.tensor([3.0, 4.0]), torch.zeros(()))
        assert found.tolist() == pytest.approx([0.6, 0.8])
        assert found.mul_(5.0).tolist() == pytest.approx([3.0, 4.0])  # an ordinary tensor
