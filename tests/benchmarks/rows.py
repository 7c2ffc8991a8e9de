"""Packets to encoded rows by the code that a worker runs, without a journal and without its process."""

from collections.abc import Iterable, Iterator
from itertools import islice

from capture.journal.record import Carrier, Record
from capture.keys import KeyMemory, keyed_rules
from capture.pipeline import Pipeline, Rows
from capture.route import MessageClass
from capture.settings import AcceptSettings, HepSettings, SipSettings, StorageSettings
from capture.store.bridge import LoopThread
from capture.store.codec import PayloadCodec
from capture.store.partitions import Leaf, PartitionMap
from capture.store.writer import Writer
from tests.benchmarks.mix import Timed

ARRIVES_LATER_US = 2_000
_PEER = bytes(10) + b"\xff\xff" + bytes((192, 0, 2, 1))


class RowMaker:
    """A pipeline whose partitions are made, and whose keying is noted, in a real database."""

    def __init__(self, writer: Writer, loop: LoopThread, storage: StorageSettings) -> None:
        self._writer, self._loop, self._storage = writer, loop, storage
        self._partitions = PartitionMap()
        self._noted: set[Leaf] = set()
        self._number = 1
        self._keying = loop.call(writer.keying_version(keyed_rules(())))
        self._pipeline = Pipeline(
            hep=HepSettings(),
            accept=AcceptSettings(),
            sip=SipSettings(),
            storage=storage,
            codec=PayloadCodec(loop.call(writer.dictionary()), storage),
            find_leaf=self._find_leaf,
            keys=KeyMemory(storage.key_memory_calls),
        )

    def batches(self, packets: Iterable[Timed]) -> Iterator[Rows]:
        """The rows of one batch after the other."""
        packets = iter(packets)
        while taken := list(islice(packets, self._storage.batch_rows)):
            rows = Rows()
            records = [
                Record(
                    number, 1, 64, timed.time_us + ARRIVES_LATER_US, Carrier.UDP, _PEER, 5060, timed.packet
                )
                for number, timed in enumerate(taken, self._number)
            ]
            self._number += len(records)
            self._pipeline.process(records, 0, rows)
            yield rows

    def _find_leaf(self, message_class: MessageClass, time_us: int) -> Leaf:
        leaf = self._partitions.find(message_class, time_us)
        if leaf is None:
            leaf = self._loop.call(self._writer.cover(message_class, time_us))
            self._partitions = self._loop.call(self._writer.read_partitions())
        if leaf not in self._noted:
            self._loop.call(self._writer.note_keying(leaf, self._keying))
            self._noted.add(leaf)
        return leaf
