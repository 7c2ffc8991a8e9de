"""What one test works with: its scripts, the answers it gives them, and the messages that it has run.

The services of `lua_filters/runtime/testing.lua`: plain values in and out, refusals as None and words.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from capture.draft import TAG
from capture.errors import PcapError, ScriptError
from capture.hep.packet import Packet
from capture.pcap.packets import read_packets
from capture.scripts.along import to_lua
from capture.scripts.folder import SUFFIX, TEST_SUFFIX
from capture.scripts.lua import Service, Value
from capture.settings import SipSettings
from rhapsode.errors import RhapsodeError
from rhapsode.filters.answers import Answers
from rhapsode.filters.changes import FIELDS, INTERNAL_NAMES
from rhapsode.filters.difference import differing_lines
from rhapsode.filters.given import LATEST_S, GivenPacket, given_field, transport_name
from rhapsode.filters.trial import Trial, Tried

Refusal = tuple[None, bytes]

START_S = 1_767_225_600.0
"""What time it is until a test says otherwise: 2026-01-01, 00:00 UTC."""


class Bench:
    """Of one test."""

    def __init__(self, test_file: Path) -> None:
        self.declared: list[tuple[str, int]] = []
        """Name and line of each test of the file."""
        self._directory = test_file.parent
        self._names = [test_file.name.removesuffix(TEST_SUFFIX) + SUFFIX]
        self._is_chosen = False
        self._answers = Answers(time_s=START_S)
        self._trial: Trial | None = None
        self._given: GivenPacket | None = None
        self._tried: list[Tried] = []
        self._captures: dict[bytes, list[Packet]] = {}
        self._captured: Packet | None = None

    def services(self) -> tuple[Service, ...]:
        """In the order of `testing.lua`."""
        return (
            self._declare,
            self._choose,
            self._give,
            self._run,
            self._last,
            self._read,
            self._header,
            self._change,
            self._difference,
            self._pcap,
            self._captured_field,
            self._answer,
            self._setting,
            self._clock,
            self._counted,
            self._logged,
        )

    def _declare(self, name: bytes, line: int) -> Value | Refusal:
        text = _text(name)
        if any(text == known for known, _ in self.declared):
            return _refused(f'two tests are named "{text}"')
        self.declared.append((text, line))
        return True

    def _choose(self, file: bytes) -> Value | Refusal:
        name = _text(file)
        if self._trial is not None:
            return _refused("script(…) comes before the first run(…)")
        if not self._is_beside(name):
            return _refused(f"there is no {name} beside the test")
        if not self._is_chosen:
            self._names.clear()
            self._is_chosen = True
        if name not in self._names:
            self._names.append(name)
        return True

    def _is_beside(self, name: str) -> bool:
        return any(path.name == name for path in self._directory.glob(f"*{SUFFIX}"))

    def _give(self, name: bytes, value: Value) -> Value | Refusal:
        if self._given is None:
            self._given = GivenPacket(self._answers.time_s)
        refused = self._given.give(_text(name), value)
        if refused is None:
            return True
        self._given = None
        return _refused(refused)

    def _run(self) -> Value | Refusal:
        given, self._given = self._given or GivenPacket(self._answers.time_s), None
        if self._trial is None:
            try:
                self._trial = self._load()
            except (ScriptError, RhapsodeError) as error:
                return _refused(str(error))
        tried = self._trial.run(given.packet(), given.time_us)
        self._tried.append(tried)
        return len(self._tried) if tried.error is None else _refused(str(tried.error))

    def _load(self) -> Trial:
        name = self._names[0]
        if not self._is_chosen and not self._is_beside(name):
            raise RhapsodeError(
                f'there is no {name} beside the test: name the script by script("…") before the first test'
            )
        filters = self._answers.filters(self._names)
        services = self._answers.services(filters)
        return Trial(self._directory, self._names, services, filters, SipSettings())

    def _last(self) -> Value:
        return len(self._tried)

    def _read(self, number: int, name: bytes) -> Value | Refusal:
        draft, field = self._tried[number - 1].draft, _text(name)
        if field in _SPECIAL:
            return to_lua(_SPECIAL[field](self._tried[number - 1]))
        within = INTERNAL_NAMES.get(field, field)
        if within not in FIELDS and not within.startswith(TAG):
            return _refused(f"the result of a run has no field {field}")
        value = draft.read(within)
        return None if value == "" else to_lua(value)

    def _header(self, number: int, name: bytes) -> tuple[bytes, ...]:
        return tuple(value.encode() for value in self._tried[number - 1].draft.header(_text(name)))

    def _change(self, number: int, place: int) -> Value | tuple[Value, ...]:
        changes = self._tried[number - 1].changes
        if place > len(changes):
            return None
        change = changes[place - 1]
        return change.name.encode(), to_lua(change.after)

    def _difference(self, actual: bytes, expected: bytes) -> bytes:
        return "\n".join(differing_lines(_text(expected), _text(actual))).encode()

    def _pcap(self, file: bytes, number: int) -> Value | Refusal:
        packets = self._captures.get(file)
        if packets is None:
            try:
                packets = list(read_packets(self._directory / _text(file), _say_nothing))
            except (PcapError, ValueError) as error:
                return _refused(str(error))
            self._captures[file] = packets
        if not 1 <= number <= len(packets):
            return _refused(f"{_text(file)} has {len(packets)} packets of SIP and HEP, no number {number:g}")
        self._captured = packets[int(number) - 1]
        return len(packets)

    def _captured_field(self, name: bytes) -> Value:
        return None if self._captured is None else given_field(self._captured, _text(name))

    def _answer(
        self, file: bytes, key: Value = None, value: Value = None, column: bytes | None = None
    ) -> Value | Refusal:
        name = None if column is None else _text(column)
        refused = self._answers.answer(_text(file), None if key is None else _text(key), _plain(value), name)
        return True if refused is None else _refused(refused)

    def _setting(self, name: bytes, value: bytes | float | bool) -> Value | Refusal:
        if self._trial is not None:
            return _refused("settings{…} comes before the first run(…)")
        self._answers.settings[_text(name)] = _plain(value)
        return True

    def _clock(self, seconds: float) -> Value | Refusal:
        if not 0 <= seconds < LATEST_S:
            return _refused("at_time(…) takes seconds since 1970")
        self._answers.time_s = float(seconds)
        return True

    def _counted(self, name: bytes, *labels: bytes) -> Value:
        names, values = map(_text, labels[::2]), map(_text, labels[1::2])
        return self._answers.counted(_text(name), dict(zip(names, values, strict=True)))

    def _logged(self, place: int) -> Value:
        lines = self._answers.logged
        return lines[place - 1].encode() if place <= len(lines) else None


def _text(value: Value) -> str:
    """A name as a test gives it, be it a number."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return f"{value:g}" if isinstance(value, float) else str(value)


def _plain(value: bytes | float | bool | None) -> str | float | bool | None:
    return _text(value) if isinstance(value, bytes) else value


def _refused(words: str) -> Refusal:
    return None, words.encode()


def _say_nothing(_: str) -> None:
    """Of frames that a capture holds beside."""


def _status(tried: Tried) -> Value:
    draft = tried.draft
    method = draft.read("method")
    is_status = draft.kind == "sip" and isinstance(method, str) and method.isdecimal()
    return int(method) if is_status else None  # type: ignore[arg-type]


_SPECIAL: Final[Mapping[str, Callable[[Tried], Value | str]]] = {
    "is_changed": lambda tried: tried.is_changed,
    "dropped": lambda tried: tried.draft.dropped is not None,
    "reason": lambda tried: tried.draft.dropped,
    "payload": lambda tried: tried.draft.payload,
    "body": lambda tried: tried.draft.body(),
    "kind": lambda tried: tried.draft.kind,
    "status": _status,
    "transport": lambda tried: transport_name(tried.draft.read("ip_protocol")),
    "time": lambda tried: int(tried.draft.read("time_us") or 0) / 1_000_000,
}
