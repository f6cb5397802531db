"""Layouts for RViz and Foxglove show what there is: topics, message fields, values by name."""

import json
from pathlib import Path
import re

from diagnostic_msgs.msg import DiagnosticStatus
from rl_robot_ros.nodes.graph_topics import belongs
from rl_robot_ros.nodes.graph_topics import COMMON
from rl_robot_ros.nodes.graph_topics import TOPICS
from sensor_msgs.msg import JointState
import yaml

ROOT = Path(__file__).parents[1]
FOXGLOVE = json.loads((ROOT / 'config/foxglove_layout.json').read_text())
RVIZ = yaml.safe_load((ROOT / 'config/rl_robot.rviz').read_text())
SHOWN = {'robot_description', 'policy/active_goal', 'safety_filter/intervention'}
FIELDS = {'effort_command': JointState, 'safety_filter/intervention': JointState,
          'safety_filter/state': DiagnosticStatus}


def values(tree, *keys):
    """List all strings below one of these keys, however deep."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            if key in keys and isinstance(value, str):
                yield value
            yield from values(value, *keys)
    elif isinstance(tree, list):
        for item in tree:
            yield from values(item, *keys)


def test_the_contract_is_the_one_of_architecture_md():
    table = set(re.findall(r'`([a-z_/]+)`', (ROOT / 'ARCHITECTURE.md').read_text()))
    for topic in SHOWN | set(FIELDS) | set(COMMON) | {'joint_states'}:
        assert topic in table and (topic in TOPICS or topic in COMMON)


def test_rviz_shows_topics_of_the_graph_in_any_namespace():
    displays = RVIZ['Visualization Manager']['Displays']
    topics = {display['Name']: next(iter(values(display, 'Value')), '') for display in displays}
    assert {topics[name] for name in ('Robot', 'Goal', 'Interventions')} == SHOWN
    assert topics['Effort'] == 'joint_states'
    for name, topic in topics.items():
        assert name == 'Floor' or topic in TOPICS, 'relative, so that a namespace moves it'
    # What is latched is heard by those who come late; joint states are asked for as they are sent.
    for name, key in (('Robot', 'Description Topic'), ('Goal', 'Topic')):
        display = next(item for item in displays if item['Name'] == name)
        assert display[key]['Durability Policy'] == 'Transient Local'
    assert RVIZ['Visualization Manager']['Global Options']['Fixed Frame'] == 'base_link'


def test_foxglove_shows_topics_of_the_graph():
    panels = FOXGLOVE['configById']
    paths = [*values(panels, 'value', 'topicPath', 'topic', 'topicToRender'),
             *panels['3D!arm']['topics']]
    seen = set()
    for path in paths:
        topic, _, rest = path.partition('.')
        assert belongs(topic), path
        seen.add(topic.removeprefix('/'))
        if rest:
            field = re.fullmatch(r'(\w+)\[\d\]', rest).group(1)
            assert field in FIELDS[topic[1:]].get_fields_and_field_types(), path
    assert SHOWN | {'effort_command', 'diagnostics', 'safety_filter/state'} == seen


def test_foxglove_shows_the_age_of_the_weights():
    panel = FOXGLOVE['configById']['DiagnosticStatusPanel!policy']
    assert (panel['selectedHardwareId'], panel['selectedName']) == ('policy', '/policy')
    assert "'weights_age_s'" in (ROOT / 'rl_robot_ros/nodes/policy.py').read_text()


def test_every_panel_has_its_place():
    places = []

    def visit(node):
        if isinstance(node, str):
            places.append(node)
        else:
            assert node['direction'] in ('row', 'column')
            visit(node['first'])
            visit(node['second'])

    visit(FOXGLOVE['layout'])
    assert sorted(places) == sorted(FOXGLOVE['configById'])
