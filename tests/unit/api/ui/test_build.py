"""Builds of a web UI, read: everything of it, and nothing else."""

import gzip
import os
import tarfile
from pathlib import Path

import pytest

from api.ui import build as build_module
from api.ui.build import read_build
from capture.errors import ConfigError
from tests.support.ui_builds import COMMON, FILES, INDEX, packed, unpacked


def a_member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, link: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.size, member.linkname = kind, size, link
    return member


@pytest.mark.parametrize("form", ["unpacked", "packed", "packed flat", "unpacked deeper"])
def test_build_is_read_in_every_form(tmp_path: Path, form: str) -> None:
    source = {
        "unpacked": lambda: unpacked(tmp_path / "ui"),
        "packed": lambda: packed(tmp_path / "ui.tar.gz"),
        "packed flat": lambda: packed(tmp_path / "ui.tgz", top="./"),
        "unpacked deeper": lambda: unpacked(tmp_path / "ui" / "dist" / "small").parents[1],
    }[form]()

    build = read_build(source)

    assert build.page == INDEX
    assert {name: file.unpacked() for name, file in build.files.items()} == {
        name.removesuffix(".gz"): gzip.decompress(content) if name.endswith(".gz") else content
        for name, content in FILES.items()
        if name != "index.html"
    }


def test_compressed_script_is_taken_as_it_is(tmp_path: Path) -> None:
    build = read_build(unpacked(tmp_path))

    name = "common.0123456789abcdef.js"
    assert build.files[name].packed == FILES[f"{name}.gz"]
    assert build.files[name].plain is None


def test_script_beside_its_compressed_form_is_read_once(tmp_path: Path) -> None:
    both = {**FILES, "common.0123456789abcdef.js": COMMON.encode()}

    build = read_build(unpacked(tmp_path, both))

    assert build.files["common.0123456789abcdef.js"].packed == FILES["common.0123456789abcdef.js.gz"]


def test_what_is_long_and_text_is_compressed_once(tmp_path: Path) -> None:
    text = b"let word = 1;\n" * 500

    build = read_build(unpacked(tmp_path, {**FILES, "long.js": text, "long.png": text}))

    assert build.files["long.js"].packed is not None
    assert build.files["long.js"].unpacked() == text
    assert build.files["long.png"].plain == text


@pytest.mark.parametrize(
    "member",
    [
        a_member("/etc/cron.d/x"),
        a_member("../x.js"),
        a_member("assets/../../x.js"),
        a_member("a\\..\\x.js"),
        a_member("a\nb.js"),
        a_member("/".join("d" * 20)),
    ],
    ids=lambda member: repr(member.name[:12]),
)
def test_archive_with_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, member: tarfile.TarInfo) -> None:
    source = packed(tmp_path / "ui.tar.gz", FILES, member)

    with pytest.raises(ConfigError, match="no name of a file in a build"):
        read_build(source)


@pytest.mark.parametrize(
    "member",
    [
        a_member("passwd.txt", tarfile.SYMTYPE, link="/etc/passwd"),
        a_member("passwd.txt", tarfile.LNKTYPE, link="index.html"),
        a_member("null", tarfile.CHRTYPE),
        a_member("disk", tarfile.BLKTYPE),
        a_member("pipe", tarfile.FIFOTYPE),
    ],
    ids=["symlink", "hard link", "character device", "block device", "fifo"],
)
def test_archive_with_anything_but_files_and_folders_is_refused(
    tmp_path: Path, member: tarfile.TarInfo
) -> None:
    source = packed(tmp_path / "ui.tar.gz", FILES, member)

    with pytest.raises(ConfigError, match="is no plain file"):
        read_build(source)


def test_archive_that_unpacks_to_too_much_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_module, "MAX_BYTES", 1_000_000)
    bomb = packed(tmp_path / "ui.tar.gz", FILES, a_member("zeros.bin", size=4_000_000))
    assert bomb.stat().st_size < 20_000

    with pytest.raises(ConfigError, match="is larger than"):
        read_build(bomb)


def test_archive_whose_header_is_too_large_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_module, "MAX_BYTES", 1_000_000)
    member = a_member("pax", tarfile.XHDTYPE, size=2**32)
    path = tmp_path / "ui.tar.gz"
    with gzip.open(path, "wb") as file:
        file.write(member.tobuf(tarfile.USTAR_FORMAT))
        file.write(bytes(4_000_000))

    with pytest.raises(ConfigError, match="is larger than"):
        read_build(path)


