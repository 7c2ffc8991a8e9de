"""Importing by HTTP: who may, what is answered, and what is in the journal then. No worker stores it here."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.imports import MOST_UPLOADS
from capture.imported import read_reports, reports_directory
from capture.settings import ImportSettings, JournalSettings
from tests.support.api import Api, an_api, bearer
from tests.support.frames import TCP, ipv4, tcp
from tests.support.importing import HOUR_US, NOW_US, a_file, a_message, packets_of, sip_frames

BASE = "/api/v3"
USER, ADMIN = bearer("alice"), bearer("root")


@asynccontextmanager
async def importing(data_dir: Path | None, **imports: Any) -> AsyncIterator[Api]:
    settings = ImportSettings(**{"wait_s": 0, "stalled_s": 0.5, **imports})
    async with an_api(data_dir=data_dir, imports=settings, journal=JournalSettings(min_free_bytes=1)) as api:
        api.trust(alice="user", root="admin")
        yield api


async def upload(
    api: Api,
    path: Path,
    *,
    now: bool = False,
    part: str = "fileKey",
    headers: dict[str, str] | None = None,
    **fields: str,
) -> httpx.Response:
    content = path.read_bytes()  # noqa: ASYNC240 - nobody else waits here
    route = f"{BASE}/import/data/pcap" + ("/now" if now else "")
    files = {part: (path.name, content)}
    return await api.client.post(
        route, files=files, data=fields, headers=USER if headers is None else headers
    )


async def test_import_answers_as_homer_does_when_its_packets_are_in_the_journal(tmp_path: Path) -> None:
    path = a_file(tmp_path / "calls.pcap", sip_frames(3))

    async with importing(tmp_path) as api:
        answer = await upload(api, path)

    data = answer.json()["data"]
    assert answer.status_code == 201
    assert answer.json()["message"] == "All good"
    assert (data["inserted"], data["rejected"]) == (3, 0)
    assert data["label"].startswith("calls-")
    assert [packet.payload for packet in packets_of(tmp_path)] == [a_message(n) for n in (1, 2, 3)]
    assert "3 packets are safe in the journal and not stored yet" in answer.headers["X-Rhapsode-Warning"]


async def test_label_is_taken_from_the_form_or_the_address(tmp_path: Path) -> None:
    path = a_file(tmp_path / "calls.pcap", sip_frames(1))

    async with importing(tmp_path) as api:
        first = await upload(api, path, label="ticket-7")
        second = await api.client.post(
            f"{BASE}/import/data/pcap?label=ticket-8",
            files={"fileKey": path.read_bytes()},
            headers=USER,
        )

    assert [answer.json()["data"]["label"] for answer in (first, second)] == ["ticket-7", "ticket-8"]
    assert [(report.label, report.by) for report in read_reports(reports_directory(tmp_path))] == [
        ("ticket-7", "alice"),
        ("ticket-8", "alice"),
    ]


async def test_now_moves_times_to_the_present(tmp_path: Path) -> None:
    path = a_file(tmp_path / "old.pcap", sip_frames(2), [NOW_US - 400 * 24 * HOUR_US] * 2)

    async with importing(tmp_path) as api:
        kept = await upload(api, path)
        moved = await upload(api, path, now=True)

    assert kept.json()["data"]["reasons"] == {"older than `retention.call` keeps it": 2}
    assert kept.json()["message"].startswith("not everything could be imported: 2 older than")
    assert "import/data/pcap/now moves times" in kept.headers["X-Rhapsode-Warning"]
    assert moved.json()["data"]["inserted"] == 2


async def test_file_that_is_no_capture_is_bad_pcap_data(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"not a capture, but a text that is long enough")

    async with importing(tmp_path) as api:
        answer = await upload(api, path)

    assert answer.status_code == 400
    assert answer.json() == {
        "message": "bad pcap data: a.txt is not a packet capture: neither pcap nor pcapng",
        "data": {},
    }


async def test_broken_file_is_an_error_that_says_what_was_imported(tmp_path: Path) -> None:
    path = a_file(tmp_path / "calls.pcap", sip_frames(3))
    path.write_bytes(path.read_bytes()[:-9])

    async with importing(tmp_path) as api:
        answer = await upload(api, path, label="ticket-7")

    assert answer.status_code == 400
    assert answer.json()["message"] == (
        "bad pcap data: calls.pcap ends in the middle of packet 3; the packets before that are imported"
    )
    assert (answer.json()["data"]["inserted"], answer.json()["data"]["label"]) == (2, "ticket-7")
    assert len(packets_of(tmp_path)) == 2


async def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    tls = ipv4(tcp(b"\x16\x03\x01\x02\x00" + bytes(200), 1), TCP)

    async with importing(tmp_path) as api:
        answer = await upload(api, a_file(tmp_path / "a.pcap", [tls]))

    assert answer.json()["data"] == {
        "inserted": 0,
        "rejected": 0,
        "label": "",
        "reasons": {},
        "passed_over": {"segments of TLS": 1},
    }
    assert "1 segments of TLS cannot be read" in answer.headers["X-Rhapsode-Warning"]


@pytest.mark.parametrize("label", ["a b", "../x", "x" * 65])
async def test_label_that_is_none_is_refused(tmp_path: Path, label: str) -> None:
    async with importing(tmp_path) as api:
        answer = await upload(api, a_file(tmp_path / "a.pcap", sip_frames(1)), label=label)

    assert answer.status_code == 400
    assert answer.json()["message"].startswith("a label has 1 to 64 letters")


async def test_form_without_the_part_and_other_bodies_are_refused(tmp_path: Path) -> None:
    async with importing(tmp_path) as api:
        other = await upload(api, a_file(tmp_path / "a.pcap", sip_frames(1)), part="file")
        json = await api.client.post(f"{BASE}/import/data/pcap", json={}, headers=USER)

    assert (other.status_code, json.status_code) == (400, 400)
    assert other.json()["message"] == "the form has no file in a part fileKey"


async def test_file_over_the_limit_is_413(tmp_path: Path) -> None:
    path = a_file(tmp_path / "a.pcap", sip_frames(400))

    async with importing(tmp_path, max_bytes=1024) as api:
        answer = await upload(api, path)

    assert answer.status_code == 413


async def test_nobody_imports_without_a_login(tmp_path: Path) -> None:
    path = a_file(tmp_path / "a.pcap", sip_frames(1))

    async with importing(tmp_path) as api:
        answers = [await upload(api, path, headers={}), await upload(api, path, headers={}, now=True)]

    assert [answer.status_code for answer in answers] == [401, 401]
    assert not (tmp_path / "journal").exists()


async def test_list_and_deletion_are_for_administrators(tmp_path: Path) -> None:
    async with importing(tmp_path) as api:
        answers = [
            await api.client.request(method, f"{BASE}/rhapsode/imports{rest}", headers=headers)
            for method, rest in (("GET", ""), ("DELETE", "/x"))
            for headers in ({}, USER)
        ]

    assert [answer.status_code for answer in answers] == [401, 403, 401, 403]


async def test_list_has_the_newest_first(tmp_path: Path) -> None:
    path = a_file(tmp_path / "calls.pcap", sip_frames(2))

    async with importing(tmp_path) as api:
        for label in ("first", "second"):
            await upload(api, path, label=label)
        answer = await api.client.get(f"{BASE}/rhapsode/imports", headers=ADMIN)

    rows = answer.json()["data"]
    assert answer.status_code == 200
    assert answer.json()["count"] == 2
    assert [row["label"] for row in rows] == ["second", "first"]
    assert (rows[0]["file"], rows[0]["by"], rows[0]["inserted"]) == ("calls.pcap", "alice", 2)
    assert rows[0]["first"] == (NOW_US - HOUR_US) // 1000
    assert rows[0]["ended"] >= rows[0]["begun"]


async def test_deletion_of_what_is_not_there_or_not_stored_yet_is_told_apart(tmp_path: Path) -> None:
    path = a_file(tmp_path / "calls.pcap", sip_frames(2))

    async with importing(tmp_path) as api:
        await upload(api, path, label="ticket-7")
        unknown = await api.client.delete(f"{BASE}/rhapsode/imports/other", headers=ADMIN)
        early = await api.client.delete(f"{BASE}/rhapsode/imports/ticket-7", headers=ADMIN)

    assert (unknown.status_code, unknown.json()["message"]) == (
        404,
        "there is no import with the label other",
    )
    assert early.status_code == 409
    assert "still to be stored" in early.json()["message"]


async def test_api_on_another_machine_says_so(tmp_path: Path) -> None:
    async with importing(None) as api:
        answers = [
            await upload(api, a_file(tmp_path / "a.pcap", sip_frames(1))),
            await api.client.get(f"{BASE}/rhapsode/imports", headers=ADMIN),
            await api.client.delete(f"{BASE}/rhapsode/imports/x", headers=ADMIN),
        ]

    assert [answer.status_code for answer in answers] == [503, 503, 503]
    assert answers[0].json()["message"] == "the journal of imports is on another machine: import there"


async def test_more_files_at_once_than_the_disk_should_hold_are_refused(tmp_path: Path) -> None:
    path = a_file(tmp_path / "a.pcap", sip_frames(1))

    async with importing(tmp_path) as api:
        taken = [api.context.imports.uploading() for _ in range(MOST_UPLOADS)]
        for each in taken:
            each.__enter__()
        refused = await upload(api, path)
        for each in taken:
            each.__exit__(None, None, None)
        accepted = await upload(api, path)

    assert (refused.status_code, accepted.status_code) == (409, 201)


async def test_journal_without_room_is_an_error_that_says_what_was_imported(tmp_path: Path) -> None:
    frames = sip_frames(8000)

    async with importing(tmp_path, journal_bytes=1024 * 1024) as api:
        answer = await upload(api, a_file(tmp_path / "a.pcap", frames))

    assert answer.status_code == 503
    assert answer.json()["message"].startswith("the journal of imports is full")
    assert answer.json()["data"]["inserted"] == len(packets_of(tmp_path))


async def test_machine_that_can_start_no_process_is_an_error_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = a_file(tmp_path / "a.pcap", sip_frames(1))

    async with importing(tmp_path) as api:
        monkeypatch.setattr(sys, "executable", str(tmp_path / "nothing"))
        answer = await upload(api, path)
        monkeypatch.undo()
        again = await upload(api, path)

    assert answer.status_code == 503
    assert answer.json()["message"] == "the process that imports cannot be started: the log says why"
    assert again.status_code == 201
