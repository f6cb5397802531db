import numpy as np
from rl_robot_ros.safety.torque_map import feasible_effort
from rl_robot_ros.safety.torque_map import slide


def random_problem(seed):
    """Return a mass matrix, a bias, bounds and an effort limit that certified braking respects."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(4, 4))
    mass = root @ root.T + 0.3 * np.eye(4)
    bias = rng.normal(scale=3.0, size=4)
    gentle = rng.uniform(0.5, 5.0, 4)
    limit = np.abs(mass) @ gentle + np.abs(bias) + rng.uniform(0.0, 5.0, 4)
    lower, upper = np.sort(rng.uniform(-1.0, 1.0, (2, 4)) * rng.choice([1.0, 30.0]), axis=0)
    hard = (np.minimum(lower, gentle + 20.0), np.maximum(upper, -gentle - 20.0))
    return rng, mass, bias, hard, (np.minimum(lower, gentle), np.maximum(upper, -gentle)), limit


def test_the_effort_is_feasible_and_its_acceleration_inside_the_bounds():
    for seed in range(1000):
        rng, mass, bias, hard, gentle, limit = random_problem(seed)
        wanted = np.clip(rng.normal(scale=40.0, size=4), *hard)
        effort = feasible_effort(wanted, mass, bias, hard, gentle, limit)
        assert (np.abs(effort) <= limit * (1.0 + 1e-12)).all()
        acceleration = np.linalg.solve(mass, effort - bias)
        assert (acceleration >= np.minimum(hard[0], gentle[0]) - 1e-6).all()
        assert (acceleration <= np.maximum(hard[1], gentle[1]) + 1e-6).all()


def test_what_is_feasible_is_returned_as_it_is():
    for seed in range(200):
        rng, mass, bias, hard, gentle, limit = random_problem(seed)
        wanted = np.clip(rng.normal(size=4), *hard)
        effort = feasible_effort(wanted, mass, bias, hard, gentle, 1e9 * limit)
        assert np.array_equal(effort, mass @ wanted + bias)
        exact = feasible_effort(wanted, mass, bias, hard, gentle, np.abs(effort))
        assert np.array_equal(exact, effort), 'at the limits is inside'


def test_sliding_stops_at_the_first_limit():
    limit = np.array([1.0, 2.0])
    assert slide(np.zeros(2), np.array([2.0, 1.0]), limit).tolist() == [1.0, 0.5]
    assert slide(np.zeros(2), np.array([-4.0, 1.0]), limit).tolist() == [-1.0, 0.25]
    assert slide(np.zeros(2), np.array([0.5, -2.0]), limit).tolist() == [0.5, -2.0]
    assert slide(np.array([1.0, 0.0]), np.array([3.0, 1.0]), limit).tolist() == [1.0, 0.0]
    assert slide(np.array([0.5, 0.0]), np.array([0.5, 0.0]), limit).tolist() == [0.5, 0.0]
    assert slide(np.array([-0.75, 0.0]), np.array([-1.25, 0.0]), limit).tolist() == [-1.0, 0.0]
    assert slide(np.zeros(2), np.array([0.5, 0.0]), limit).tolist() == [0.5, 0.0]
    outside = np.array([1.5, 0.0])
    assert slide(outside, np.array([2.0, 0.0]), limit).tolist() == outside.tolist(), 'no way back'