def test_script_that_unpacks_to_too_much_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_module, "MAX_BYTES", 1_000_000)
    source = unpacked(tmp_path, {**FILES, "zeros.js.gz": gzip.compress(bytes(4_000_000))})

    with pytest.raises(ConfigError, match="is larger than"):
        read_build(source)


def test_archive_beside_a_file_that_is_sent_as_it_is_hides_nothing(tmp_path: Path) -> None:
    source = unpacked(tmp_path, {**FILES, "tone.wav": b"RIFF", "tone.wav.gz": gzip.compress(b"RIFF")})

    files = read_build(source).files

    assert files["tone.wav"].unpacked() == b"RIFF"
    assert gzip.decompress(files["tone.wav.gz"].unpacked()) == b"RIFF"


@pytest.mark.parametrize("form", ["unpacked", "packed"])
def test_names_that_begin_with_a_dot_are_left_out(tmp_path: Path, form: str) -> None:
    files = {**FILES, ".env": b"secret", "assets/.git/config": b"secret", ".x/index.html": b"no page"}
    source = tmp_path / "ui" if form == "unpacked" else tmp_path / "ui.tar.gz"
    (unpacked if form == "unpacked" else packed)(source, files)

    assert read_build(source) == read_build(unpacked(tmp_path / "plain"))._replace(source=source)


def test_packed_index_page_does_not_take_the_place_of_the_one_that_is_sent(tmp_path: Path) -> None:
    build = read_build(unpacked(tmp_path, {**FILES, "index.html.gz": gzip.compress(FILES["index.html"])}))

    assert build.page.encode() == FILES["index.html"]
    assert not {"index.html", "index.html.gz"} & build.files.keys()


@pytest.mark.parametrize("form", ["unpacked", "packed"])
def test_too_many_files_are_no_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    monkeypatch.setattr(build_module, "MAX_FILES", 5)
    source = unpacked(tmp_path / "ui") if form == "unpacked" else packed(tmp_path / "ui.tar.gz")

    with pytest.raises(ConfigError, match="more than 5 files"):
        read_build(source)


def test_link_inside_of_the_directory_is_followed(tmp_path: Path) -> None:
    unpacked(tmp_path)
    (tmp_path / "also.ico").symlink_to("favicon.ico")

    assert read_build(tmp_path).files["also.ico"].unpacked() == FILES["favicon.ico"]


@pytest.mark.parametrize("kind", ["link out", "link to a folder", "broken link", "fifo"])
def test_directory_with_anything_strange_is_refused(tmp_path: Path, kind: str) -> None:
    source = unpacked(tmp_path / "ui")
    (tmp_path / "secret.txt").write_text("secret")
    strange = source / "assets" / "strange"
    match kind:
        case "link out":
            strange.symlink_to(tmp_path / "secret.txt")
        case "link to a folder":
            strange.symlink_to(tmp_path)
        case "broken link":
            strange.symlink_to("nothing")
        case _:
            os.mkfifo(strange)

    with pytest.raises(ConfigError, match="assets/strange is neither a file nor a directory of it"):
        read_build(source)


def test_what_is_no_build_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "ui.tar.gz").write_bytes(b"no archive")
    (tmp_path / "cut.tar.gz").write_bytes(packed(tmp_path / "whole.tar.gz").read_bytes()[:200])
    (tmp_path / "ui.zip").write_bytes(b"PK")
    latin = unpacked(tmp_path / "latin", {"index.html": b"\xe4"})
    corrupt = unpacked(tmp_path / "corrupt", {**FILES, "x.js.gz": b"no gzip"})

    for source, words in (
        (tmp_path / "nowhere", "neither a directory nor a .tar.gz"),
        (tmp_path / "ui.zip", "neither a directory nor a .tar.gz"),
        (tmp_path / "empty", "has no index.html"),
        (tmp_path / "ui.tar.gz", "cannot be read"),
        (tmp_path / "cut.tar.gz", "cannot be read"),
        (latin, "index.html is not UTF-8"),
        (corrupt, "cannot be read"),
    ):
        with pytest.raises(ConfigError, match=words) as refusal:
            read_build(source)
        assert str(source) in str(refusal.value)
