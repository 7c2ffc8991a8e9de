"""The intake process: sockets in, journals out, nothing else.

Stopping reads what the sockets hold, since that came before the signal, and only then lets go of them.
"""

import asyncio
import contextlib
import gc
import resource
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from capture.errors import JournalError
from capture.intake.drops import KernelDrops
from capture.intake.journals import Journals, open_journals
from capture.intake.sockets import Sockets
from capture.intake.tcp import TcpServer
from capture.intake.udp import GATHER_BUFFER_BYTES, UdpReader
from capture.journal.figures import IntakeFigure
from capture.settings import IntakeSettings, JournalSettings

LAST_READ_S = 1.0
"""Longest time for reading what the sockets hold when stopping."""

QUIET_TURNS = 6
"""Turns of the loop without news after which the sockets hold nothing: a connection still in the listener's
queue takes four to bring its first bytes."""

HOUSEKEEPING_S = 1.0
REPORT_S = 10.0

TCP_BYTES_PER_UDP_TURN = 256 * 1024
"""TCP senders wait without loss and UDP's cannot: after so many bytes from TCP the UDP sockets are read in
between."""

SPARE_DESCRIPTORS = 128
"""Beside the connections: segments, figures, the loop's own."""


def run(
    sockets: Sockets, journal_dirs: Sequence[Path], intake: IntakeSettings, journal: JournalSettings
) -> None:
    """Receive until SIGTERM or SIGINT; returns when all that was received is synced and the sockets are
    closed.

    The same signal once more cuts short the reading of what the sockets still hold. JournalError when
    another process writes a journal.
    """
    _allow_descriptors(intake.tcp_connections + SPARE_DESCRIPTORS)
    with contextlib.ExitStack() as stack:
        journals = stack.enter_context(open_journals(journal_dirs, journal))
        stack.callback(sockets.close)
        # What exists now lives as long as the process; beyond it only connections make cycles, and rarely.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 10, 10)
        asyncio.run(_receive(sockets, journals, intake))


async def _receive(sockets: Sockets, journals: Journals, settings: IntakeSettings) -> None:
    intake = Intake(sockets, journals, settings)
    signals = Signals(intake.ended)
    await intake.start()
    try:
        await intake.ended
    except Exception:
        intake.give_up()
        raise
    await intake.stop(lambda: signals.hurried)
    # Here, while the signals have their handlers: one more must not end the process in the middle of a sync.
    journals.close()


class Signals:
    """SIGTERM and SIGINT: the first stops, the same one again hurries.

    The same, because Ctrl-C in a terminal reaches a child twice: as SIGINT from the terminal, then as its
    parent's SIGTERM.
    """

    def __init__(self, ended: asyncio.Future[None]) -> None:
        self.hurried = False
        self._ended = ended
        self._seen: set[int] = set()
        for number in (signal.SIGTERM, signal.SIGINT):
            ended.get_loop().add_signal_handler(number, self._stop)
            # The loop is woken through its descriptor; this handler, run between two bytecodes, takes the
            # place of the one with which the loop does nothing. So a signal is seen in the middle of a long
            # turn too.
            signal.signal(number, self._note)

    def _stop(self) -> None:
        if not self._ended.done():
            self._ended.set_result(None)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.hurried = self.hurried or number in self._seen
        self._seen.add(number)


class Intake:
    """The readers of all sockets on the running loop, with their timers."""

    def __init__(self, sockets: Sockets, journals: Journals, settings: IntakeSettings) -> None:
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        """Done when receiving is to stop, with an exception when it cannot go on."""
        self._sockets = sockets
        self._journals = journals
        self._settings = settings
        self._drops = KernelDrops(sockets, journals)
        gather = sockets.granted_bytes >= GATHER_BUFFER_BYTES
        self._udp = [UdpReader(sock, journals, gather=gather) for sock in sockets.udp]
        self._tcp = TcpServer(journals, settings, self._let_udp_in)
        self._tcp_bytes = 0
        limits = (settings.tcp_first_packet_s, settings.tcp_stalled_s, settings.tcp_idle_s)
        self._period_s = min(HOUSEKEEPING_S, min(limits) / 4)
        self._timer: asyncio.TimerHandle | None = None
        self._reported = self._loop.time()

    async def start(self) -> None:
        self._loop.set_exception_handler(self._notice)
        self._journals.show(IntakeFigure.RECEIVE_BUFFER_BYTES, self._sockets.granted_bytes)
        for sock, reader in zip(self._sockets.udp, self._udp, strict=True):
            self._loop.add_reader(sock, reader.wake_up)
        if self._settings.tcp_connections:
            await self._tcp.listen(self._sockets.tcp)
        self._keep_house()

    async def stop(self, hurried: Callable[[], bool] = lambda: False) -> None:
        """Read what the sockets hold, one second at most or until `hurried`, then close them."""
        for sock in self._sockets.udp:
            self._loop.remove_reader(sock)
        await self._read_the_rest(hurried)
        self._drops.update()
        self._tcp.close()
        self._sockets.close()
        if self._timer is not None:
            self._timer.cancel()
        self._journals.refresh()
        self._report()

    def give_up(self) -> None:
        """After an error of ours: what the sockets hold is left to a successor, what was read is counted."""
        self._tcp.give_up()

    async def _read_the_rest(self, hurried: Callable[[], bool]) -> None:
        """First in, first out: once a socket is empty, all that had come before the signal has been read."""
        deadline = self._loop.time() + LAST_READ_S
        quiet = 0
        while quiet < QUIET_TURNS and not hurried() and self._loop.time() < deadline:
            reads = self._tcp.reads
            datagrams = sum([reader.drain() for reader in self._udp])
            await asyncio.sleep(0)
            quiet = 0 if datagrams or self._tcp.reads != reads else quiet + 1

    def _let_udp_in(self, size: int) -> None:
        self._tcp_bytes += size
        if self._tcp_bytes >= TCP_BYTES_PER_UDP_TURN:
            self._tcp_bytes = 0
            for reader in self._udp:
                reader.drain()

    def _keep_house(self) -> None:
        self._timer = self._loop.call_later(self._period_s, self._keep_house)
        self._drops.update()
        self._journals.refresh()
        self._tcp.check_limits()
        if self._loop.time() - self._reported >= REPORT_S:
            self._report()

    def _report(self) -> None:
        now = self._loop.time()
        self._journals.report(now - self._reported)
        self._tcp.report(now - self._reported)
        self._reported = now

    def _notice(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A connection's trouble ends that connection; ours ends the process, whose successor takes over
        the sockets.

        To go on would lose, uncounted, whatever a reader cannot append.
        """
        loop.default_exception_handler(context)
        error = context.get("exception")
        ours = "handle" in context or isinstance(error, JournalError)
        if ours and error is not None and not self.ended.done():
            self.ended.set_exception(error)


def _allow_descriptors(number: int) -> None:
    """The usual soft limit of 1,024 descriptors is less than the connections that are allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        number = min(number, hard)
    if soft != resource.RLIM_INFINITY and soft < number:
        resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))
