"""What a doctor says: one sentence on what was found, one on what to do."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

State = Literal["ok", "note", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    check: str
    """A short stable word for scripts: `settings`, `running`, `receiving`, `api`, `database`, `schema`,
    `nodes`, `journal`, `worker`, `filters`, `aside`, `drops`, `senders`, `retention`, `disk`."""
    state: State
    """`note`: worth knowing, nothing to be done at once; it does not count against the exit status."""
    words: str
    advice: str = ""
    """What to do; empty when there is nothing to do."""


def is_well(findings: list[Finding]) -> bool:
    return all(finding.state != "problem" for finding in findings)


def as_json(findings: list[Finding]) -> dict[str, Any]:
    """For `--json`; names are only ever added."""
    return {"well": is_well(findings), "findings": [asdict(finding) for finding in findings]}
