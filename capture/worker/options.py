"""All that a worker needs to be told."""

from dataclasses import dataclass, field
from pathlib import Path

from capture.settings import (
    AcceptSettings,
    FilterSettings,
    HepSettings,
    RetentionSettings,
    SipSettings,
    StorageSettings,
)


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """Of one journal's worker."""

    journal_dir: Path
    database_url: str = field(repr=False)
    storage: StorageSettings = field(default_factory=StorageSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    sip: SipSettings = field(default_factory=SipSettings)
    hep: HepSettings = field(default_factory=HepSettings)
    accept: AcceptSettings = field(default_factory=AcceptSettings)
    lua_dir: Path | None = None
    """Directory of the operator's filter scripts."""
    filters: FilterSettings = field(default_factory=FilterSettings)
    until_drained: bool = False
    """End once the journal holds nothing more and no intake writes to it."""
    drain_s: float = 4.0
    """How long a worker told to stop goes on with what the journal holds; the rest waits for its next start,
    in seconds."""
