"""Phases of the safety filter: who may move the robot, and what it takes to come back."""

from __future__ import annotations

import enum
import math


class Phase(enum.Enum):
    """What the filter is doing."""

    UNCONFIGURED = 'unconfigured'  # no valid joint state yet
    IDLE = 'idle'  # holds, waits for a request
    ACTIVE = 'active'  # passes requests through the limits
    BRAKING = 'braking'  # lost its request, stops
    HOLD = 'hold'  # lost its request, stands
    FAULT = 'fault'  # latched: something is wrong; stops and stands
    STOP = 'stop'  # latched: somebody said stop; stops and stands


STANDS_NOT = 'there are requests, but the robot has not stood still for long enough'
STOPPING = frozenset({Phase.BRAKING, Phase.HOLD, Phase.FAULT, Phase.STOP})


class StateMachine:
    r"""
    Phases and the transitions between them.

    ::

        UNCONFIGURED --valid state--> IDLE --stood still, request--> ACTIVE
        ACTIVE --no request--> BRAKING --standstill--> HOLD
        any --fault--> FAULT        any --stop--> STOP
        BRAKING, HOLD, FAULT, STOP --reset, and nothing is wrong any more--> IDLE

    A stop outranks a fault.  Releasing a stop restarts nothing: that takes a reset, and a reset
    takes over nothing: that takes a fresh request.
    """

    def __init__(self, start_hold: float, fade_in: float, period: float,
                 resume_after_loss: bool = False) -> None:
        self._start_periods = _periods(start_hold, period)
        self._fade_periods = _periods(fade_in, period)
        self._resume_after_loss = resume_after_loss
        self._configured = False
        self._still = 0
        self._faded = 0
        self.stop_asserted = False
        self.phase = Phase.UNCONFIGURED
        self.reason = 'waits for a joint state'

    @property
    def stopping(self) -> bool:
        """Whether the filter brakes or stands because something happened."""
        return self.phase in STOPPING

    @property
    def latched(self) -> bool:
        """Whether only a reset leads out of this phase."""
        return self.phase in STOPPING and not (
            self._resume_after_loss and self.phase in (Phase.BRAKING, Phase.HOLD))

    @property
    def blend(self) -> float:
        """How much of the request is let through, 0 to 1."""
        if self._faded >= self._fade_periods:
            return 1.0
        return self._faded / self._fade_periods

    def configured(self) -> bool:
        """Note that there is a valid joint state; returns whether that is news."""
        news = not self._configured
        self._configured = True
        if self.phase is Phase.UNCONFIGURED:
            self._idle()
        return news

    def stood_still(self, still: bool, periods: int) -> None:
        """Count how long the robot has stood still."""
        self._still = self._still + periods if still else 0

    def request(self) -> bool:
        """Answer a valid request: may it move the robot?  Takes over where it may."""
        if self.phase is Phase.IDLE and self._still >= self._start_periods:
            self._activate()
        elif self.phase is Phase.IDLE:
            self.reason = STANDS_NOT
        elif self.phase is Phase.HOLD and self._resume_after_loss:
            self._activate()
        return self.phase is Phase.ACTIVE

    def tick(self, periods: int) -> None:
        """Let the fade-in go on."""
        self._faded = min(self._faded + periods, self._fade_periods)

    def lose_request(self, reason: str) -> bool:
        """Brake because there is nothing to follow; returns whether that is news."""
        if self.phase is not Phase.ACTIVE:
            return False
        self.phase = Phase.BRAKING
        self.reason = reason
        return True

    def arrived(self) -> None:
        """Note that braking is over."""
        if self.phase is Phase.BRAKING:
            self.phase = Phase.HOLD

    def fault(self, reason: str) -> bool:
        """Latch a fault; returns whether that is news."""
        if self.phase in (Phase.FAULT, Phase.STOP, Phase.UNCONFIGURED):
            return False
        self.phase = Phase.FAULT
        self.reason = reason
        return True

    def stop(self, reason: str) -> None:
        """Stop now and stay stopped, in any phase."""
        self.stop_asserted = True
        self.phase = Phase.STOP
        self.reason = reason

    def take_over(self, old: StateMachine) -> None:
        """Go on in the phase of another machine; a fade-in goes on at the same blend."""
        self.phase, self.reason = old.phase, old.reason
        self.stop_asserted = old.stop_asserted
        self._configured, self._still = old._configured, old._still
        self._faded = math.floor(old.blend * self._fade_periods)

    def release(self) -> None:
        """Take the stop back; the robot stays stopped until a reset."""
        self.stop_asserted = False

    def reset(self, cause: str = '') -> tuple[bool, str]:
        """
        Leave a stopped phase.

        :param cause: what is still wrong, empty where nothing is.
        :returns: whether it worked, and what to tell people.
        """
        if self.stop_asserted:
            return False, f'stop is still asserted: {self.reason}'
        if self.phase not in STOPPING:
            return True, f'nothing to reset, the filter is {self.phase.value}'
        if cause:
            return False, f'{self.reason}; still wrong: {cause}'
        was = self.reason
        self._idle()
        return True, f'reset from: {was}'

    def _idle(self) -> None:
        self.phase = Phase.IDLE if self._configured else Phase.UNCONFIGURED
        self.reason = 'waits for a request' if self._configured else 'waits for a joint state'
        self._still = 0
        self._faded = 0

    def _activate(self) -> None:
        self.phase = Phase.ACTIVE
        self.reason = ''
        self._faded = 0


def _periods(seconds: float, period: float) -> int:
    """Round a time up to control periods, but not for a rounding error."""
    return math.ceil(seconds / period - 1e-9)
