"""Three schedules of faults on one graph of real processes: `make chaos` plays a hundred."""

from chaos.trial import Trial
import pytest
from rl_robot_ros.shared_memory import remove_leftovers

SEEDS = (3, 5, 8)


@pytest.mark.chaos
@pytest.mark.timeout(900)
@pytest.mark.parametrize('sync', [True, False])
def test_nothing_is_lost_and_nothing_wrong_is_taken(tmp_path, sync):
    found = []
    with Trial(tmp_path, {'sync.enabled': sync, 'experience.keep_rows': 1000}) as trial:
        for seed in SEEDS:
            found.append(trial.play(seed))
            remove_leftovers()
    assert not trial.wrong
    assert not [text for result in found for text in result['violations']]
    assert all(result['stored'] > 100 for result in found)
