import json
import shutil
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
import pytest

from capture.errors import JournalError
from capture.imported import import_of, peer_of
from capture.journal.aside import REPLAYED_NAME, Aside, list_aside, read_aside, replay, set_aside
from capture.journal.figures import INTAKE_FIGURES, read_figures
from capture.journal.reader import JournalReader
from capture.journal.record import Carrier, Record
from tests.support.journals import PEER, a_journal, flip

JOURNAL = UUID("00112233-4455-6677-8899-aabbccddeeff")


def a_record(
    number: int = 7, packet: bytes = b"HEP3 with\nlines\0", carrier: Carrier = Carrier.UDP
) -> Record:
    return Record(number, 3, 8192 + number * 100, 1_700_000_000_000_000 + number, carrier, PEER, 9060, packet)


@pytest.fixture
def aside(tmp_path: Path) -> Path:
    return tmp_path / "journal" / "aside"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "journal" / "0007"


def records_of(journal: Path) -> list[Record]:
    reader = JournalReader.open(journal)
    records = reader.read().records
    assert reader.read().records == []
    reader.close()
    return records


def test_packet_set_aside_comes_back_with_its_circumstances(aside: Path) -> None:
    path = set_aside(aside, JOURNAL, a_record(), "refused: ä")

    assert read_aside(path) == Aside(JOURNAL, a_record(), "refused: ä")
    assert list_aside(aside) == [path]
    assert path.name == f"{JOURNAL}-0000000000000003-0000008892.packet"


def test_first_line_can_be_read_by_a_person(aside: Path) -> None:
    path = set_aside(aside, JOURNAL, a_record(), "why")

    facts = json.loads(path.read_bytes().split(b"\n")[0])

    assert (facts["reason"], facts["carrier"], facts["number"]) == ("why", "UDP", 7)


def test_setting_aside_twice_is_once(aside: Path) -> None:
    first = set_aside(aside, JOURNAL, a_record(), "first")

    assert set_aside(aside, JOURNAL, a_record(), "second") == first

    assert list_aside(aside) == [first]
    assert read_aside(first).reason == "first"
    assert list(aside.iterdir()) == [first]


def test_packets_are_listed_by_journal_and_place(aside: Path) -> None:
    paths = [set_aside(aside, JOURNAL, a_record(number), "why") for number in (30, 2, 11)]

    assert list_aside(aside) == [paths[1], paths[2], paths[0]]


def test_no_directory_is_no_packets(aside: Path) -> None:
    assert list_aside(aside) == []


@pytest.mark.parametrize("at", [0, 5, -1], ids=["brace", "facts", "packet"])
def test_damaged_file_is_a_journal_error(aside: Path, at: int) -> None:
    path = set_aside(aside, JOURNAL, a_record(), "why")
    flip(path, at % path.stat().st_size)

    with pytest.raises(JournalError, match=path.name):
        read_aside(path)


def test_file_that_is_cut_off_is_a_journal_error(aside: Path) -> None:
    path = set_aside(aside, JOURNAL, a_record(), "why")
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(JournalError, match="damaged"):
        read_aside(path)


def test_directory_that_cannot_be_written_is_a_journal_error(tmp_path: Path) -> None:
    (tmp_path / "aside").touch()

    with pytest.raises(JournalError, match="cannot be set aside"):
        set_aside(tmp_path / "aside", JOURNAL, a_record(), "why")


def test_replay_makes_a_journal_of_the_packets_and_removes_their_files(aside: Path, target: Path) -> None:
    for number in range(1, 301):
        set_aside(aside, JOURNAL, a_record(number, b"packet %d" % number), "why")

    result = replay(aside, target, a_journal())

    assert (result.replayed, result.skipped) == (300, [])
    assert list_aside(aside) == []
    records = records_of(target)
    assert [record.packet for record in records] == [b"packet %d" % number for number in range(1, 301)]
    assert {record.carrier for record in records} == {Carrier.REPLAY}
    assert records[0].arrival_us == a_record(1).arrival_us
    assert (records[0].peer, records[0].peer_port) == (PEER, 9060)


def test_replayed_packet_of_an_import_still_came_by_it(aside: Path, target: Path) -> None:
    imported = msgspec.structs.replace(a_record(1), carrier=Carrier.IMPORT, peer=peer_of(7, 1))
    set_aside(aside, JOURNAL, imported, "why")

    replay(aside, target, a_journal())

    (record,) = records_of(target)
    assert (record.carrier, import_of(record.peer)) == (Carrier.IMPORT, (7, 1))


def test_replayed_packets_count_as_received_again(aside: Path, target: Path) -> None:
    for number in range(1, 4):
        set_aside(aside, JOURNAL, a_record(number), "why")

    replay(aside, target, a_journal())

    assert read_figures(target / INTAKE_FIGURES)["last_number"] == 3


def test_replay_of_nothing_makes_no_journal(aside: Path, target: Path) -> None:
    aside.mkdir(parents=True)

    assert replay(aside, target, a_journal()).replayed == 0
    assert not target.exists()


def test_damaged_file_is_skipped_by_replay_and_stays(aside: Path, target: Path) -> None:
    good = set_aside(aside, JOURNAL, a_record(1), "why")
    bad = set_aside(aside, JOURNAL, a_record(2), "why")
    flip(bad, bad.stat().st_size - 1)

    result = replay(aside, target, a_journal())

    assert result.replayed == 1
    assert bad.name in result.skipped[0]
    assert list_aside(aside) == [bad]
    assert not good.exists()


def test_replay_into_a_journal_that_exists_is_refused(aside: Path, target: Path) -> None:
    set_aside(aside, JOURNAL, a_record(), "why")
    target.mkdir(parents=True)

    with pytest.raises(JournalError, match="exists already"):
        replay(aside, target, a_journal())

    assert len(list_aside(aside)) == 1


def test_replay_without_room_keeps_the_packets(aside: Path, target: Path) -> None:
    set_aside(aside, JOURNAL, a_record(), "why")

    with pytest.raises(JournalError, match="no room"):
        replay(aside, target, a_journal(min_free_bytes=1 << 60))

    assert len(list_aside(aside)) == 1
    assert not target.exists()


def test_packets_of_a_replay_that_was_killed_before_their_files_were_removed_are_not_replayed_twice(
    aside: Path, target: Path, tmp_path: Path
) -> None:
    set_aside(aside, JOURNAL, a_record(1, b"first"), "why")
    shutil.copytree(aside, tmp_path / "before")
    replay(aside, target, a_journal())
    shutil.copytree(tmp_path / "before", aside, dirs_exist_ok=True)
    set_aside(aside, uuid4(), a_record(2, b"second"), "why")
    another = target.with_name("0008")

    result = replay(aside, another, a_journal())

    assert result.replayed == 1
    assert [record.packet for record in records_of(another)] == [b"second"]
    assert list_aside(aside) == []


def test_what_a_killed_replay_had_begun_is_thrown_away(aside: Path, target: Path) -> None:
    set_aside(aside, JOURNAL, a_record(1, b"first"), "why")
    replay(aside, target, a_journal())
    begun = aside / "replay.partial"
    target.rename(begun)
    (begun / REPLAYED_NAME).unlink()
    set_aside(aside, JOURNAL, a_record(1, b"first"), "why")

    assert replay(aside, target, a_journal()).replayed == 1

    assert [record.packet for record in records_of(target)] == [b"first"]
