"""What the front door refuses, in words for the operator: one line, no traceback.

RhapsodeError
├── SettingsError
├── DirectoryBusy
├── PostgresError
└── SendError
"""


class RhapsodeError(Exception):
    """Base: its text is printed as it is, and the exit status is 1."""


class SettingsError(RhapsodeError):
    """A setting that does not exist, cannot be read or cannot be."""


class DirectoryBusy(RhapsodeError):
    """Another process uses the directory; the text names it."""


class PostgresError(RhapsodeError):
    """The embedded PostgreSQL cannot be made or started."""


class SendError(RhapsodeError):
    """A capture that cannot be read or holds no HEP, or a target that cannot be reached."""
