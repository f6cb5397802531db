"""The doctor always answers, and each failure says what to do."""

import fcntl
import subprocess
import sys
from types import SimpleNamespace

import pytest
from rl_robot_ros import doctor
from rl_robot_ros import probes

GOOD = doctor.Check('good', doctor.OK, 'fine')
MEDIOCRE = doctor.Check('mediocre', doctor.WARN, 'slow', 'be quick')
BAD = doctor.Check('bad', doctor.FAIL, 'broken', 'mend it')


def broken():
    raise OSError('out of order')


@pytest.mark.timeout(180)
def test_this_environment_is_healthy(capsys):
    pytest.importorskip('rclpy')
    checks = doctor.run_checks()
    assert [check.name for check in checks] == list(doctor.CHECKS)
    assert not [check for check in checks if check.status == doctor.FAIL]
    assert all(check.remedy for check in checks if check.status != doctor.OK)
    assert 'round trip' in {check.name: check for check in checks}['dds'].detail


def test_a_check_that_raises_is_a_failed_check(monkeypatch):
    monkeypatch.setattr(doctor, 'CHECKS', {'good': lambda: GOOD, 'worse': broken})
    good, worse = doctor.run_checks()
    assert good == GOOD
    assert (worse.name, worse.status) == ('worse', doctor.FAIL)
    assert 'out of order' in worse.detail and worse.remedy


@pytest.mark.parametrize('has_rich', [True, False])
@pytest.mark.parametrize(('checks', 'status'), [
    ((GOOD,), 0), ((GOOD, MEDIOCRE), 0), ((GOOD, MEDIOCRE, BAD), 1)])
def test_report_and_exit_status(monkeypatch, capsys, has_rich, checks, status):
    if not has_rich:
        monkeypatch.setitem(sys.modules, 'rich.console', None)
    monkeypatch.setattr(doctor, 'run_checks', lambda robot: list(checks))
    assert doctor.main() == status
    text = capsys.readouterr().out
    for check in checks:
        assert check.name in text and check.detail in text and check.remedy in text
    assert ('solve first: bad' in text) == bool(status)


def test_probe_has_a_deadline():
    with pytest.raises(probes.ProbeError, match='no answer within'):
        probes.probe('echo', 'rl_robot_doctor/test', seconds=0.02)


