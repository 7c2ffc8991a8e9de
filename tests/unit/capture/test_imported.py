from pathlib import Path

import msgspec
import pytest

from capture.errors import JournalError, LabelRefused
from capture.imported import (
    ImportReport,
    Labels,
    check_label,
    import_of,
    made_up_label,
    peer_of,
    read_reports,
    write_report,
)

NUMBER = 1_796_048_551_123_456


@pytest.mark.parametrize("time_us", [0, 1_700_000_000_000_000, -5])
def test_import_and_time_of_a_frame_stand_in_place_of_a_peer(time_us: int) -> None:
    peer = peer_of(NUMBER, time_us)

    assert len(peer) == 16
    assert import_of(peer) == (NUMBER, time_us)


@pytest.mark.parametrize("label", ["a", "ticket-4711", "Case_7.b", "9" * 64])
def test_label_that_needs_no_quoting_is_taken(label: str) -> None:
    assert check_label(label) == label


@pytest.mark.parametrize("label", ["", "-a", ".", "a b", "a/b", "a%", "ü", "a;b", "a\n", "9" * 65, "a\0"])
def test_other_labels_are_refused_in_words(label: str) -> None:
    with pytest.raises(LabelRefused, match="a label has 1 to 64 letters"):
        check_label(label)


@pytest.mark.parametrize(
    "file", ["calls.pcap", "", "../../etc/passwd", "ä ö.pcapng", "x" * 300, "\r\n\0.pcap"]
)
def test_made_up_label_is_one_and_names_file_and_moment(file: str) -> None:
    label = made_up_label(file, NUMBER)

    assert check_label(label) == label
    assert label.endswith("-20261130T142231.123456")


def test_reports_are_read_back_oldest_first(tmp_path: Path) -> None:
    later = ImportReport(NUMBER + 1, "b", "b.pcap", "admin", rejected={"cut": 3})
    write_report(tmp_path / "reports", later)
    write_report(tmp_path / "reports", ImportReport(NUMBER, "a", "a.pcap", "bob"))
    (tmp_path / "reports" / "broken.json").write_bytes(b"{")

    found = list(read_reports(tmp_path / "reports"))

    assert [report.label for report in found] == ["a", "b"]
    assert found[1] == later


def test_label_is_found_by_number_as_long_as_there_is_a_report(tmp_path: Path) -> None:
    write_report(tmp_path, ImportReport(NUMBER, "a", "a.pcap", "bob"))
    labels = Labels(tmp_path)

    assert labels.of(NUMBER) == "a"
    assert labels.of(NUMBER + 1) is None


def test_report_that_cannot_be_written_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("a file is in the way")

    with pytest.raises(JournalError, match="cannot be written"):
        write_report(tmp_path / "reports", ImportReport(NUMBER, "a", "a.pcap", "bob"))


def test_report_of_another_release_with_more_fields_is_read() -> None:
    data = msgspec.json.encode({"number": 1, "label": "a", "file": "f", "by": "b", "later": [1]})

    assert msgspec.json.decode(data, type=ImportReport).label == "a"
