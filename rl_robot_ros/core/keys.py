"""Keys from the bytes that a terminal sends, in whatever pieces they come."""

from __future__ import annotations

ESCAPE = 0x1b
LONGEST = 16  # bytes of an escape sequence; whatever is longer is none that we know
NAMES = {0x04: 'end', 0x09: 'tab', 0x0a: 'enter', 0x0d: 'enter'}
SEQUENCES = {b'[A': 'up', b'OA': 'up', b'[B': 'down', b'OB': 'down'}


class KeyDecoder:
    """
    Turns bytes into keys: a printable ASCII character, or the name of another key.

    Sequences follow ECMA-48: ``ESC [``, parameters, one final byte; ``ESC O`` and one byte is what
    arrow keys send in application mode.  Keys that have no name here are left out.
    """

    def __init__(self) -> None:
        self._begun = b''  # of an escape sequence, without ESC
        self._escaped = False

    def feed(self, data: bytes) -> list[str]:
        """Return the keys that these bytes complete."""
        return [key for key in map(self._take, data) if key]

    def _take(self, byte: int) -> str:
        if byte == ESCAPE:
            self._escaped, self._begun = True, b''
            return ''
        if self._escaped:
            return self._go_on(byte)
        return NAMES.get(byte, chr(byte) if 0x20 <= byte < 0x7f else '')

    def _go_on(self, byte: int) -> str:
        """Take one byte of an escape sequence."""
        if not self._begun and byte not in b'[O':
            self._escaped = False  # the key Escape, and then another one
            return self._take(byte)
        self._begun += bytes((byte,))
        if len(self._begun) == 1 or (self._begun[:1] == b'[' and 0x20 <= byte < 0x40
                                     and len(self._begun) < LONGEST):
            return ''
        self._escaped = False
        return SEQUENCES.get(self._begun, '')
