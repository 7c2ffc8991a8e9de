"""A process that decides on candidates, so that a long scan takes no time from the API's loop.

`python -m api.search.scanner`: frames on standard input and output, four bytes of length (big-endian) and
MessagePack. A `Task` says what to look for, each `Rows` after it gets one answer: the places of those that
match. It ends with its input, and so with its parent.
"""

import signal
import struct
import sys
from contextlib import suppress
from typing import BinaryIO

import msgspec

from api.search.candidate import Candidate
from api.search.decide import Judge
from api.search.query import Expression
from capture.route import MessageClass
from capture.store.codec import PayloadCodec

LENGTH = struct.Struct(">I")


class Task(msgspec.Struct, frozen=True, tag="task"):
    """What the rows to come are asked."""

    message_class: MessageClass
    where: Expression
    custom_headers: tuple[str, ...]


class Rows(msgspec.Struct, frozen=True, tag="rows"):
    """Candidates, and the dictionaries that their payloads need and that were not sent before."""

    rows: list[Candidate]
    dictionaries: dict[int, bytes]


_decoder = msgspec.msgpack.Decoder(Task | Rows)


def main() -> None:
    # Ctrl-C goes to the whole foreground group; the parent then closes our input in its own time.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(BrokenPipeError):
        _serve(sys.stdin.buffer, sys.stdout.buffer)


def _serve(source: BinaryIO, sink: BinaryIO) -> None:
    payloads = PayloadCodec()
    judge: Judge | None = None
    while (frame := _read_frame(source)) is not None:
        message = _decoder.decode(frame)
        if isinstance(message, Task):
            judge = Judge(message.message_class, message.where, message.custom_headers, payloads)
            continue
        for number, content in message.dictionaries.items():
            payloads.add(number, content)
        places = [] if judge is None else [i for i, row in enumerate(message.rows) if judge.matches(row)]
        answer = msgspec.msgpack.encode(places)
        sink.write(LENGTH.pack(len(answer)) + answer)
        sink.flush()


def _read_frame(source: BinaryIO) -> bytes | None:
    head = source.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    frame = source.read(length)
    return frame if len(frame) == length else None


if __name__ == "__main__":
    main()
