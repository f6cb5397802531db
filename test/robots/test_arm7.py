"""The links of arm7 are solid capsules: their inertia is checked against a closed form."""

import math
from xml.etree import ElementTree

import mujoco
import numpy as np
import pytest
from rl_robot_ros.robots.arm7 import ROBOT
from rl_robot_ros.robots.model import build_spec
from rl_robot_ros.robots.urdf import urdf_path

ROOT = ElementTree.parse(urdf_path(ROBOT)).getroot()
LINKS = {link.get('name'): link for link in ROOT.findall('link')
         if link.find('inertial') is not None}


def capsule_inertia(mass, radius, length):
    """
    Return (across, along) the axis of a solid capsule of uniform density.

    :param length: from tip to tip.
    """
    straight = length - 2.0 * radius
    cylinder = math.pi * radius**2 * straight
    ball = 4.0 / 3.0 * math.pi * radius**3
    m_cylinder = mass * cylinder / (cylinder + ball)
    m_ball = mass * ball / (cylinder + ball)
    along = m_cylinder * radius**2 / 2.0 + m_ball * 2.0 / 5.0 * radius**2
    # The half balls: about their own centre of mass, moved by Steiner's theorem.
    centre = 3.0 / 8.0 * radius
    half = (2.0 / 5.0 * radius**2 - centre**2) + (straight / 2.0 + centre) ** 2
    across = m_cylinder * (straight**2 / 12.0 + radius**2 / 4.0) + m_ball * half
    return across, along


def test_the_closed_form_is_the_integral():
    radius, length = 0.06, 0.25
    z = np.linspace(-length / 2.0, length / 2.0, 20_001)
    beyond = np.maximum(np.abs(z) - (length / 2.0 - radius), 0.0)
    square = np.maximum(radius**2 - beyond**2, 0.0)  # of the radius of the disc at z
    mass = square.sum()
    along = (square**2 / 2.0).sum() / mass
    across = (square * (square / 4.0 + z**2)).sum() / mass
    assert capsule_inertia(1.0, radius, length) == pytest.approx((across, along), rel=1e-6)


@pytest.mark.parametrize('name', LINKS)
def test_inertia_is_that_of_the_capsule(name):
    link = LINKS[name]
    inertial, cylinder = link.find('inertial'), link.find('collision/geometry/cylinder')
    mass = float(inertial.find('mass').get('value'))
    inertia = {key: float(value) for key, value in inertial.find('inertia').attrib.items()}
    across, along = capsule_inertia(mass, float(cylinder.get('radius')),
                                    float(cylinder.get('length')))
    assert inertia == pytest.approx({'ixx': across, 'iyy': across, 'izz': along, 'ixy': 0.0,
                                     'ixz': 0.0, 'iyz': 0.0}, rel=1e-5)
    # Mass, collision and picture lie in the same place.
    places = [link.find(part).find('origin').attrib
              for part in ('inertial', 'collision', 'visual')]
    assert places[0] == places[1] == places[2]
    assert cylinder.attrib == link.find('visual/geometry/cylinder').attrib


def test_moving_mass_is_that_of_the_comment():
    masses = {name: float(link.find('inertial/mass').get('value')) for name, link in LINKS.items()}
    assert sum(masses.values()) - masses['link0'] == pytest.approx(17.9)


def test_the_model_collides_with_the_same_capsules():
    model = build_spec(ROBOT).compile()
    capsules = {}
    for i in range(model.ngeom):
        assert model.geom_type[i] == mujoco.mjtGeom.mjGEOM_CAPSULE
        radius, half, _ = model.geom_size[i]
        capsules[model.body(model.geom_bodyid[i]).name] = (radius, 2.0 * (half + radius))
    assert capsules == {
        name: pytest.approx([float(link.find('collision/geometry/cylinder').get(key))
                             for key in ('radius', 'length')]) for name, link in LINKS.items()}


def test_principal_inertia_in_the_model():
    model = build_spec(ROBOT).compile()
    for name, link in LINKS.items():
        cylinder = link.find('collision/geometry/cylinder')
        body = model.body(name)
        across, along = capsule_inertia(body.mass[0], float(cylinder.get('radius')),
                                        float(cylinder.get('length')))
        assert sorted(body.inertia) == pytest.approx(sorted((across, across, along)), rel=1e-4)


def test_no_meshes():
    assert ROOT.findall('.//mesh') == []
