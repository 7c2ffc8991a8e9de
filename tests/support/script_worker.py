"""A folder of scripts, and workers that run them one after the other, without a journal or a database."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from capture.draft import Draft
from capture.hep.packet import Packet
from capture.interpret import Interpreter
from capture.journal.figures import WorkerFigure
from capture.mark import ScriptDeath
from capture.script_report import ScriptReport, WorkerReport
from capture.script_report_files import read_report
from capture.script_switches import Switches
from capture.scripts.worker_filters import WorkerFilters
from capture.settings import FilterSettings, SipSettings

SIP = b"INVITE sip:b@c SIP/2.0\r\nFrom: <sip:a@c>;tag=1\r\nCall-ID: i\r\nCSeq: 1 INVITE\r\n\r\n"
TAG = 'function on_sip(message) tag("version", "%s") end\n'
OLD_TAG = 'function mark() SetSIPHeader("old", "%s") end\n'
BROKEN = "function on_sip(message\n"
GREEDY = "function on_sip(message) while true do end end\n"


class Scripts:
    """A folder of scripts in front of a worker whose clock does not matter."""

    def __init__(self, directory: Path) -> None:
        self.folder = directory / "scripts"
        self.folder.mkdir()
        self.journal = directory / "journal" / "0000"
        self.journal.mkdir(parents=True)
        self.words = [0] * len(WorkerFigure)

    def save(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    @contextmanager
    def worker(self, death: ScriptDeath | None = None, **settings: object) -> Iterator["Worker"]:
        given = FilterSettings.model_validate(settings)
        filters = WorkerFilters(self.folder, given, self.journal, self.words)
        filters.start(death, lambda place: b"the packet")
        yield Worker(filters, self)
        filters.stop()

    @property
    def switches(self) -> Switches:
        return Switches(self.journal.parent / "filters")


class Worker:
    def __init__(self, filters: WorkerFilters, scripts: Scripts) -> None:
        self.filters = filters
        self._scripts = scripts

    def turn(self) -> None:
        """Two looks: a file that has changed is taken when it looks the same twice."""
        self.filters.look()
        self.filters.look()

    def run(self) -> Draft:
        packet = Packet(version=3, payload=SIP, protocol_type=1)
        draft = Draft(packet, Interpreter(SipSettings()).interpret(packet, None), 1, b"the packet")
        if self.filters.engine.reach(1):
            self.filters.engine.run(draft)
        return draft

    def version(self) -> object:
        return self.run().changes.get("custom:version")

    def whole_report(self) -> WorkerReport:
        self.filters.look()
        report = read_report(self._scripts.journal.parent / "filters", "0000")
        assert report is not None
        return report

    def report(self, name: str) -> ScriptReport:
        found = self.whole_report().script(name)
        assert found is not None
        return found
