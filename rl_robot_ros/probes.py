"""
What `doctor` runs in child processes: anything that may hang, crash or load a big library.

``python -m rl_robot_ros.probes <name> [argument]`` prints one JSON object on its last line;
:func:`probe` starts that and reads it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
import subprocess
import sys
import time
from typing import Any

PING_ROUNDS = 50
DISCOVERY_SECONDS = 12.0
ROUND_SECONDS = 1.0
STOP = 'stop'


class ProbeError(Exception):
    """A child process failed; the text says how."""


def probe(name: str, *arguments: str, seconds: float, env: dict[str, str] | None = None) -> Any:
    """
    Run one probe in a child process and return what it printed.

    :param name: which: `rclpy` runs :func:`probe_rclpy`, and so on.
    :param seconds: deadline [s]; the child is killed after it.
    :param env: environment variables to add to this process's own.
    :raises ProbeError: with the child's last words.
    """
    return finish(start(name, *arguments, env=env), seconds)


def start(name: str, *arguments: str, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
    """Start a probe that :func:`finish` waits for."""
    path = [str(Path(__file__).parents[1]), os.environ.get('PYTHONPATH', '')]
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join(filter(None, path)), **(env or {})}
    return subprocess.Popen(
        [sys.executable, '-m', 'rl_robot_ros.probes', name, *arguments], env=environment,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(child: subprocess.Popen[str], seconds: float) -> Any:
    """Wait for a probe at most `seconds` [s] and return what it printed."""
    try:
        output, errors = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate(timeout=5.0)
        raise ProbeError(f'no answer within {seconds:g} s') from None
    if child.returncode != 0:
        last = errors.strip().splitlines()[-1:] or [f'exit status {child.returncode}']
        raise ProbeError(last[0])
    return json.loads(output.strip().splitlines()[-1])


def probe_rclpy() -> dict[str, Any]:
    """Import rclpy, load the middleware, and look for the fast executor."""
    import rclpy
    from rclpy.utilities import get_rmw_implementation_identifier
    try:
        from rclpy.experimental import EventsExecutor
    except ImportError:
        EventsExecutor = None  # noqa: N806
    return {'file': rclpy.__file__, 'rmw': get_rmw_implementation_identifier(),
            'events': EventsExecutor is not None}


def probe_ping(topic: str) -> dict[str, Any]:
    """Send strings to the other process and wait for each to come back; times in ms."""
    with _Peer('ping', f'{topic}/there', f'{topic}/back') as peer:
        start = time.monotonic()
        _round(peer, 'hello', DISCOVERY_SECONDS)
        discovery = time.monotonic() - start
        times = []
        for number in range(PING_ROUNDS):
            begin = time.perf_counter()
            _round(peer, str(number), ROUND_SECONDS)
            times.append(1e3 * (time.perf_counter() - begin))
        peer.send(STOP)
        peer.spin(0.2)
    return {'discovery': discovery, 'median': sorted(times)[len(times) // 2], 'worst': max(times)}


def probe_echo(topic: str) -> dict[str, Any]:
    """Send every string back until told to stop, or until the other side must have given up."""
    count = 0
    deadline = time.monotonic() + DISCOVERY_SECONDS + PING_ROUNDS * ROUND_SECONDS
    with _Peer('echo', f'{topic}/back', f'{topic}/there') as peer:
        while time.monotonic() < deadline:
            peer.spin(0.1)
            while peer.received:
                text = peer.received.pop(0)
                if text == STOP:
                    return {'count': count}
                peer.send(text)
                count += 1
    return {'count': count}


def probe_torch() -> dict[str, Any]:
    """Import torch and multiply two matrices."""
    import torch
    if (torch.ones(8, 8) @ torch.ones(8, 8))[0, 0] != 8.0:
        raise ArithmeticError('torch multiplies matrices wrongly')
    return {'version': torch.__version__, 'threads': torch.get_num_threads(),
            'cuda': torch.cuda.is_available()}


def probe_mujoco() -> dict[str, Any]:
    """Import MuJoCo and take one step."""
    import mujoco
    model = mujoco.MjModel.from_xml_string('<mujoco/>')
    mujoco.mj_step(model, mujoco.MjData(model))
    return {'version': mujoco.__version__}


def probe_render() -> dict[str, Any]:
    """Render a sphere with the back end that MUJOCO_GL names; `lit` tells whether it is seen."""
    import mujoco
    model = mujoco.MjModel.from_xml_string(
        '<mujoco><worldbody><light pos="0 0 3"/><geom size="0.5"/></worldbody></mujoco>')
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    with mujoco.Renderer(model, 32, 32) as renderer:
        renderer.update_scene(data)
        image = renderer.render()
    return {'gl': os.environ.get('MUJOCO_GL', ''), 'lit': bool(image.max() > image.min())}


def _round(peer: _Peer, text: str, seconds: float) -> None:
    """Send `text` until it comes back; resent at 10 Hz, as discovery drops the first ones."""
    deadline = time.monotonic() + seconds
    resend = 0.0
    while text not in peer.received:
        now = time.monotonic()
        if now > deadline:
            raise TimeoutError(f'no answer to "{text}" within {seconds:g} s')
        if now >= resend:
            peer.send(text)
            resend = now + 0.1
        peer.spin(0.05)
    peer.received.clear()


class _Peer:
    """One node with a publisher and a subscription; every wait has a deadline."""

    def __init__(self, name: str, publish: str, subscribe: str) -> None:
        import rclpy
        from rclpy.executors import SingleThreadedExecutor
        from std_msgs.msg import String
        self.received: list[str] = []
        self._message = String
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        self._node = rclpy.create_node(
            f'rl_robot_doctor_{name}', context=self._context, use_global_arguments=False,
            enable_rosout=False, start_parameter_services=False)
        self._publisher = self._node.create_publisher(String, publish, 10)
        self._node.create_subscription(
            String, subscribe, lambda message: self.received.append(message.data), 10)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)

    def __enter__(self) -> _Peer:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave DDS properly: what is killed instead leaves files in /dev/shm."""
        self._executor.shutdown(timeout_sec=1.0)
        self._node.destroy_node()
        self._context.try_shutdown()

    def send(self, text: str) -> None:
        """Publish one string."""
        self._publisher.publish(self._message(data=text))

    def spin(self, seconds: float) -> None:
        """Handle what has come, waiting at most `seconds` [s] for it."""
        self._executor.spin_once(timeout_sec=seconds)


def main(arguments: list[str] | None = None) -> int:
    """Run the probe that the first argument names and print what it found."""
    name, *rest = sys.argv[1:] if arguments is None else arguments
    function = globals().get(f'probe_{name}')
    if function is None:
        print(f'no probe "{name}"', file=sys.stderr)
        return 2
    print(json.dumps(function(*rest)))
    return 0


if __name__ == '__main__':
    sys.exit(main())
