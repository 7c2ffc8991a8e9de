"""Every fault, in the order in which `make chaos` makes them."""

from tests.chaos import clocks, cuts, databases, disks, kills, powers

FAULTS = (
    *kills.FAULTS,
    *cuts.FAULTS,
    *databases.FAULTS,
    *disks.FAULTS,
    *powers.FAULTS,
    *clocks.FAULTS,
)
