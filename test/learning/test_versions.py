"""Versions rise over crashes; pushes, by which learning counts, go on where they were."""

import numpy as np
from rl_robot_ros.learning.versions import SPAN
from rl_robot_ros.learning.versions import Versions


def test_versions_are_pushes_where_nothing_happened(tmp_path):
    versions = Versions(tmp_path / 'versions.json')
    assert [versions.issue() for _ in range(3)] == [1, 2, 3]
    assert versions.pushes_of(np.array([1.0, 3.0, 9.0])).tolist() == [1.0, 3.0, 9.0]


def test_after_a_crash_versions_jump_and_pushes_do_not(tmp_path):
    path = tmp_path / 'versions.json'
    first = Versions(path)
    for _ in range(5):
        first.issue()
    state = first.state_dict()
    first.issue()  # after the checkpoint: nobody will know
    second = Versions(path)
    second.load_state_dict(state)
    assert second.issue(again=True) == SPAN + 1 and second.pushes == 5  # the same weights
    assert second.issue() == SPAN + 2 and second.pushes == 6  # made anew from the log
    rows = np.array([4.0, 5.0, 6.0, SPAN + 1.0, SPAN + 2.0])
    assert second.pushes_of(rows).tolist() == [4.0, 5.0, 6.0, 5.0, 6.0]
    third = Versions(path)
    third.load_state_dict(second.state_dict())
    third.rise_to(9000)
    assert third.issue(again=True) == 9001 and third.pushes == 6
    assert third.pushes_of(np.array([6.0, SPAN + 2.0, 9001.0, 9003.0])).tolist() == [6, 6, 6, 8]


def test_a_disk_that_refuses_stops_nothing_and_is_told_once(tmp_path, monkeypatch, caplog):
    versions = Versions(tmp_path / 'versions.json')
    monkeypatch.setattr('rl_robot_ros.core.files.write_atomically', lambda *_: (
        _ for _ in ()).throw(PermissionError(13, 'Permission denied')))
    assert [versions.issue() for _ in range(SPAN + 5)][-1] == SPAN + 5
    assert caplog.text.count('versions cannot be reserved') == 1
    monkeypatch.undo()
    last = versions.issue()
    assert Versions(tmp_path / 'versions.json').version > last
