from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from rl_robot_ros.env import RobotEnv
from rl_robot_ros.robots.cartpole import ROBOT as CARTPOLE
from rl_robot_ros.robots.gantry import ROBOT
from rl_robot_ros.tasks.grid import Grid
from rl_robot_ros.tasks.grid import GridConfig

NOTHING = np.zeros(2)
RIGHT, LEFT, UP, DOWN = range(4)  # the effort set `push`


def judge(task, x, y):
    return task.evaluate(np.array([x, y]), NOTHING, NOTHING, NOTHING)


def test_the_plan_is_read_like_a_map():
    task = Grid(ROBOT)
    start, _ = task.initial_state(np.random.default_rng(0))
    assert start.tolist() == pytest.approx([-0.4, -0.4], abs=0.02)
    assert task.observe(start, NOTHING, NOTHING).tolist() == pytest.approx([0.0, 0.0], abs=0.1)
    for x, y, terms, done in ((0.4, 0.4, [0.0, 0.0], True), (0.31, 0.46, [0.0, 0.0], True),
                              (0.29, 0.4, [-1.0, 0.0], False), (0.0, 0.2, [-1.0, -4.0], False),
                              (-0.4, 0.4, [-1.0, 0.0], False), (0.2, -0.4, [-1.0, -4.0], False)):
        outcome = judge(task, x, y)
        assert outcome.terms.tolist() == terms and outcome.reward == sum(terms), (x, y)
        assert outcome.success == outcome.terminated == done


@given(x=st.floats(-1e6, 1e6), y=st.floats(-1e6, 1e6))
def test_beyond_the_plan_the_outermost_cell_counts(x, y):
    task = Grid(ROBOT)
    inside = np.clip([x, y], -0.4, 0.4)
    assert judge(task, x, y).terms.tolist() == judge(task, *inside).terms.tolist()


@given(floor=st.text('SG#. ', max_size=12))
def test_a_plan_that_is_none_is_refused(floor):
    rows = floor.split()
    fine = len({len(row) for row in rows}) == 1 and floor.count('S') == floor.count('G') == 1
    if fine:
        assert GridConfig(floor=floor).floor == floor
    else:
        with pytest.raises(ValueError, match='^task.floor: got '):
            GridConfig(floor=floor)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match='cartpole has slider, hinge; use robot:=gantry'):
        Grid(CARTPOLE)
    with pytest.raises(ValueError, match='does not reach the middle of its outermost cells'):
        Grid(ROBOT, GridConfig(floor='S.....G'))
    with pytest.raises(ValueError, match='half of task.cell = 0.2'):
        GridConfig(start_spread=0.11)


def test_a_decision_moves_by_one_cell():
    """On the robot, through the safety filter, against the ends of the rails too."""
    env = RobotEnv.make('gantry', 'grid', efforts=((1.0, 0.0), (-1.0, 0.0), (0.0, 1.0),
                                                   (0.0, -1.0)))
    env.reset(seed=3)
    cells, done = [], False
    for action in [LEFT, DOWN, UP, UP, UP, DOWN, UP, UP, UP, RIGHT, LEFT, RIGHT, RIGHT, RIGHT,
                   RIGHT]:
        assert not done
        observation, _, done, _, _ = env.step(action)
        cells.append(tuple(np.rint(observation).astype(int).tolist()))
    assert cells == [(0, 0), (0, 0), (0, 1), (0, 2), (0, 3), (0, 2), (0, 3), (0, 4), (0, 4),
                     (1, 4), (0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    assert done
