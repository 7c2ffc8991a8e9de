"""A message as tshark takes it apart, layer by layer.

What it is given is hostile, so it runs bounded: for each message a process of its own, without a shell, home
directory, name resolution or rights, with little memory and time, and a few at once. Source: tshark(1).
"""

import asyncio
import contextlib
import logging
import os
import pwd
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec

from api import bounded
from api.export.captured import TCP, UDP, Captured
from api.export.pcap import FILE_HEADER, PcapWriter, carrier_of
from api.settings import TsharkSettings
from capture.media.rtcp import is_binary_rtcp

log = logging.getLogger(__name__)

MOST_ANSWER_BYTES: Final = 16 * 1024 * 1024
_READ_BYTES: Final = 65_536
_NOBODY: Final = "nobody"
_ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
_BY_PORT: Final = {TCP: "tcp", UDP: "udp"}
"""What tshark can be told of by port. SIP over SCTP it knows by its first line alone."""


class Undissected(Exception):
    """Why a message could not be taken apart, in words."""


class Tshark:
    """The program, for one API process."""

    def __init__(self, settings: TsharkSettings) -> None:
        self._settings = settings
        self._room = asyncio.Semaphore(settings.at_once)

    async def dissect(self, message: Captured) -> list[Any]:
        """Its packets as tshark's JSON has them, mostly one, the last first: that one shows the whole of a
        message in several. Undissected."""
        program = self._program()
        data = FILE_HEADER + b"".join(PcapWriter().frames(message))
        async with self._turn():
            try:
                async with asyncio.timeout(self._settings.timeout_s):
                    answer = await self._run([program, *arguments_for(message)], data)
            except TimeoutError as error:
                raise Undissected(f"tshark took longer than {self._settings.timeout_s:g} s") from error
        try:
            packets = msgspec.json.decode(answer)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise Undissected("tshark gave no answer: the log says more") from error
        if not isinstance(packets, list):
            raise Undissected("tshark gave no packets")
        return packets[::-1]

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        timeout_s = self._settings.timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                await self._room.acquire()
        except TimeoutError as error:
            raise Undissected(f"tshark was busy with other messages for {timeout_s:g} s") from error
        try:
            yield
        finally:
            self._room.release()

    def _program(self) -> str:
        settings = self._settings
        if not settings.enabled:
            raise Undissected("dissection is switched off (`tshark.enabled`)")
        if settings.path is not None:
            return str(settings.path)
        found = shutil.which("tshark")
        if found is None:
            raise Undissected("tshark is not installed (Debian: `apt install tshark`)")
        return found

    async def _run(self, command: list[str], data: bytes) -> bytes:
        settings = self._settings
        uid, gid = _account()
        limits = [uid, gid, settings.memory_bytes, int(settings.timeout_s) + 1]
        # A file: the loop's own pipe is a socket with uvloop, and tshark reads a capture from none.
        with os.fdopen(os.memfd_create("rhapsode-capture"), "w+b") as given:
            given.write(data)
            given.seek(0)
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", bounded.__file__),
                *map(str, limits),
                *command,
                stdin=given,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=_ENVIRONMENT,
                start_new_session=True,
            )
        try:
            answer, words = await asyncio.gather(
                _read(process, process.stdout), _read(process, process.stderr)
            )
            status = await process.wait()
        finally:
            if process.returncode is None:
                _kill(process)
                await asyncio.shield(_end(process))
        if max(len(answer), len(words)) > MOST_ANSWER_BYTES:
            raise Undissected(f"tshark's answer is longer than {MOST_ANSWER_BYTES} bytes")
        if status != 0:
            log.warning("tshark ended with %s: %s", status, _first_line(words))
        return answer


def arguments_for(message: Captured) -> list[str]:
    """The command line but for the program: JSON, of a capture on standard input, asking no name server."""
    arguments = ["-Q", "-n", "-l", "-r", "-", "-T", "json", "--no-duplicate-keys"]
    transport, protocol = _BY_PORT.get(carrier_of(message)), protocol_of(message)
    if transport is None:
        return arguments
    for port in dict.fromkeys((message.source.port, message.destination.port)):
        if 0 < port < 65_536:
            arguments += ["-d", f"{transport}.port=={port},{protocol}"]
    return arguments


def protocol_of(message: Captured) -> str:
    """What its payload is, by tshark's name: ports say nothing of what HEP has carried."""
    if message.is_sip:
        return "sip"
    if is_binary_rtcp(message.payload):
        return "rtcp"
    return "json" if message.payload.lstrip()[:1] in (b"{", b"[") else "data"


def _account() -> tuple[int, int]:
    """Who it runs as: nobody where we are root, else we ourselves."""
    if os.geteuid() != 0:
        return -1, -1
    try:
        nobody = pwd.getpwnam(_NOBODY)
    except KeyError:
        return 65_534, 65_534
    return nobody.pw_uid, nobody.pw_gid


async def _read(process: asyncio.subprocess.Process, stream: asyncio.StreamReader | None) -> bytes:
    """All that it says there; one that says more than it may is ended, and gives more than that."""
    assert stream is not None  # noqa: S101 (asked for at the start)
    data = bytearray()
    while part := await stream.read(_READ_BYTES):
        if len(data) <= MOST_ANSWER_BYTES:
            data += part
            if len(data) > MOST_ANSWER_BYTES:
                _kill(process)
    return bytes(data)


def _kill(process: asyncio.subprocess.Process) -> None:
    """With all that it may have started: they would keep its pipes open."""
    # Once it has been waited for, its number may be another's.
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Until it is gone. Its pipes are read to their ends before, or asyncio would wait for these for ever."""
    for stream in (process.stdout, process.stderr):
        while stream is not None and await stream.read(_READ_BYTES):
            continue
    await process.wait()


def _first_line(words: bytes) -> str:
    line = words.strip().partition(b"\n")[0].decode("utf-8", "replace")
    return "".join(char if char.isprintable() else "·" for char in line)[:300]
