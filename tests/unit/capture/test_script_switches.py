"""Switching filter scripts off and on, by workers and persons, with several of them at it."""

import json
import logging
import re
from pathlib import Path
from threading import Thread

import pytest

from capture.errors import JournalError
from capture.pcap.packets import read_hep
from capture.script_switches import (
    BROKEN_SUFFIX,
    BY_WORKER,
    HISTORY_NAME,
    LOCK_NAME,
    OFF_NAME,
    PACKETS_DIR,
    STRIKE_US,
    STRIKES_NAME,
    SwitchedOff,
    Switches,
    read_off,
)

NOW_US = 1_700_000_000_000_000
SHA, EDITED = "a" * 64, "b" * 64
PACKET = b"HEP3\0\x0c\0\0\0\7\0\6"


@pytest.fixture
def filters(tmp_path: Path) -> Path:
    return tmp_path / "journal" / "filters"


@pytest.fixture
def full_disk(filters: Path) -> Path:
    """A place where nothing can be written, whoever tries: what should be the lock's file is a directory."""
    (filters / LOCK_NAME).mkdir(parents=True)
    return filters / LOCK_NAME


def test_nothing_is_off_where_nothing_was_ever_switched(filters: Path) -> None:
    switches = Switches(filters)

    assert switches.read() == {}
    assert switches.problem == ""
    assert not filters.exists()


def test_script_that_a_worker_switches_off_is_off_for_all_and_after_a_restart(filters: Path) -> None:
    other = Switches(filters)
    other.read()

    off = Switches(filters).switch_off("mask.lua", SHA, "used up its instructions", None, NOW_US)

    assert off == SwitchedOff("used up its instructions", NOW_US, BY_WORKER, SHA)
    assert other.changed()
    assert other.read() == Switches(filters).read() == {"mask.lua": off}
    assert not other.changed()


def test_script_that_switched_itself_off_runs_once_it_is_edited(filters: Path) -> None:
    off = Switches(filters).switch_off("mask.lua", SHA, "loops")

    assert off.holds_for(SHA)
    assert not off.holds_for(EDITED)
    assert not off.is_by_person


def test_script_that_a_person_disabled_stays_so_when_it_is_edited(filters: Path) -> None:
    off = Switches(filters).disable("mask.lua", "alice", NOW_US)

    assert off == SwitchedOff("disabled by alice", NOW_US, "alice")
    assert off.holds_for(SHA)
    assert off.holds_for(EDITED)


def test_worker_does_not_turn_what_a_person_disabled_into_less(filters: Path) -> None:
    disabled = Switches(filters).disable("mask.lua", "alice", NOW_US)
    worker = Switches(filters)

    worker.switch_off("mask.lua", SHA, "loops", None, NOW_US)

    assert worker.read() == Switches(filters).read() == {"mask.lua": disabled}


def test_packet_is_kept_and_named(filters: Path) -> None:
    off = Switches(filters).switch_off("mask.lua", SHA, "loops", PACKET, NOW_US)

    assert off.packet is not None
    assert list(read_hep(filters / PACKETS_DIR / off.packet, pytest.fail)) == [PACKET]
    assert str(off) == f"loops (packet packets/{off.packet})"


def test_switching_off_is_one_line_of_the_log(filters: Path, caplog: pytest.LogCaptureFixture) -> None:
    Switches(filters).switch_off("mask.lua", SHA, "loops", None, NOW_US)

    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.ERROR, "switched off: mask.lua: loops")
    ]


def test_person_enables_what_a_worker_switched_off(filters: Path) -> None:
    off = Switches(filters).switch_off("mask.lua", SHA, "loops", None, NOW_US)
    person, worker = Switches(filters), Switches(filters)
    worker.read()

    taken_back = person.enable("mask.lua", "alice")

    assert taken_back == off
    assert worker.changed()
    assert worker.read() == {}


def test_who_switched_what_can_be_looked_up(filters: Path) -> None:
    Switches(filters).disable("mask.lua", "alice")
    Switches(filters).enable("mask.lua", "bob")

    lines = (filters / HISTORY_NAME).read_text().splitlines()

    assert [line.split(" ", 1)[1] for line in lines] == [
        "mask.lua disabled by alice",
        "mask.lua enabled by bob",
    ]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ .*", line) for line in lines)


