"""Requests as no client's library would send them, to the real command with a web UI."""

import socket
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote, urlsplit

import httpx
import pytest

from capture.imported import check_label
from tests.support.hostile_values import SHAPES, TEXTS
from tests.support.importing import a_file, sip_frames
from tests.support.rhapsode import Rhapsode, rhapsode_up
from tests.support.ui_builds import unpacked

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SECRET = "nobody is to read this"  # noqa: S105 - it is in a file
OUT = [
    "/../secret.txt",
    "/../../../../../../../../etc/passwd",
    "/assets/../../secret.txt",
    "/%2e%2e/secret.txt",
    "/%2e%2e%2fsecret.txt",
    "/..%2fsecret.txt",
    "/..%5csecret.txt",
    "/..\\secret.txt",
    "/.%2e/secret.txt",
    "/%252e%252e/secret.txt",
    "/..%c0%afsecret.txt",
    "/..;/secret.txt",
    "//secret.txt",
    "/assets/./../../secret.txt",
    "/assets//../..//secret.txt",
    "{secret}",
    "/{secret}",
    "/%2f{secret}",
    "/file://{secret}",
    "/../secret.txt%00.js",
    "/../secret.txt?x=.js",
    "/link.txt",
    "/api/v3/../../secret.txt",
    "/grafana/../secret.txt",
    "http://127.0.0.1/../secret.txt",
    "secret.txt",
    "../secret.txt",
    "*",
]
"""Targets of requests. `link.txt` is a link within the web UI that leads out of it."""
ODD = ("quotes", "nul", "emoji", "right-to-left", "path", "markup", "backslashes")
NAMES = [TEXTS[name].encode() for name in ODD] + [
    b"a%0d%0aSet-Cookie: b=c.pcap",
    b"\xff\xfe.pcap",
    b"x" * 60_000 + b".pcap",
    b'a"; filename="b.pcap',
    b"../../../journal/x.pcap",
]


@pytest.fixture(scope="module")
def running() -> Iterator[Rhapsode]:
    with TemporaryDirectory(prefix="rhapsode-hostile-") as directory:
        root = Path(directory)
        (root / "secret.txt").write_text(SECRET)
        build = unpacked(root / "ui")
        (build / "link.txt").symlink_to(root / "secret.txt")
        with rhapsode_up(root / "data", "--ui-dir", build) as running:
            yield running
            assert "Traceback" not in running.output


def said(running: Rhapsode, request: bytes) -> bytes:
    """The whole answer to one request."""
    address = urlsplit(running.web)
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        connection.sendall(request)
        parts = []
        while part := connection.recv(65_536):
            parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize("target", OUT)
def test_no_target_leads_to_a_file_outside_of_the_web_ui(running: Rhapsode, target: str) -> None:
    assert running.data_dir is not None
    path = target.replace("{secret}", str(running.data_dir.parent / "secret.txt"))

    answer = said(running, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode("latin-1"))

    assert answer.split(b" ", 2)[1] in (b"400", b"401", b"404"), answer[:300]
    assert SECRET.encode() not in answer
    assert b"root:" not in answer


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_name_of_a_file_gets_into_no_header_and_no_directory(
    running: Rhapsode, name: bytes, tmp_path: Path
) -> None:
    assert running.data_dir is not None
    capture = a_file(tmp_path / "x.pcap", sip_frames(1)).read_bytes()
    before = files(running.data_dir.parent)
    part = b'--b\r\nContent-Disposition: form-data; name="fileKey"; filename="%s"\r\n\r\n%s\r\n--b--\r\n'

    with running.login() as client:
        answer = client.post(
            "/api/v3/import/data/pcap",
            content=part % (name, capture),
            headers={"Content-Type": "multipart/form-data; boundary=b"},
        )

    assert answer.status_code in (201, 400), answer.text
    assert "set-cookie" not in answer.headers
    if answer.status_code == httpx.codes.CREATED:
        assert check_label(answer.json()["data"]["label"])
        assert answer.json()["data"]["inserted"] == 1
    assert files(running.data_dir.parent) == before


def files(root: Path) -> set[Path]:
    """All that are there, but for what the server writes by names of its own."""
    found = set(root.rglob("*"))
    return {path for path in found if not {"journal", "postgres"} & set(path.relative_to(root).parts)}


@pytest.mark.parametrize("shape", ["deep lists", "deep objects"])
def test_json_of_ten_thousand_levels_is_refused(running: Rhapsode, shape: str) -> None:
    with running.login() as client:
        for method, path in (
            ("POST", "/api/v3/search/call/data"),
            ("PUT", "/api/v3/dashboard/store/home"),
            ("POST", "/api/v3/advanced"),
            ("POST", "/api/v3/auth"),
        ):
            deep = SHAPES[shape]
            body = f'{{"param": {{"search": {deep}}}, "data": {deep}, "username": {deep}}}'
            answer = client.request(method, path, content=body, headers={"Content-Type": "application/json"})
            assert answer.status_code == 400, path
            assert (
                answer.json() == {"message": "request format is not correct", "data": {}}
                or "nested" in answer.text
            )


def test_heads_without_measure_are_refused_and_others_go_on(running: Rhapsode) -> None:
    long = b"a" * 200_000
    heads = [
        b"GET /" + long + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + long + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + long + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"POST /api/v3/auth HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"\0\x01\x02\r\n\r\n",
    ]

    for head in heads:
        status = said(running, head.replace(b"Host: x", b"Host: x\r\nConnection: close")).split(b" ", 2)
        assert not status[1:] or status[1].startswith((b"4", b"3")), (head[:60], status)
    assert httpx.get(f"{running.web}/health").status_code == httpx.codes.OK


def test_header_that_an_answer_repeats_holds_no_other(running: Rhapsode) -> None:
    evil = quote("x\r\nSet-Cookie: a=b")
    with running.login() as client:
        for path in (
            f"/api/v3/dashboard/store/{evil}",
            f"/api/v3/version/ui/check/{evil}",
            f"/{evil}",
            f"/docs/{evil}",
        ):
            assert "set-cookie" not in client.get(path).headers
        body = {
            "param": {
                "search": {
                    "1_call": [{"name": "x\r\nSet-Cookie: a=b", "value": "\r\n\r\n", "type": "string"}]
                }
            },
            "timestamp": {"from": 0, "to": 1},
        }
        answer = client.post("/api/v3/search/call/data", json=body)

    assert "unknown field: x" in answer.headers["X-Rhapsode-Warning"]
    assert "set-cookie" not in answer.headers
