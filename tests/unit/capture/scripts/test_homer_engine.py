"""Scripts of heplify-server in a worker: which packets they see, and what a failed one does."""

from pathlib import Path

import pytest

from capture.draft import Draft
from capture.script_report import WorkerReport
from capture.scripts.engine import Engine
from capture.scripts.kept import KeptVersions
from capture.scripts.loading import Loaded, Loader
from capture.scripts.services import Services
from capture.settings import FilterSettings
from tests.support.drafts import a_draft

SET = "function set_{0}() SetSIPHeader('X-{0}', '{0}') end\n"


class Worker:
    """Loads a folder once, and runs it for messages."""

    def __init__(self, folder: Path, **sources: str) -> None:
        for name, source in sources.items():
            (folder / f"{name}.lua").write_text(source)
        settings = FilterSettings(hep_types=(1, 34))
        self.said: list[tuple[str, str, str, int | None]] = []
        loader = Loader(folder, settings, Services(folder, settings), KeptVersions(None))
        self.loaded: Loaded = loader.load({})
        self.engine = Engine(
            settings,
            WorkerReport("test"),
            [0] * 64,
            lambda *_: False,
            lambda kind, words, file, line: self.said.append((kind, words, file, line)),
        )
        self.engine.use(self.loaded.runners)

    def run(self, draft: Draft) -> Draft:
        self.engine.run(draft)
        return draft


def test_error_keeps_what_was_changed_and_skips_the_rest_of_its_file_alone(tmp_path: Path) -> None:
    worker = Worker(
        tmp_path,
        a=SET.format("one") + "function fails()\n error('no')\nend\n" + SET.format("never"),
        b=SET.format("two"),
    )

    draft = worker.run(a_draft())

    assert draft.changes == {"custom:X-one": "one", "custom:X-two": "two"}
    assert worker.said == [("error", "no", "a.lua", 3)]
    first, second = worker.loaded.reports
    assert [(error.line, error.count) for error in first.errors] == [(3, 1)]
    assert (first.calls, second.calls, second.errors) == (2, 1, [])


def test_old_scripts_see_the_types_of_the_setting_and_new_ones_their_own(tmp_path: Path) -> None:
    worker = Worker(
        tmp_path,
        a="function see() SetHEPField('CID', 'old') end",
        b="function on_packet(p) tag('new', '1') end",
    )

    report = worker.run(a_draft(b"{}", protocol_type=34, correlation_id=b"a"))
    rtcp = worker.run(a_draft(b"{}", protocol_type=5, correlation_id=b"a"))

    assert report.changes == {"correlation_id": "old", "custom:new": "1"}
    assert rtcp.changes == {"custom:new": "1"}


def test_both_kinds_see_what_the_others_have_changed(tmp_path: Path) -> None:
    worker = Worker(
        tmp_path,
        a="function on_sip(message) set('from_user', 'new') tag('trunk', 'blue') end",
        b="function see() s = GetSIPStruct() SetSIPHeader('X-Seen', s.FromUser..s.CustomHeader.trunk) end",
        c="function on_sip(message) tag('again', message:tag_value('X-Seen')) end",
    )

    draft = worker.run(a_draft())

    assert draft.changes["custom:X-Seen"] == draft.changes["custom:again"] == "newblue"


@pytest.mark.parametrize(
    "way", ["SetHEPField('ProtoType', '0')", "GetHEPStruct().ProtoType = 0", "GetHEPStruct().SIP = nil"]
)
def test_packet_that_a_script_does_not_want_is_dropped_and_seen_by_no_other(tmp_path: Path, way: str) -> None:
    worker = Worker(tmp_path, a=f"function drop() {way} end", b=SET.format("never"))

    draft = worker.run(a_draft())

    assert draft.dropped is not None
    assert "custom:X-never" not in draft.changes
    assert sum(worker.loaded.reports[0].drops.values()) == 1


def test_file_that_another_s_locals_are_needed_for_loads_with_it(tmp_path: Path) -> None:
    worker = Worker(tmp_path, a="local names = {x = 'y'}", b="local x = names.x\n" + SET.format("b"))

    assert [report.load_error for report in worker.loaded.reports] == ["", ""]
    assert worker.run(a_draft()).changes == {"custom:X-b": "b"}
