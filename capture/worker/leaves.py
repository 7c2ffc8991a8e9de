"""The partitions that a worker writes to: made when they are missing, noted before their first row."""

import logging
import time

from capture.errors import DatabaseAway, StoreError
from capture.mark import PacketMark
from capture.route import MessageClass
from capture.store.bridge import LoopThread
from capture.store.partitions import Leaf, PartitionMap
from capture.store.writer import Writer

log = logging.getLogger(__name__)


class Leaves:
    """As one session knows them."""

    def __init__(self, loop: LoopThread, writer: Writer, mark: PacketMark, keying: int) -> None:
        """`keying` is the version by which this session makes keys."""
        self._loop = loop
        self._writer = writer
        self._mark = mark
        self._keying = keying
        self._noted: set[Leaf] = set()
        self._partitions = PartitionMap()
        self._read()

    def find(self, message_class: MessageClass, time_us: int) -> Leaf:
        """The leaf for a message; waits for the database only when it is new."""
        leaf = self._partitions.find(message_class, time_us)
        if leaf is None or leaf not in self._noted:
            # What takes long here is the database, not the packet.
            with self._mark.lifted():
                leaf = self._prepare(leaf, message_class, time_us)
        return leaf

    def cover_ahead(self) -> None:
        """Make partitions before packets ask for them."""
        try:
            self._loop.call(self._writer.cover_ahead(time.time_ns() // 1000))
            self._read()
        except DatabaseAway:
            raise
        except StoreError as error:
            log.warning("partitions could not be made ahead of time: %s", error)

    def _prepare(self, leaf: Leaf | None, message_class: MessageClass, time_us: int) -> Leaf:
        """Make the leaf if there is none, and note how its keys are made: both wait for the database."""
        if leaf is None:
            leaf = self._loop.call(self._writer.cover(message_class, time_us))
            self._read()
        self._loop.call(self._writer.note_keying(leaf, self._keying))
        self._noted.add(leaf)
        return leaf

    def _read(self) -> None:
        self._partitions = self._loop.call(self._writer.read_partitions())
