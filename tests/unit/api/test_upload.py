"""Files out of multipart forms, however they come and whatever is wrong with them."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from api.errors import ApiError
from api.upload import received_file
from capture.settings import JournalSettings

BOUNDARY = b"xyz"
LIMIT = 3_000_000


def a_form(content: bytes, name: bytes = b"fileKey", file_name: bytes = b"calls.pcap") -> bytes:
    return (
        b'--xyz\r\nContent-Disposition: form-data; name="label"\r\n\r\nticket-7\r\n'
        b'--xyz\r\nContent-Disposition: form-data; name="%b"; filename="%b"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n%b\r\n--xyz--\r\n" % (name, file_name, content)
    )


async def send(
    directory: Path,
    body: bytes | AsyncIterator[bytes],
    content_type: str = "multipart/form-data; boundary=xyz",
    journal: JournalSettings | None = None,
    limit: int = LIMIT,
) -> httpx.Response:
    async def endpoint(request: Request) -> Response:
        space = journal or JournalSettings(min_free_bytes=1)
        try:
            async with received_file(request, "fileKey", limit, directory, space) as upload:
                upload.file.seek(0)
                content = upload.file.read()
                said = {"name": upload.name, "fields": upload.fields, "content": content.hex()}
                return JSONResponse(said)
        except ApiError as error:
            return JSONResponse({"error": type(error).__name__, "words": str(error)})

    app = Starlette(routes=[Route("/", endpoint, methods=["POST"])])
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.post("/", content=body, headers={"Content-Type": content_type})


async def pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(body), size):
        yield body[at : at + size]


async def test_file_and_fields_of_a_form_are_received(tmp_path: Path) -> None:
    content = bytes(range(256)) * 10_000

    said = (await send(tmp_path, a_form(content))).json()

    assert bytes.fromhex(said["content"]) == content
    assert (said["name"], said["fields"]) == ("calls.pcap", {"label": "ticket-7"})
    assert not any(tmp_path.iterdir())  # noqa: ASYNC240 - nobody else waits here


@pytest.mark.parametrize("size", [1, 7, 100])
async def test_form_comes_in_pieces_of_any_size(tmp_path: Path, size: int) -> None:
    content = b"--xy\r\n--xyz-\r\n" * 20

    said = (await send(tmp_path, pieces(a_form(content), size))).json()

    assert bytes.fromhex(said["content"]) == content


@given(st.binary(max_size=300), st.integers(1, 40))
@settings(max_examples=60, deadline=None)
async def test_any_content_is_received_as_it_is(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, size: int
) -> None:
    if b"\r\n--xyz" in b"\r\n" + content:
        return
    directory = tmp_path_factory.mktemp("any")

    said = (await send(directory, pieces(a_form(content), size))).json()

    assert bytes.fromhex(said["content"]) == content


@given(st.binary(max_size=300))
@settings(max_examples=60, deadline=None)
async def test_any_body_is_a_file_or_an_error_of_ours(
    tmp_path_factory: pytest.TempPathFactory, body: bytes
) -> None:
    said = (await send(tmp_path_factory.mktemp("any"), b"--xyz" + body)).json()

    assert said.get("error", "RequestError") == "RequestError"


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "multipart/form-data", "multipart/form-data; boundary=" + "x" * 300, ""],
)
async def test_body_that_is_no_form_is_refused(tmp_path: Path, content_type: str) -> None:
    said = (await send(tmp_path, a_form(b"x"), content_type)).json()

    assert said["error"] == "RequestError"


async def test_form_without_the_file_is_refused_in_words(tmp_path: Path) -> None:
    said = (await send(tmp_path, a_form(b"x", name=b"file"))).json()

    assert said["words"] == "the form has no file in a part fileKey"


@pytest.mark.parametrize("missing", [4, 8, 100])
async def test_form_that_ends_too_early_is_refused(tmp_path: Path, missing: int) -> None:
    said = (await send(tmp_path, a_form(b"x" * 200)[:-missing])).json()

    assert said["error"] == "RequestError"


async def test_file_longer_than_allowed_is_refused_by_what_it_says_and_by_what_comes(tmp_path: Path) -> None:
    form = a_form(bytes(LIMIT + 70_000))

    declared = await send(tmp_path, form)
    streamed = await send(tmp_path, pieces(form, 65_536))

    assert declared.json()["error"] == streamed.json()["error"] == "BodyTooLarge"
    assert (await send(tmp_path, a_form(bytes(LIMIT)))).json()["name"] == "calls.pcap"


@pytest.mark.parametrize("form", [b"\r\n", a_form(b"x") + b"\r\n"], ids=["before", "behind"])
async def test_body_that_never_ends_beside_its_file_is_refused(tmp_path: Path, form: bytes) -> None:
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        yield form
        while sent < 100 * LIMIT:
            sent += 60_000
            yield b"\r\n" * 30_000

    assert (await send(tmp_path, body())).json()["error"] == "BodyTooLarge"
    assert sent < LIMIT + 200_000


@pytest.mark.parametrize(
    ("given_name", "name"),
    [
        (b"../../etc/passwd", "passwd"),
        (b"C:\\\\captures\\\\a.pcap", "a.pcap"),
        (b"", "fileKey"),
        ("ä.pcap".encode(), "ä.pcap"),
        (b"\xff.pcap", "\ufffd.pcap"),
    ],
)
async def test_name_of_a_file_is_without_its_directories(
    tmp_path: Path, given_name: bytes, name: str
) -> None:
    assert (await send(tmp_path, a_form(b"x", file_name=given_name))).json()["name"] == name


async def test_field_and_parts_without_end_are_refused(tmp_path: Path) -> None:
    field = b'--xyz\r\nContent-Disposition: form-data; name="a"\r\n\r\n%b\r\n'

    long = await send(tmp_path, field % (b"x" * 2000) + a_form(b"x"))
    many = await send(tmp_path, field % b"x" * 100 + a_form(b"x"))

    assert long.json()["words"] == "a field of the form is too long"
    assert many.json()["words"] == "the form has too many parts"


async def test_disk_without_room_to_spare_is_said(tmp_path: Path) -> None:
    said = (await send(tmp_path, a_form(b"x"), journal=JournalSettings(min_free_bytes=1 << 60))).json()

    assert said == {
        "error": "UploadRefused",
        "words": "the file cannot be kept meanwhile: too little room on the disk",
    }


async def test_directory_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    said = (await send(tmp_path / "none", a_form(b"x"))).json()

    assert said["error"] == "UploadRefused"
