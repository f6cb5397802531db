"""
Our datasheets against models that others wrote of these arms and of their sisters.

robosuite (MIT) is a wheel of 157 MB with the MJCFs of many arms, of which nothing is copied here:
``pip install --no-deps robosuite==1.5.2``.  It is never imported, only its files are read.
"""

from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path
import re

import pytest
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.robots.checking import check_robot
from rl_robot_ros.robots.datasheet import load_datasheet
from rl_robot_ros.robots.mjcf import joints_in
from rl_robot_ros.robots.new_datasheet import new_datasheet

FOUND = find_spec('robosuite')
pytestmark = pytest.mark.skipif(FOUND is None, reason='no models of other makers here: '
                                'pip install --no-deps robosuite==1.5.2')
SIZE = {'mass', 'centre', 'inertia'}


def model(name):
    folder = Path(FOUND.submodule_search_locations[0])
    return folder / 'models' / 'assets' / 'robots' / name / 'robot.xml'


def differences(mine, its, folder, old='', new=''):
    """Return the numbers of the joints that differ, by what differs; joints are renamed first."""
    path = folder / f'{its}.xml'
    path.write_text(model(its).read_text().replace(f'"{old}', f'"{new}') if old
                    else model(its).read_text())
    robot = resolve('robot', mine)
    found = defaultdict(set)
    for text in check_robot(robot, (path,)).differences:
        joint, what = re.match(r'(?:joint )?(\S+):(?: (\w+))?', text).groups()
        if joint in robot.joint_names:
            found[what].add(1 + robot.joint_names.index(joint))
        else:
            assert joint == 'tip_link', text
    return dict(found)


def test_ur5e_moves_the_same_and_weighs_otherwise(tmp_path):
    # Its masses are those of the older UR5; the maker's table of the UR5e is in our URDF.
    every = set(range(1, 7))
    assert differences('ur5e', 'ur5e', tmp_path) == {
        'mass': every, 'centre': every, 'inertia': {4}}


def test_fr3_has_the_joints_of_a_panda_and_other_limits(tmp_path):
    every = set(range(1, 8))
    assert differences('fr3', 'panda', tmp_path, 'joint', 'fr3_joint') == {
        'lower': every, 'upper': every, 'effort': {1, 2, 3, 4, 5}, **dict.fromkeys(SIZE, every)}


def test_iiwa14_is_a_longer_and_stronger_iiwa7(tmp_path):
    every = set(range(1, 8))
    assert differences('iiwa14', 'iiwa', tmp_path, 'joint_', 'lbr_A') == {
        'effort': {1, 2, 3, 4}, 'place': {2, 4, 6}, **dict.fromkeys(SIZE, every)}


@pytest.mark.parametrize('name', ['panda', 'ur5e', 'iiwa', 'xarm7', 'kinova3', 'jaco', 'sawyer'])
def test_a_datasheet_that_we_begin_for_it_fits_it(name, tmp_path):
    path = tmp_path / f'{name}.xml'
    path.write_text(model(name).read_text())
    given = {'gravity_compensated': 'true', 'joints.velocity': '2'}
    (tmp_path / f'{name}.yaml').write_text(new_datasheet(path, given))
    robot = load_datasheet(tmp_path / f'{name}.yaml')
    assert set(robot.joint_names) == set(joints_in(path))
    assert check_robot(robot).differences == ()
