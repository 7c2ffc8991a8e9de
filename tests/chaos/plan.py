"""Every fault, in the order in which `make chaos` makes them."""

from tests.chaos import cuts, databases, disks, kills

FAULTS = (*kills.FAULTS, *cuts.FAULTS, *databases.FAULTS, *disks.FAULTS)