def test_enabling_what_runs_changes_nothing(filters: Path) -> None:
    Switches(filters).disable("other.lua", "alice", NOW_US)

    assert Switches(filters).enable("mask.lua", "bob") is None
    assert list(Switches(filters).read()) == ["other.lua"]


def test_one_strike_is_forgiven_and_the_second_is_not(filters: Path) -> None:
    worker = Switches(filters)

    first = worker.strike("mask.lua", SHA, "used up its memory", PACKET, NOW_US)
    after_first = worker.read()
    second = worker.strike("mask.lua", SHA, "used up its instructions", PACKET, NOW_US + STRIKE_US)

    assert (first, after_first, second) == (False, {}, True)
    off = worker.read()["mask.lua"]
    assert (off.reason, off.sha256) == ("used up its instructions, twice within ten minutes", SHA)
    assert off.packet is not None


def test_strike_is_remembered_by_the_next_life_and_by_other_workers(filters: Path) -> None:
    Switches(filters).strike("mask.lua", SHA, "held a packet for a second", None, NOW_US)

    assert Switches(filters).strike("mask.lua", SHA, "held a packet for a second", None, NOW_US + 1)


@pytest.mark.parametrize("later_us", [STRIKE_US + 1, -STRIKE_US - 1])
def test_strike_is_forgotten_after_ten_minutes_by_any_clock(filters: Path, later_us: int) -> None:
    worker = Switches(filters)
    worker.strike("mask.lua", SHA, "loops", None, NOW_US)

    assert not worker.strike("mask.lua", SHA, "loops", None, NOW_US + later_us)
    assert worker.strike("mask.lua", SHA, "loops", None, NOW_US + later_us + 1)


def test_strikes_of_other_scripts_and_of_other_texts_do_not_add_up(filters: Path) -> None:
    worker = Switches(filters)
    worker.strike("mask.lua", SHA, "loops", None, NOW_US)

    assert not worker.strike("other.lua", SHA, "loops", None, NOW_US)
    assert not worker.strike("mask.lua", EDITED, "loops", None, NOW_US)


def test_enabling_forgives_the_strikes(filters: Path) -> None:
    worker = Switches(filters)
    worker.strike("mask.lua", SHA, "loops", None, NOW_US)

    Switches(filters).enable("mask.lua", "alice")

    assert not worker.strike("mask.lua", SHA, "loops", None, NOW_US + 1)


@pytest.mark.parametrize(
    "content",
    [b"", b'{"mask.lua": {"reas', b"[]", b'{"a": {"reason": 5}}', b"\xff", b'{"a": {"x": ' + b"[" * 100_000],
)
def test_broken_file_leaves_scripts_as_they_were_and_says_so(filters: Path, content: bytes) -> None:
    worker = Switches(filters)
    off = worker.switch_off("mask.lua", SHA, "loops", None, NOW_US)
    worker.read()
    (filters / OFF_NAME).write_bytes(content)

    found = worker.read()

    assert found == {"mask.lua": off}
    assert "off.json is broken" in worker.problem
    assert not worker.changed()


def test_mended_file_is_read_again(filters: Path) -> None:
    worker = Switches(filters)
    (filters).mkdir(parents=True)
    (filters / OFF_NAME).write_text("[]")
    worker.read()
    (filters / OFF_NAME).write_text("{}")

    assert worker.changed()
    assert worker.read() == {}
    assert worker.problem == ""


def test_worker_keeps_a_broken_file_and_writes_what_it_knows(filters: Path) -> None:
    worker = Switches(filters)
    worker.switch_off("mask.lua", SHA, "loops", None, NOW_US)
    worker.read()
    (filters / OFF_NAME).write_text("broken")

    worker.switch_off("other.lua", SHA, "loops", None, NOW_US)

    assert sorted(Switches(filters).read()) == ["mask.lua", "other.lua"]
    assert (filters / f"{OFF_NAME}{BROKEN_SUFFIX}").read_text() == "broken"


def test_one_who_only_looks_is_told_what_is_off_or_why_that_is_not_known(filters: Path) -> None:
    never = read_off(filters)
    off = Switches(filters).switch_off("mask.lua", SHA, "loops", None, NOW_US)
    known = read_off(filters)
    (filters / OFF_NAME).write_text("broken")

    unknown, why = read_off(filters)

    assert (never, known, unknown) == (({}, ""), ({"mask.lua": off}, ""), {})
    assert "off.json is broken" in why


