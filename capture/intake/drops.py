"""What the kernel dropped before intake could read it, as one count that only grows."""

from capture.intake.journals import Journals
from capture.intake.sockets import Sockets
from capture.journal.figures import IntakeFigure

_COUNTER = 1 << 32
"""The kernel counts each socket's drops in 32 bits."""


class KernelDrops:
    """Adds up the counters of the sockets, over restarts of intake and over new sockets alike.

    A successor of intake on the same sockets adds only what its predecessor had not seen; new sockets begin
    at 0.
    """

    def __init__(self, sockets: Sockets, journals: Journals) -> None:
        self._sockets = sockets
        self._journals = journals
        self._counters = sockets.drops()
        identity = sockets.identity()
        if journals.read(IntakeFigure.SOCKETS) == identity:
            self._add((sum(self._counters) - journals.read(IntakeFigure.SOCKETS_DROPS)) % _COUNTER)
        else:
            # In this order: a death in between leaves the old sockets named, and all of this is done again.
            journals.show(IntakeFigure.SOCKETS_DROPS, 0)
            journals.show(IntakeFigure.SOCKETS, identity)
            self._add(sum(self._counters))

    def update(self) -> None:
        counters = self._sockets.drops()
        pairs = zip(counters, self._counters, strict=True)
        self._add(sum((now - before) % _COUNTER for now, before in pairs))
        self._counters = counters

    def _add(self, new: int) -> None:
        if new:
            self._journals.count(IntakeFigure.KERNEL_DROPS, new)
            self._journals.count(IntakeFigure.SOCKETS_DROPS, new)
