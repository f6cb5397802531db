"""What a policy promises: the one line that a learner and its policies compare."""

from __future__ import annotations

from dataclasses import dataclass

from rl_robot_ros.core.row_trace import COLUMN
from rl_robot_ros.core.spec import Term


@dataclass(frozen=True)
class PolicyContract:
    """
    What must be equal on both sides for weights and rows to mean the same thing.

    A learner states it as one line, :attr:`schema`; a policy that starts without weights adopts
    network, extra columns and effort set from the first line that fits its joints and observation.

    :param network: `kind input-hidden-...-output activation`, see `core.network`.
    :param joints: actuated joint names, in action order.
    :param observation: observation terms in order.
    :param extra: extra row columns the algorithm asks for, see `core.transition`.
    :param efforts: for discrete actions the effort set, shape (choices, n_actuated), normalised.
    """

    network: str
    joints: tuple[str, ...]
    observation: tuple[Term, ...]
    extra: tuple[Term, ...] = ()
    efforts: tuple[tuple[float, ...], ...] = ()

    @property
    def observation_size(self) -> int:
        """Length of the observation vector."""
        return sum(term.size for term in self.observation)

    @property
    def action_size(self) -> int:
        """Numbers in one action: 1 for an index into an effort set, else one per motor."""
        return 1 if self.efforts else len(self.joints)

    @property
    def schema(self) -> str:
        """One line that two sides compare letter by letter."""
        parts = [f'v1 {self.network}', 'joints ' + ','.join(self.joints),
                 'obs ' + _words(self.observation)]
        if self.extra:
            parts.append('extra ' + _words(self.extra))
        if self.efforts:
            parts.append('efforts ' + ' '.join(','.join(repr(float(v)) for v in row)
                                               for row in self.efforts))
        return ' | '.join(parts)

    @classmethod
    def parse(cls, schema: str) -> PolicyContract:
        """
        Rebuild a contract from its line (units are not part of it).

        :raises ValueError: it is no such line.
        """
        if len(schema) > 100_000 or not schema.startswith('v1 '):
            raise ValueError(f'not a v1 policy schema: {schema[:200]!r}')
        network, *rest = schema[3:].split(' | ')
        parts = dict(part.partition(' ')[::2] for part in rest)
        try:
            efforts = tuple(tuple(float(v) for v in row.split(','))
                            for row in parts.get('efforts', '').split())
            contract = cls(network, tuple(parts['joints'].split(',')), _terms(parts['obs']),
                           _terms(parts.get('extra', '')), efforts)
        except (KeyError, ValueError):
            raise ValueError(f'not a v1 policy schema: {schema[:200]!r}') from None
        if contract.schema != schema:
            raise ValueError(f'policy schema is not in canonical form: {schema[:200]!r}')
        return contract

    def misfit(self, joints: tuple[str, ...], observation: tuple[Term, ...],
               trace: int = 0) -> str:
        """
        Say how this contract differs from a robot's joints and a task's observation.

        :param trace: numbers in a trace of this robot's rows, see `core.row_trace`.
        """
        if self.joints != joints:
            return f'joints: have {",".join(joints)}, got {",".join(self.joints)[:500]}'
        if _words(self.observation) != _words(observation):
            return f'obs: have {_words(observation)}, got {_words(self.observation)[:500]}'
        fillable = {'log_prob', COLUMN, *['effort'] * bool(self.efforts)}
        unknown = [term.name for term in self.extra if term.name not in fillable]
        if unknown:
            return f'extra: a policy cannot fill {unknown}, it can fill {sorted(fillable)}'
        if any(term.name == COLUMN and term.size != trace for term in self.extra):
            return f'extra: the column {COLUMN} needs {trace} numbers for this robot'
        if any(len(row) != len(joints) for row in self.efforts):
            return f'efforts: every one needs {len(joints)} values'
        if not all(-1.0 <= value <= 1.0 for row in self.efforts for value in row):
            return 'efforts: normalised ones lie in [-1, 1]'
        if self.efforts and ('effort', len(joints)) not in [term[:2] for term in self.extra]:
            return f'extra: discrete actions need the column effort:{len(joints)}'
        return ''


def _words(terms: tuple[Term, ...]) -> str:
    return ' '.join(f'{term.name}:{term.size}' for term in terms)


def _terms(words: str) -> tuple[Term, ...]:
    pairs = (word.split(':') for word in words.split())
    return tuple(Term(name, int(size)) for name, size in pairs)
