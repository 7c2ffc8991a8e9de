"""Every fault, in the order in which `make chaos` makes them."""

from tests.chaos import clocks, cuts, databases, disks, journals, kills, lethals, powers

FAULTS = (
    *kills.FAULTS,
    *cuts.FAULTS,
    *databases.FAULTS,
    *disks.FAULTS,
    *powers.FAULTS,
    *journals.FAULTS,
    *clocks.FAULTS,
    *lethals.FAULTS,
)
