"""A policy that stands still (SIGSTOP) keeps nobody else waiting, and gets weights afterwards."""

import signal

import pytest
from real_graph import running
from rl_robot_ros.bringup import Graph


@pytest.mark.chaos
@pytest.mark.timeout(600)
def test_a_stuck_policy_delays_nobody(tmp_path):
    parameters = {'sync.enabled': False, 'learner.push_period': 0.1, 'learner.push_timeout': 1.0}
    with running(tmp_path, parameters) as graph, \
            Graph(tmp_path / 'config.yaml', ('policy',), log=tmp_path / 'log/other',
                  namespace='other', environment=graph.graph.environment) as others:

        def acknowledged(policy):
            return graph.value('learner', f'acknowledged {policy}')

        # The other one has no robot: it holds weights and waits for states.
        graph.until('weights for both', lambda: acknowledged('/') and acknowledged('/other'))
        process = others.processes['policy'].child
        process.send_signal(signal.SIGSTOP)
        try:
            timed_out = graph.value('learner', 'pushes_timed_out')
            graph.until('a push that is not answered', lambda: graph.value(
                'learner', 'pushes_timed_out') > timed_out)
            held, first, behind = acknowledged('/other'), acknowledged('/'), []

            def on():
                behind.append(graph.value('learner', 'version') - acknowledged('/'))
                return acknowledged('/') > first + 20
            graph.until('weights for the one that moves', on)
            # A push to the stuck one is given up after ten push periods; the other never waits
            # for that.
            assert sorted(behind)[len(behind) // 2] <= 2
            assert acknowledged('/other') == held
            assert graph.value('learner', 'age_s /') < graph.value('learner', 'age_s /other')
            assert graph.value('learner', 'pushes_timed_out') > timed_out
        finally:
            process.send_signal(signal.SIGCONT)
        newest = graph.value('learner', 'version')
        graph.until('weights for the one that stood', lambda: acknowledged('/other') >= newest)
        assert graph.value('learner', 'pushes_refused') == 0
        assert process.poll() is None
