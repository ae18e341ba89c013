"""Server-sent events: bytes in, event data out; no socket, no clock.

Source: the WHATWG HTML standard, 9.2.6 "Interpreting an event stream". Lines end in CRLF, LF or
CR only: `str.splitlines` and `httpx.Response.iter_lines` also split at U+2028, U+0085 and others,
which may stand raw inside JSON.
"""

from __future__ import annotations

from ocx.text import loads

MAX_EVENT = 32 * 1024 * 1024
TOO_LARGE_HINT = "ask for fewer or smaller images, or for links to them"
DONE = "[DONE]"

_LONGEST_DONE = 32
_MAX_LINE = MAX_EVENT + 64  # the field's name stands before the data
_BOM = b"\xef\xbb\xbf"
_TOO_LARGE = f"of the stream exceeds {MAX_EVENT // 1024 // 1024} MiB"


class EventTooLarge(ValueError):
    """One event exceeds `MAX_EVENT`."""


class Decoder:
    """Takes a stream in pieces of any size and returns the data of each event, in order.

    Two departures from the standard, both for what servers really send: the last event counts
    without its blank line; and of adjacent lines that are each JSON (or `[DONE]`), as the
    provider's documentation prints them, each is an event, given as soon as the next one begins.
    """

    def __init__(self) -> None:
        self._rest = bytearray()  # of a line without its end
        self._after_cr = False
        self._started = False
        self._data: list[bytes] = []
        self._size = 0
        self._too_large = False

    def feed(self, piece: bytes) -> list[str]:
        """The data of every event that `piece` completes.

        Raises:
            EventTooLarge: a line or an event exceeds `MAX_EVENT`; all before it were given.
        """
        # Nearly every chunk of a real stream; half the cost of the general way.
        if (
            piece.startswith(b"data: {")
            and piece.find(b"\n") == len(piece) - 2
            and piece.endswith(b"\n")
            and b"\r" not in piece
            and not (self._data or self._rest or self._too_large)
            and len(piece) <= MAX_EVENT
        ):
            self._started, self._after_cr = True, False
            return [piece[6:-2].decode("utf-8", "replace")]
        return self._take_all(self._lines(piece), last=False)

    def end(self) -> list[str]:
        """The data of what was still unfinished.

        Raises:
            EventTooLarge: as `feed`.
        """
        lines = [self._first(bytes(self._rest))] if self._rest else []
        self._rest.clear()
        return self._take_all(lines, last=True)

    def _lines(self, piece: bytes) -> list[bytes]:
        if self._after_cr and piece:
            self._after_cr = False
            piece = piece.removeprefix(b"\n")
        if b"\r" in piece:
            self._after_cr = piece.endswith(b"\r")
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = piece.split(b"\n")
        if lines:
            lines[0] = self._first(bytes(self._rest) + lines[0])
            self._rest.clear()
        self._rest += rest
        return lines

    def _first(self, line: bytes) -> bytes:
        if self._started:
            return line
        self._started = True
        return line.removeprefix(_BOM)

    def _take_all(self, lines: list[bytes], *, last: bool) -> list[str]:
        events: list[str] = []
        try:
            if self._too_large:
                raise EventTooLarge(f"an event {_TOO_LARGE}")
            for line in lines:
                self._take(line, events)
            if last:
                self._dispatch(events)
            if len(self._rest) > _MAX_LINE:
                raise EventTooLarge(f"a line {_TOO_LARGE}")
        except EventTooLarge:
            self._too_large = True
            if not events:
                raise
        return events

    def _take(self, line: bytes, events: list[str]) -> None:
        if not line:
            self._dispatch(events)
        elif line.startswith(b"data:"):
            value = line[5:].removeprefix(b" ")
            if value.startswith(b"data:"):  # some gateways say it twice
                value = value[5:].removeprefix(b" ")
            self._add(value, events)
        elif line == b"data":
            self._add(b"", events)

    def _add(self, value: bytes, events: list[str]) -> None:
        if len(self._data) == 1 and _is_document(self._data[0]) and _is_document(value):
            self._dispatch(events)
        self._size += len(value) + len(self._data[:1])
        if self._size > MAX_EVENT:
            raise EventTooLarge(f"an event {_TOO_LARGE}")
        self._data.append(value)

    def _dispatch(self, events: list[str]) -> None:
        if self._data:
            events.append(b"\n".join(self._data).decode("utf-8", "replace"))
            self._data, self._size = [], 0


def is_done(data: str) -> bool:
    """Whether the data of an event is `[DONE]`; some servers quote it, or write it small."""
    return len(data) <= _LONGEST_DONE and data.strip().strip("\"'").strip().upper() == DONE


def _is_document(line: bytes) -> bool:
    if is_done(line.decode("utf-8", "replace")):
        return True
    try:
        loads(line)
    except ValueError:
        return False
    return True
