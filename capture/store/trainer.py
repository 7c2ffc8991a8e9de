"""The process that trains a payload dictionary: `python -m capture.store.trainer`, an `Order` on its input.

Apart from the worker that starts it, so that neither its processor nor its interpreter is taken from packets:
it has a low priority, ends with its parent, and its failure leaves everything as it was. Of all
processes of a database one trains at a time, under an advisory lock. Its `Report` goes to standard output.
"""

import asyncio
import ctypes
import os
import random
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Literal

import msgspec
import zstandard

from capture.errors import CaptureError
from capture.settings import StorageSettings
from capture.store.codec import Dictionary, PayloadCodec
from capture.store.connection import Connection
from capture.store.dictionaries import (
    MOST_TRAINED,
    Trained,
    dictionary_to_write_with,
    keep_trained,
    listed_dictionaries,
)
from capture.store.dictionary import train
from capture.store.sample import make_messages
from capture.store.sampling import read_sample
from capture.store.schema import check_schema

LOCK = 0x52484150_44494354
"""Key of the advisory lock that whoever trains holds: "RHAPDICT"."""

TRAINED_BYTES = 64 * 1024
"""Twice the shipped one: takes no more time, and 3 % less space where many products meet."""
MESSAGES_PER_OWN_DIALOG = 12
"""For so many messages of the sample one made-up dialog of six: so what is not in the sample does nearly as
well as with the shipped dictionary (trained on the mix of the benchmarks, SIP of the corpus takes 191 bytes,
without them 236, with the shipped one 179), and what is does 2 % worse."""
LEAST_MESSAGES = 100
"""With fewer, of which only some of each call count, there is nothing to learn."""
WORTH = 0.95
"""Another dictionary must make of the sample less than this part of what the one in use makes of it."""

_PR_SET_PDEATHSIG = 1
_MOST_MEMORY = 2 << 30
_MOST_CPU_S = 120
_MOST_S = 1800
_NICE = 10
"""A tenth of what others get where all processors are busy. With 19, a hundredth, half a second of work took
minutes."""


class Order(msgspec.Struct, frozen=True):
    """What to do."""

    database_url: str
    level: int
    parent: int
    """Process id of who gives the order, with which this process ends."""
    newest: int | None
    """The newest trained dictionary that this one knows: if there is another, nothing is left to do."""


class Report(msgspec.Struct, frozen=True):
    """What came of it."""

    outcome: Literal["trained", "kept", "few", "busy", "changed", "failed"]
    """`kept`: the dictionary in use does as well, or there are MOST_TRAINED; `few`: too few messages; `busy`:
    another process trains; `changed`: there is a newer dictionary."""
    words: str = ""
    dictionary: int = 0
    messages: int = 0
    """Trained on and judged by."""
    judged: int = 0
    plain_bytes: int = 0
    before_bytes: int = 0
    """What the dictionary in use makes of those that it is judged by."""
    after_bytes: int = 0


def start(order: Order) -> "subprocess.Popen[bytes]":
    """Start a trainer; its report can be read from its output. Only from a thread that lives on: the kernel
    takes that thread's end for ours. OSError.
    """
    # In memory: the URL may hold a password.
    with os.fdopen(os.memfd_create("rhapsode-order"), "w+b") as given:
        given.write(msgspec.json.encode(order))
        given.seek(0)
        # A session of its own: Ctrl-C in the terminal is the parent's to obey. -P: a folder named `capture`
        # where the user happens to stand is not ours.
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "capture.store.trainer"],
            stdin=given,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )


def main() -> None:
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    _be_modest(order.parent)
    try:
        report = asyncio.run(train_once(order))
    except (CaptureError, zstandard.ZstdError, MemoryError) as error:
        report = Report("failed", f"{error}" or type(error).__name__)
    sys.stdout.buffer.write(msgspec.json.encode(report))


async def train_once(order: Order) -> Report:
    """Train on what is stored now, and keep the result if it is worth it. StoreError, ZstdError."""
    connection = await Connection.open(order.database_url)
    try:
        await check_schema(connection)
        ((locked,),) = await connection.fetch(tuple[bool], "select pg_try_advisory_lock($1)", LOCK)
        if not locked:
            return Report("busy")
        # Whoever held the lock before may have trained.
        trained = [listed.id for listed in await listed_dictionaries(connection) if listed.trained_on]
        if max(trained, default=None) != order.newest:
            return Report("changed")
        if len(trained) >= MOST_TRAINED:
            return Report("kept", f"there are {MOST_TRAINED} already")
        return await _train(connection, order.level)
    finally:
        await connection.close()


async def _train(connection: Connection, level: int) -> Report:
    in_use = await dictionary_to_write_with(connection)
    sample = await read_sample(connection)
    messages = len(sample.training) + len(sample.judging)
    if messages < LEAST_MESSAGES or not sample.judging:
        return Report("few", messages=messages)
    content = train_on(sample.training, level)
    before, after = (compressed_bytes(sample.judging, made, level) for made in (in_use.content, content))
    report = Report(
        "kept", "", in_use.id, messages, len(sample.judging), sum(map(len, sample.judging)), before, after
    )
    if after >= WORTH * before:
        return report
    kept = await keep_trained(connection, content, Trained(messages, report.plain_bytes, after))
    return msgspec.structs.replace(report, outcome="trained", dictionary=kept.id)


def train_on(messages: Sequence[bytes], level: int) -> bytes:
    """A dictionary for messages like these, and for others as the shipped one is."""
    together = [*messages, *make_messages(max(1, len(messages) // MESSAGES_PER_OWN_DIALOG))]
    # zstd leaves the last quarter out, to judge by.
    random.Random(1).shuffle(together)  # noqa: S311 # nothing secret is drawn
    return train(together, TRAINED_BYTES, level=level)


def compressed_bytes(messages: Sequence[bytes], content: bytes, level: int) -> int:
    """What is stored of these messages, with a dictionary."""
    codec = PayloadCodec(Dictionary(1, content), StorageSettings(zstd_level=level))
    return sum(len(codec.encode(message)[1]) for message in messages)


def _be_modest(parent: int) -> None:
    """Low priority, bounded memory and time, and no life without the parent."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:
        sys.exit("who ordered a dictionary has gone")
    os.nice(_NICE)
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_MOST_CPU_S, _MOST_CPU_S))
    signal.alarm(_MOST_S)


if __name__ == "__main__":
    main()
