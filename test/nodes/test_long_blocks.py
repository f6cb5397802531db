"""A learner that works on a block for longer than `sync.timeout` is waited for."""

import pytest
from real_graph import running

pytestmark = pytest.mark.timeout(600)


def test_only_silence_ends_the_wait(tmp_path):
    parameters = {'sync.timeout': 2.0, 'sync.lag': 0, 'algorithm.utd': 60.0,
                  'algorithm.hidden': (64, 64)}
    with running(tmp_path, parameters) as graph:
        # 128 rows, then 1920 updates for each block of 32, which take several times the timeout.
        graph.until('two blocks', lambda: graph.value('learner', 'updates') >= 3840)
        assert graph.value('policy', 'weights_repeated') >= 2
        assert graph.value('policy', 'learner_timeouts') == 0
        assert graph.value('policy', 'rows') <= 128 + 3 * 32
