"""The figures of a run beside their targets, for people and as JSON."""

import json
import platform
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


class Target(NamedTuple):
    """What a figure is to reach."""

    limit: float
    at_least: bool = False
    """Else at most."""

    def reached(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {_number(self.limit)}"


class Figure(NamedTuple):
    """One line."""

    part: str
    name: str
    value: float
    unit: str
    target: Target | None = None


class Report:
    """Collects figures and shows each at once."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._figures: list[Figure] = []
        self._part = ""

    def begin(self, part: str) -> None:
        self._part = part
        self._show(f"\n{part}")

    def note(self, text: str) -> None:
        """Something that is no figure of the table."""
        self._show(f"  {text}")

    def add(self, name: str, value: float, unit: str, target: Target | None = None) -> None:
        figure = Figure(self._part, name, value, unit, target)
        self._figures.append(figure)
        self._show(f"  {_line(figure)}")

    def value(self, name: str) -> float | None:
        """The figure of this name, if it was measured in this run."""
        return next((figure.value for figure in self._figures if figure.name == name), None)

    def summary(self) -> str:
        """The lines that have a target."""
        lines = ["", "Targets", *(f"  {_line(figure)}" for figure in self._figures if figure.target)]
        missed = [
            figure.name
            for figure in self._figures
            if figure.target and not figure.target.reached(figure.value)
        ]
        lines.append(f"  not reached: {', '.join(missed)}" if missed else "  all reached")
        return "\n".join(lines)

    def write(self, path: Path, options: dict[str, object]) -> None:
        """As JSON, with the machine and the revision."""
        document = {
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": _machine(),
            "revision": _revision(),
            "options": options,
            "figures": [
                {
                    "part": figure.part,
                    "name": figure.name,
                    "value": round(figure.value, 3),
                    "unit": figure.unit,
                    "target": str(figure.target) if figure.target else None,
                    "reached": figure.target.reached(figure.value) if figure.target else None,
                }
                for figure in self._figures
            ],
        }
        path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def _line(figure: Figure) -> str:
    text = f"{figure.name:<44} {_number(figure.value):>10} {figure.unit:<16}"
    if figure.target is None:
        return text.rstrip()
    return (
        f"{text} {figure.target!s:<12} {'reached' if figure.target.reached(figure.value) else 'NOT reached'}"
    )


def _number(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 1 else f"{value:.1f}"


def _machine() -> dict[str, str | int]:
    cpu = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
    return {
        "cpu": cpu,
        "cores": len(
            [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("processor")]
        ),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def _revision() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"
