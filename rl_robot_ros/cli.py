"""
``rl-robot``: robots, train, play, evaluate, compare, demonstrate, record, exchange and check.

Every value of every node can be given as ``name=value``; ``rl-robot train --list`` shows them all.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import importlib
from pathlib import Path
import sys
from typing import Any

from rl_robot_ros.robot_arguments import add_doctor
from rl_robot_ros.robot_arguments import add_robot

EXAMPLES = """
examples:
  rl-robot train                                    arm7 learns to reach, about ten minutes
  rl-robot train --robot cartpole --task balance    one minute
  rl-robot train task.bonus=2 algorithm.lr_actor=1e-4 --until success=0.95
  rl-robot train --preset s1_reach                  a named set of values
  rl-robot train --resume runs/...-arm7-reach-sac   go on where a run ended
  rl-robot play runs/...-arm7-reach-sac --view      watch it
  rl-robot play runs/...-arm7-reach-sac --video reach.gif
  rl-robot evaluate runs/...-arm7-reach-sac         100 episodes, JSON report
  rl-robot evaluate runs/seed*                      of several seeds, with intervals
  rl-robot compare runs/* --plot success            learning curves, with intervals
  rl-robot demonstrate --expert arm7 --episodes 50 --output reach.safetensors
  rl-robot teleop --demonstrations mine.safetensors  move it yourself, keep what you did
  rl-robot record --output day1                     a rosbag2 file of the whole graph
  rl-robot import-bag day1 --output day1.safetensors
  rl-robot export runs/... --onnx reach.onnx        for a runtime of your own
  rl-robot import other.onnx --mapping m.yaml --output runs/other
  rl-robot robot new my_arm.urdf                    a datasheet for a robot of your own
  rl-robot robot check my_arm.yaml                  does it agree with its models?
  rl-robot certify --robot arm7 safety.model_mass_error=0.2
  rl-robot doctor                                   what is missing on this machine
"""
# Where a command is, if not in `main` of the module of its name.
ELSEWHERE = {
    'describe': ('ros2_control', 'main'),
    'evaluate': ('evaluation', 'evaluate'), 'import': ('importing', 'main'),
    'import-bag': ('import_bag', 'main'), 'play': ('commands', 'play'),
    'record': ('recording', 'record'), 'robot': ('robot_command', 'main'),
    'teleop': ('recording', 'teleop'), 'train': ('commands', 'train'),
}


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog='rl-robot', description='Reinforcement learning that runs as a ROS 2 graph.',
        epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest='command', required=True, metavar='command')
    _add_train(commands)
    play = commands.add_parser(
        'play', help='run trained weights at the pace of life',
        description='Start robot, filter and policy, without a learner.')
    play.add_argument('source', type=Path, help='run directory or policy file')
    play.add_argument('--view', action='store_true', help="show MuJoCo's viewer (needs a display)")
    play.add_argument('--video', type=Path, help='write a GIF or MP4 (headless: EGL or OSMesa)')
    play.add_argument('--seconds', type=float, default=0.0,
                      help='stop after this much simulated time; default: until Ctrl-C, or 12 s '
                           'with --video')
    _add_values(play)
    _add_evaluate(commands)
    _add_compare(commands)
    _add_demonstrate(commands)
    _add_teleop(commands)
    _add_record(commands)
    _add_import(commands)
    _add_exchange(commands)
    certificate = commands.add_parser(
        'certify', help='can the safety filter guarantee the limits of a robot?',
        description='Compute how hard every joint can always be braked against everything else, '
                    'and print the certificate.  docs/safety.md explains it.')
    _add_robot_choice(certificate)
    _add_values(certificate)
    _add_describe(commands)
    add_robot(commands)
    add_doctor(commands)
    return parser


def _add_train(commands: Any) -> None:
    train = commands.add_parser(
        'train', help='train a policy through the ROS graph',
        description='Start simulation, policy, safety filter and learner as four processes that '
                    'talk over DDS, and train. Ctrl-C at any time leaves a usable checkpoint.',
        epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    train.add_argument('--robot', help='datasheet: a name or a YAML file; default: arm7')
    train.add_argument('--task', help='task; default: reach')
    train.add_argument('--algorithm', help='algorithm; default: sac')
    train.add_argument('--preset', help='named sets of values, separated by commas')
    train.add_argument('--seed', type=int, help='seed of everything random; default: a random one')
    train.add_argument('--params-file', type=Path, help='ROS parameter file to begin with; '
                                                        'default: config/train.yaml')
    train.add_argument('--until', metavar='success=0.95',
                       help='stop at this success rate over 100 training episodes')
    train.add_argument('--minutes', type=float,
                       help='stop after this long, time before a --resume included')
    train.add_argument('--steps', type=int, help='stop after this many control periods')
    train.add_argument('--runs', type=Path, default=Path('runs'), help='where runs are kept')
    train.add_argument('--name', default='', help='name of the run directory')
    train.add_argument('--resume', type=Path, metavar='RUN', help='go on with this run')
    train.add_argument('--in-process', action='store_true',
                       help='the same robot, task, filter and rows without ROS')
    train.add_argument('--episodes', type=int, default=100,
                       help='episodes of the final evaluation, 0 for none; default: 100')
    train.add_argument('--list', action='store_true', help='show every parameter and its value')
    _add_values(train)


def _add_evaluate(commands: Any) -> None:
    evaluate = commands.add_parser(
        'evaluate', help='measure trained weights',
        description='Run episodes through the graph, without exploration, and report figures with '
                    '95 % bootstrap intervals. Several runs, seeds of one set-up, are reported '
                    'together too: each counts once, by interquartile mean.')
    evaluate.add_argument('runs', nargs='+', metavar='RUN',
                          help='run directory or policy file; after the last one any parameter '
                               'as name=value, such as task.bonus=2')
    evaluate.add_argument('--episodes', type=int, default=100, help='of each run; default: 100')
    evaluate.add_argument('--in-process', action='store_true',
                          help='the same robot, task and filter without ROS')
    evaluate.add_argument('--output', type=Path, metavar='JSON',
                          help='report, with a PNG beside it; default: evaluation.json beside the '
                               'policy, of several runs together: ./evaluation.json')
    evaluate.set_defaults(values=[])


def _add_compare(commands: Any) -> None:
    compare = commands.add_parser(
        'compare', help='draw learning curves of several runs',
        description='Runs that differ in their seed only are one line: the interquartile mean '
                    'over them, with its 95 % bootstrap interval. Set-ups are labelled by what '
                    'sets them apart.')
    compare.add_argument('runs', nargs='+', type=Path, metavar='RUN', help='run directory')
    compare.add_argument('--plot', choices=('return', 'success'), default='return',
                         help='means over 100 training episodes; default: return')
    compare.add_argument('--against', choices=('steps', 'updates', 'time'), default='steps',
                         help='steps are control periods; default: steps')
    compare.add_argument('--threshold', type=float, metavar='VALUE',
                         help='tell when what is plotted reached this; a success rate is 0 to 1')
    compare.add_argument('--output', type=Path, default=Path('comparison.png'), metavar='PNG',
                         help='default: comparison.png')


def _add_demonstrate(commands: Any) -> None:
    demonstrate = commands.add_parser(
        'demonstrate', help='make a file of demonstrations',
        description='Collect the episodes of a run in which a person made every decision, or let '
                    'a script show how to reach.  docs/demonstrations.md explains what for.')
    who = demonstrate.add_mutually_exclusive_group(required=True)
    who.add_argument('--run', type=Path, metavar='RUN', help='run directory')
    who.add_argument('--expert', metavar='ROBOT', help='datasheet of the robot that is to reach')
    demonstrate.add_argument('--episodes', type=int, default=50,
                             help='of a run at most, the newest; default: 50')
    demonstrate.add_argument('--seed', type=int, default=0, help="of the expert's targets")
    demonstrate.add_argument('--output', type=Path, required=True, metavar='FILE',
                             help='safetensors file to write')
    _add_values(demonstrate)


def _add_teleop(commands: Any) -> None:
    teleop = commands.add_parser(
        'teleop', help='move the robot yourself',
        description='Publish teleop_effort from keys or a gamepad, mark success, and keep the '
                    'rows in which you were in command.  The safety filter stands in front of the '
                    'motors.  docs/recording.md explains it.')
    teleop.add_argument('--robot', default='arm7', help='datasheet; default: arm7')
    teleop.add_argument('--joy', action='store_true',
                        help='by sensor_msgs/Joy on the topic joy, not by keys')
    teleop.add_argument('--demonstrations', type=Path, metavar='FILE',
                        help='safetensors file to write your rows to')
    teleop.add_argument('--namespace', default='', help='of the graph')
    _add_values(teleop)


def _add_record(commands: Any) -> None:
    record = commands.add_parser(
        'record', help='record the whole graph',
        description='Write every topic of every graph that is heard to a rosbag2 file (MCAP), as '
                    'it was sent, until Ctrl-C.  docs/recording.md explains it.')
    record.add_argument('--output', type=Path, metavar='FOLDER',
                        help='folder to make; default: rosbag2_<date and time>')
    record.add_argument('--topic', action='append', metavar='NAME', help='one more topic')
    _add_values(record)


def _add_import(commands: Any) -> None:
    bag = commands.add_parser(
        'import-bag', help='make demonstrations from a bag',
        description='Read rows from a rosbag2 file, or join them from joint_states and '
                    'effort_command, into a file that algorithm.demonstrations takes.  '
                    'docs/recording.md explains it.')
    bag.add_argument('bag', type=Path, metavar='BAG', help='folder or file, MCAP or SQLite')
    bag.add_argument('--output', type=Path, required=True, metavar='FILE',
                     help='safetensors file to write')
    bag.add_argument('--robot', help='datasheet of the robot in the bag')
    bag.add_argument('--task', help='what the robot does there')
    bag.add_argument('--namespace', help='of the graph, where the bag holds several')
    bag.add_argument('--join', action='store_true', help='join rows although there is experience')
    bag.add_argument('--only', choices=('person',),
                     help='leave rows out in which nobody was in command')
    bag.add_argument('--goal', metavar='NUMBERS',
                     help='the goal all the time, such as 0.4,0.1,0.5; default: as recorded')
    bag.add_argument('--evaluation', action='store_true',
                     help='joined episodes have the length of an evaluation')
    _add_values(bag)


def _add_exchange(commands: Any) -> None:
    export = commands.add_parser(
        'export', help='write trained weights as an ONNX file',
        description='The most likely action, normaliser inside, contract in the metadata; written '
                    'only if it equals our own inference on recorded observations to 1e-5. '
                    'docs/policy_contract.md says what the numbers mean.')
    export.add_argument('source', type=Path, help='run directory or policy file')
    export.add_argument('--onnx', type=Path, required=True, metavar='FILE', help='file to write')
    bring = commands.add_parser(
        'import', help='run an ONNX policy that was trained elsewhere',
        description='Make a run directory, for play and evaluate, of an ONNX file and a mapping '
                    'that says what its numbers are, joint by joint. Refused, with the reason, '
                    'where it does not fit the robot. docs/policy_contract.md walks through it.')
    bring.add_argument('model', type=Path, help='ONNX file')
    bring.add_argument('--mapping', type=Path, required=True, metavar='YAML',
                       help='what its inputs and outputs mean')
    bring.add_argument('--output', type=Path, required=True, metavar='RUN',
                       help='run directory to make')
    _add_values(bring)


def _add_describe(commands: Any) -> None:
    describe = commands.add_parser(
        'describe', help='write what ros2_control and its simulators read about a robot',
        description='Write controllers.yaml and what robot.urdf.xacro needs, from a datasheet, '
                    'and print the xacro command.  docs/gazebo.md explains it.')
    for name, default, text in (
            ('--robot', 'arm7', 'datasheet'), ('--sim', 'gz', 'gz, mujoco or real'),
            ('--plugin', '', 'hardware plugin of --sim real'),
            ('--controller-type', 'effort_controllers/JointGroupEffortController', 'class')):
        describe.add_argument(name, default=default, help=f'{text}; default: {default or "none"}')
    describe.add_argument('--output', type=Path, required=True)


def _add_robot_choice(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument('--robot', help='datasheet, such as arm7 or my_arm.yaml')
    which.add_argument('--urdf', type=Path, help='any URDF; its limits count')
    parser.add_argument('--stop-time', type=float, metavar='SECONDS',
                        help='with --urdf: how fast every joint should stop from its velocity '
                             'limit; default: 0.4')
    parser.add_argument('--gravity-compensated', action='store_true',
                        help="with --urdf: the robot's own controller compensates gravity")
    parser.add_argument('--joint-limits', type=Path, metavar='YAML',
                        help='tighter limits, in the keys of ros2_control')
    parser.add_argument('--output', type=Path, metavar='JSON', help='where to store it')


def _add_values(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('values', nargs='*', metavar='name=value',
                        help='any parameter, such as task.bonus=2')


def parse_values(words: Sequence[str]) -> dict[str, str]:
    """
    Read ``name=value`` words.

    :raises ValueError: a word without ``=``.
    """
    values = {}
    for word in words:
        name, equals, value = word.partition('=')
        if not equals or not name:
            raise ValueError(f'{word!r}: expected name=value, such as task.bonus=2')
        values[name] = value
    return values


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    parser = build_parser()
    options, rest = parser.parse_known_args(arguments)
    # argparse takes no values after an option: `play RUN --view sim.real_time_factor=0.5`.
    if any('=' not in word or word.startswith('-') for word in rest) \
            or (rest and not hasattr(options, 'values')):
        parser.error(f'unrecognized arguments: {" ".join(rest)}')
    if rest:
        options.values = [*options.values, *rest]
    try:
        # Loaded when it is used: torch and rclpy take seconds.
        module, function = ELSEWHERE.get(options.command, (options.command, 'main'))
        command = getattr(importlib.import_module(f'rl_robot_ros.{module}'), function)
        return int(command(options))
    except (ValueError, OSError) as error:
        print(f'rl-robot {options.command}: {error}', file=sys.stderr)
        return 2


if __name__ == '__main__':
    sys.exit(main())