def test_probe_reports_last_words_of_the_child(monkeypatch):
    with pytest.raises(probes.ProbeError, match='no probe "nonsense"'):
        probes.probe('nonsense', seconds=30.0)
    silent = subprocess.Popen([sys.executable, '-c', 'import os; os.abort()'], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with pytest.raises(probes.ProbeError, match='exit status -6'):
        probes.finish(silent, 30.0)


@pytest.mark.parametrize(('name', 'status'), [
    ('rclpy', doctor.FAIL), ('torch', doctor.FAIL), ('mujoco', doctor.FAIL), ('dds', doctor.FAIL),
    ('rendering', doctor.WARN)])
def test_failed_probe_says_what_to_do(monkeypatch, name, status):
    def refuse(*_, **__):
        raise probes.ProbeError('it is gone')
    monkeypatch.setattr(doctor, 'probe', refuse)
    monkeypatch.setattr(doctor, 'start', lambda *_, **__: None)
    monkeypatch.setattr(doctor, 'finish', refuse)
    check = doctor.CHECKS[name]()
    assert (check.name, check.status) == (name, status)
    assert 'it is gone' in check.detail and check.remedy


def test_wrong_middleware_and_renderer_are_named(monkeypatch):
    def refuse(*_, **__):
        raise probes.ProbeError('it is gone')
    monkeypatch.setattr(doctor, 'probe', refuse)
    monkeypatch.setenv('RMW_IMPLEMENTATION', 'rmw_other')
    monkeypatch.setenv('MUJOCO_GL', 'other')
    assert 'unset RMW_IMPLEMENTATION' in doctor.check_rclpy().remedy
    assert 'unset MUJOCO_GL' in doctor.check_mujoco().remedy
    assert 'unset MUJOCO_GL' in doctor.check_rendering().remedy


@pytest.mark.parametrize(('release', 'status'), [
    ((3, 10), doctor.FAIL), ((3, 11), doctor.OK), ((3, 13), doctor.OK), ((3, 14), doctor.WARN)])
def test_python_release(monkeypatch, release, status):
    monkeypatch.setattr(doctor, 'sys', SimpleNamespace(version_info=release, executable='python'))
    assert doctor.check_python().status == status


@pytest.mark.parametrize(('system', 'machine', 'sourced', 'status'), [
    ('Linux', 'x86_64', [], doctor.OK), ('Linux', 'aarch64', [], doctor.FAIL),
    ('Linux', 'aarch64', ['jazzy'], doctor.OK), ('Darwin', 'arm64', [], doctor.FAIL)])
def test_platform(monkeypatch, system, machine, sourced, status):
    monkeypatch.setattr(doctor.platform, 'system', lambda: system)
    monkeypatch.setattr(doctor.platform, 'machine', lambda: machine)
    monkeypatch.setattr(doctor, '_apt_distros', lambda: sourced)
    check = doctor.check_platform()
    assert check.status == status
    assert bool(check.remedy) == (status != doctor.OK)


@pytest.mark.parametrize(('wheels', 'path', 'status'), [
    ('jazzy', '/usr/lib', doctor.OK), ('', '/opt/ros/jazzy', doctor.OK), ('', '', doctor.FAIL),
    ('jazzy', '/home/me/ws/install/a:/opt/ros/kilted', doctor.WARN)])
def test_ros_from_one_source(monkeypatch, wheels, path, status):
    for name in ('AMENT_PREFIX_PATH', 'PYTHONPATH', 'LD_LIBRARY_PATH'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('AMENT_PREFIX_PATH', path)
    monkeypatch.setattr(doctor, '_wheel_distro', lambda: wheels)
    check = doctor.check_ros()
    assert check.status == status
    assert bool(check.remedy) == (status != doctor.OK)


def test_missing_and_old_packages_are_named(monkeypatch):
    monkeypatch.setattr(doctor, '_version', {'new': '2.10.1', 'old': '2.9+cpu', 'none': ''}.get)
    assert doctor._packages('x', {'new': '2.10'}, doctor.FAIL).status == doctor.OK
    check = doctor._packages('x', {'new': '2.10', 'old': '2.10', 'none': '1.0'}, doctor.FAIL)
    assert check.status == doctor.FAIL and check.remedy
    assert check.detail == 'old 2.9+cpu (need 2.10 or newer), none is missing (need 1.0 or newer)'


def test_compiler_is_optional(monkeypatch):
    monkeypatch.setenv('CXX', 'no-such-compiler')
    check = doctor.check_compiler()
    assert check.status == doctor.WARN and 'no-such-compiler' in check.detail and check.remedy


def test_what_dead_processes_left_is_named(tmp_path):
    assert doctor.check_shared_memory(tmp_path).status == doctor.OK
    for number in range(5):
        (tmp_path / f'fastrtps_{number:016x}_el').touch()
        (tmp_path / f'fastrtps_{number:016x}').write_bytes(bytes(2 ** 20))
    check = doctor.check_shared_memory(tmp_path)
    assert check.status == doctor.WARN and 'rl_robot_ros.shared_memory' in check.remedy
    assert '5 segments and ports of dead processes take 5.2 MB' in check.detail
    assert f'fastrtps_{0:016x}, ' in check.detail and check.detail.endswith(', ...')
    with (tmp_path / f'fastrtps_{3:016x}_el').open('rb') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert '4 segments' in doctor.check_shared_memory(tmp_path).detail
    assert doctor.check_shared_memory(tmp_path / 'none').status == doctor.WARN


@pytest.mark.parametrize('name', ['shared memory', 'disk'])
def test_full_disks(monkeypatch, name):
    monkeypatch.setattr(doctor.shutil, 'disk_usage', lambda _: SimpleNamespace(free=2 ** 20))
    check = doctor.CHECKS[name]()
    assert check.status == doctor.WARN and check.remedy