def test_person_is_refused_on_a_broken_file_which_may_switch_others_off(filters: Path) -> None:
    filters.mkdir(parents=True)
    (filters / OFF_NAME).write_text("broken")

    with pytest.raises(JournalError, match=r"off\.json is broken: .*; correct it, or remove it"):
        Switches(filters).enable("mask.lua", "alice")

    assert (filters / OFF_NAME).read_text() == "broken"


def test_broken_strikes_are_counted_anew(filters: Path) -> None:
    filters.mkdir(parents=True)
    (filters / STRIKES_NAME).write_text("\xff")
    worker = Switches(filters)

    assert not worker.strike("mask.lua", SHA, "loops", None, NOW_US)
    assert worker.strike("mask.lua", SHA, "loops", None, NOW_US)


def test_file_that_cannot_be_read_is_looked_at_again_and_not_replaced(filters: Path) -> None:
    (filters / OFF_NAME).mkdir(parents=True)
    worker = Switches(filters)

    assert worker.read() == {}
    assert "cannot be read" in worker.problem
    assert worker.changed()
    worker.switch_off("mask.lua", SHA, "loops", None, NOW_US)
    assert (filters / OFF_NAME).is_dir()
    assert list(worker.read()) == ["mask.lua"]


def test_what_cannot_be_written_holds_in_this_worker_until_it_can(filters: Path, full_disk: Path) -> None:
    worker = Switches(filters)

    off = worker.switch_off("mask.lua", SHA, "loops", None, NOW_US)
    while_full = worker.read()
    words = worker.problem
    full_disk.rmdir()

    assert while_full == {"mask.lua": off}
    assert "cannot be written" in words
    assert worker.changed()
    assert worker.read() == Switches(filters).read() == {"mask.lua": off}
    assert worker.problem == ""
    assert not worker.changed()


def test_strikes_that_cannot_be_written_count_in_this_worker(filters: Path, full_disk: Path) -> None:
    worker = Switches(filters)

    assert not worker.strike("mask.lua", SHA, "loops", None, NOW_US)
    assert worker.strike("mask.lua", SHA, "loops", None, NOW_US)


def test_strike_that_could_not_be_written_is_written_later_and_no_trouble_any_more(
    filters: Path, full_disk: Path
) -> None:
    worker = Switches(filters)
    worker.read()
    worker.strike("mask.lua", SHA, "loops", None, NOW_US)
    while_full = worker.problem
    full_disk.rmdir()

    has_changed = worker.changed()
    worker.read()

    assert "mask.lua" in while_full
    assert has_changed
    assert (worker.problem, worker.changed()) == ("", False)
    assert Switches(filters).strike("mask.lua", SHA, "loops", None, NOW_US)


def test_trouble_is_said_once(filters: Path, full_disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    worker = Switches(filters)
    worker.switch_off("mask.lua", SHA, "loops", None, NOW_US)
    said = len(caplog.records)

    worker.read()
    worker.read()

    assert len(caplog.records) == said


def test_person_is_told_when_nothing_can_be_written(filters: Path, full_disk: Path) -> None:
    with pytest.raises(JournalError):
        Switches(filters).disable("mask.lua", "alice")


def test_person_is_told_what_holds_although_it_cannot_be_noted_who_it_was(filters: Path) -> None:
    (filters / HISTORY_NAME).mkdir(parents=True)

    with pytest.raises(JournalError, match=r"^mask\.lua disabled by alice, but .*switched\.log"):
        Switches(filters).disable("mask.lua", "alice")

    assert list(Switches(filters).read()) == ["mask.lua"]


def test_many_at_once_lose_nothing(filters: Path) -> None:
    def switch(number: int) -> None:
        Switches(filters).switch_off(f"{number}.lua", SHA, "loops", PACKET, NOW_US)
        Switches(filters).disable(f"{number} by hand.lua", "alice", NOW_US)

    threads = [Thread(target=switch, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(Switches(filters).read()) == 16


def test_file_can_be_read_by_a_person(filters: Path) -> None:
    Switches(filters).switch_off("mask.lua", SHA, "loops", None, NOW_US)

    text = (filters / OFF_NAME).read_text()

    assert json.loads(text)["mask.lua"]["reason"] == "loops"
    assert len(text.splitlines()) > 5
