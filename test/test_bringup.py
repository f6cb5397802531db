"""The supervisor, with small programs in the place of nodes."""

import os
from pathlib import Path
import signal
import socket
import sys
import time

import pytest
from rl_robot_ros import bringup
from rl_robot_ros.bringup import Graph
from rl_robot_ros.bringup import graph_environment
from rl_robot_ros.bringup import graph_nodes
from rl_robot_ros.bringup import node_command

FOREVER = 'import time\nwhile True: time.sleep(0.05)'
STUBBORN = 'import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n' + FOREVER


@pytest.fixture
def graph(tmp_path):
    """Make a graph of one program, which tests put in."""
    told = []
    graph = Graph(tmp_path / 'none.yaml', ('policy',), log=tmp_path / 'log', tell=told.append)
    graph.told = told
    yield graph
    graph.stop(0.2)


def begin(graph, program):
    graph.processes['policy'].command = [sys.executable, '-c', program]
    return graph.__enter__()


def wait(condition):
    end = time.monotonic() + 30.0
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_environment_keeps_to_this_machine():
    environment = graph_environment({})
    assert environment['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'LOCALHOST'
    assert 1 <= int(environment['ROS_DOMAIN_ID']) <= 100
    assert graph_environment({'ROS_DOMAIN_ID': '7'})['ROS_DOMAIN_ID'] == '7'


def test_no_two_graphs_share_a_domain(tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(('', 7400 + 250 * 99 + 12))
        assert 99 not in bringup.free_domains()
    everybody = tmp_path / 'udp'
    everybody.write_text('\n'.join(['head', *(
        f' 1: 00000000:{7410 + 250 * domain:04X} 0:0' for domain in range(1, 101))]))
    assert bringup.free_domains([everybody]) == list(range(1, 101)), 'better one than none'
    assert bringup.free_domains([tmp_path / 'missing']) == list(range(1, 101))


def test_a_watched_graph_has_no_shared_memory_and_stays_on_this_machine():
    inside = bringup.without_shared_memory(graph_environment({}))
    assert inside['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'SYSTEM_DEFAULT'
    assert inside['FASTDDS_BUILTIN_TRANSPORTS'] == 'UDPv4'
    for name in bringup.PROFILES:
        text = Path(inside[name]).read_text()
        assert '<address>127.0.0.1</address>' in text and 'SHM' not in text
    own = {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'SUBNET', 'FASTDDS_BUILTIN_TRANSPORTS': 'DEFAULT'}
    assert bringup.without_shared_memory(own) == own
    own = {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST', bringup.PROFILES[0]: 'mine.xml'}
    assert bringup.without_shared_memory(own).items() > own.items()


def test_command_is_the_same_executable_as_in_launch_files():
    command = node_command('learner', Path('a.yaml'), '/arm1')
    assert command[1:3] == ['-m', 'rl_robot_ros.nodes.learner']
    assert command[-2:] == ['-r', '__ns:=/arm1']


def test_a_watchdog_is_there_where_something_is_timed():
    assert graph_nodes('paced', learner=True) == bringup.NODES
    assert set(bringup.NODES) - set(graph_nodes('lockstep', learner=True)) == {'safety_watchdog'}
    assert set(bringup.NODES) - set(graph_nodes('paced', learner=False)) == {'learner'}


def test_whoever_stops_the_robot_ends_after_what_moves_it(tmp_path):
    order = tmp_path / 'order'
    program = ('import signal, sys, time\n'
               'def end(*_): open({0!r}, "a").write({1!r} + "\\n"); sys.exit(0)\n'
               'signal.signal(signal.SIGINT, end)\nopen({2!r}, "w")\n' + FOREVER)
    graph = Graph(tmp_path / 'none.yaml', bringup.NODES, log=tmp_path / 'log')
    for name, process in graph.processes.items():
        process.command = [sys.executable, '-c',
                           program.format(str(order), name, str(tmp_path / name))]
    with graph:
        wait(lambda: all((tmp_path / name).exists() for name in bringup.NODES))
    assert order.read_text().split() == ['learner', 'policy', 'safety_filter', 'safety_watchdog',
                                         'mujoco_sim']


def test_a_killed_node_is_started_again(graph):
    begin(graph, FOREVER)
    first = graph.processes['policy'].child
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert graph.poll() == {}
    assert graph.processes['policy'].child.pid != first.pid
    assert 'SIGKILL' in graph.told[0]


def test_somebody_releases_what_a_killed_node_left_half_made(graph):
    begin(graph, FOREVER)
    attendant = graph._attendant
    command = Path(f'/proc/{attendant.pid}/cmdline').read_bytes().split(b'\0')
    assert b'rl_robot_ros.shared_memory' in command and b'--watch' in command
    graph.stop(0.2)
    assert attendant.poll() is not None


def test_a_node_that_is_done_or_misconfigured_is_not(graph):
    for status in (0, 2):
        begin(graph, f'raise SystemExit({status})')
        graph.processes['policy'].child.wait()
        assert graph.poll() == {'policy': status}


def test_a_node_that_dies_too_often_ends_the_graph(graph):
    begin(graph, 'print("why"); raise SystemExit(3)')
    ended = {}
    for _ in range(bringup.RESTARTS + 1):
        graph.processes['policy'].child.wait()
        ended = graph.poll()
    assert ended == {'policy': 3}
    assert len(graph.told) == bringup.RESTARTS
    assert 'why' in graph.output('policy')


def test_stop_ends_everything_also_the_stubborn(graph):
    begin(graph, STUBBORN)
    child = graph.processes['policy'].child
    time.sleep(0.5)
    graph.stop(0.5)
    assert child.poll() == -signal.SIGKILL
    assert 'killing it' in graph.told[-1]


def test_children_do_not_outlive_their_supervisor(tmp_path):
    script = f"""
import sys, time
from pathlib import Path
from rl_robot_ros.bringup import Graph
graph = Graph(Path('none.yaml'), ('policy',))
graph.processes['policy'].command = [sys.executable, '-c', {FOREVER!r}]
graph.__enter__()
print(graph.processes['policy'].child.pid, flush=True)
time.sleep(60)
"""
    import subprocess
    supervisor = subprocess.Popen([sys.executable, '-c', script], stdout=subprocess.PIPE,
                                  text=True, cwd=Path(__file__).parents[1])
    pid = int(supervisor.stdout.readline())
    supervisor.kill()
    supervisor.wait()
    supervisor.stdout.close()

    def gone():
        try:
            return Path(f'/proc/{pid}/stat').read_text().split(')')[1].split()[0] == 'Z'
        except FileNotFoundError:
            return True
    wait(gone)
