"""The web UI over HTTP: which path gives what, and how it may be kept."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from api.settings import GrafanaSettings, HttpSettings, UiSettings
from tests.support.api import Api, an_api
from tests.support.ui_builds import COMMON, FILES, packed, unpacked

HASHED = "/common.0123456789abcdef.js"


def ui(source: Path, **options: Any) -> dict[str, Any]:
    return {"ui": UiSettings(dir=source, **options)}


async def text_of(api: Api, path: str) -> str:
    answer = await api.client.get(path)
    assert answer.status_code == 200, path
    return answer.text


@pytest.mark.parametrize("form", ["unpacked", "packed"])
async def test_page_and_files_are_served(tmp_path: Path, form: str) -> None:
    source = unpacked(tmp_path / "ui") if form == "unpacked" else packed(tmp_path / "ui.tar.gz")

    async with an_api(**ui(source)) as api:
        page = await api.client.get("/")
        script = await api.client.get(HASHED)

    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-cache"
    assert "window.GLOBAL_CONFIG" in page.text
    assert script.text == COMMON
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/index.html",
        "/dashboard/home",
        "/dashboard/_1732900000000",
        "/preference/users",
        "/search/result",
        "/search/result/1.5",
        "/search/result?%7B%22param%22%3A%7B%7D%7D=",
        "/transaction/0d7d6a34-3d3b-4d9a-9b4f-1a0f6d6f3c11",
        "/direct-login",
        "/(system:login)?returnUrl=%2Fdashboard%2Fhome",
        "/%28system:login%29",
        "/dashboard/home(system:login)",
    ],
)
async def test_routes_inside_of_the_ui_begin_with_its_page(tmp_path: Path, path: str) -> None:
    async with an_api(**ui(unpacked(tmp_path))) as api:
        assert "window.GLOBAL_CONFIG" in await text_of(api, path)


@pytest.mark.parametrize("prefix", ["", "/homer"])
async def test_files_asked_for_below_a_route_are_found_beside_the_page(tmp_path: Path, prefix: str) -> None:
    async with an_api(**ui(unpacked(tmp_path)), http=HttpSettings(prefix=prefix)) as api:
        for path in ("dashboard/main.0123456789abcdef.js", "search/result/styles.0123456789abcdef.css"):
            answer = await api.client.get(f"{prefix}/{path}")
            name = path.rpartition("/")[2]
            assert (answer.status_code, answer.headers["location"]) == (307, f"{prefix}/{name}")


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/main.0123456789abcdef.js", "text/javascript; charset=utf-8"),
        ("/styles.0123456789abcdef.css", "text/css; charset=utf-8"),
        ("/any.woff2?v=2.137", "font/woff2"),
        ("/engine.wasm", "application/wasm"),
        ("/favicon.ico", "image/x-icon"),
        ("/assets/i18n/en.json", "application/json"),
        ("/assets/drawing.svg", "image/svg+xml"),
    ],
)
async def test_files_are_of_the_kind_that_browsers_want(tmp_path: Path, path: str, kind: str) -> None:
    async with an_api(**ui(unpacked(tmp_path))) as api:
        answer = await api.client.get(path)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == kind
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.content == FILES[path.partition("?")[0].removeprefix("/")]


async def test_compressed_script_goes_to_who_takes_it(tmp_path: Path) -> None:
    async with an_api(**ui(unpacked(tmp_path))) as api:
        for accepted, is_packed in (
            ("gzip, deflate, br", True),
            ("br;q=1.0, GZIP;q=0.5", True),
            ("*", True),
            ("gzip;q=0", False),
            ("*;q=0", False),
            ("br", False),
            ("", False),
        ):
            async with api.client.stream("GET", HASHED, headers={"Accept-Encoding": accepted}) as answer:
                raw = b"".join([piece async for piece in answer.aiter_raw()])
            assert answer.headers.get("content-encoding") == ("gzip" if is_packed else None), accepted
            assert "Accept-Encoding" in answer.headers["vary"]
            assert (gzip.decompress(raw) if is_packed else raw) == COMMON.encode()


async def test_what_a_browser_has_is_not_sent_again(tmp_path: Path) -> None:
    async with an_api(**ui(unpacked(tmp_path))) as api:
        for path in ("/", HASHED, "/assets/i18n/en.json"):
            tag = (await api.client.get(path)).headers["etag"]
            for given in (tag, f'"other", W/{tag}', "*"):
                again = await api.client.get(path, headers={"If-None-Match": given})
                assert (again.status_code, again.content) == (304, b""), (path, given)
                assert again.headers["etag"] == tag
            other = await api.client.get(path, headers={"If-None-Match": '"other"'})
            assert other.status_code == 200


async def test_each_representation_has_a_tag_of_its_own(tmp_path: Path) -> None:
    async with an_api(**ui(unpacked(tmp_path))) as api:
        one = await api.client.get(HASHED, headers={"Accept-Encoding": "gzip"})
        other = await api.client.get(HASHED, headers={"Accept-Encoding": "identity"})
        mixed = await api.client.get(
            HASHED, headers={"Accept-Encoding": "identity", "If-None-Match": one.headers["etag"]}
        )

    assert one.headers["etag"] != other.headers["etag"]
    assert mixed.status_code == 200


async def test_head_says_what_get_would(tmp_path: Path) -> None:
    async with an_api(**ui(unpacked(tmp_path))) as api:
        for path in ("/", HASHED):
            got, asked = await api.client.get(path), await api.client.head(path)
            assert asked.status_code == 200
            assert asked.headers == got.headers


@pytest.mark.parametrize(
    "path",
    [
        "/../pyproject.toml",
        "/assets/../../pyproject.toml",
        "/assets/%2e%2e/%2e%2e/etc/passwd",
        "/assets/..%2f..%2f..%2fetc/passwd",
        "/assets/..\\..\\etc\\passwd",
        "/assets//etc/passwd",
        "/assets/i18n/en.json/",
        "/assets/i18n/en.json%00.js",
        "/assets/",
        "/assets",
        "/%2fetc/passwd",
        "//etc/passwd",
        "/main.js",
        "/common.0123456789abcdef.js.gz",
        "/unknown",
    ],
)
async def test_no_name_leads_out_of_the_build(tmp_path: Path, path: str) -> None:
    source = unpacked(tmp_path / "ui")
    (tmp_path / "pyproject.toml").write_text("secret")

    async with an_api(**ui(source)) as api:
        scope_path = path.replace("%2e", ".").replace("%2f", "/").replace("%00", "\0").replace("%5c", "\\")
        answer = await api.client.get(path)
        assert answer.status_code == 404, answer.text
        assert api.context.site is not None
        assert api.context.site.find(scope_path.removeprefix("/")) is None


async def test_routes_of_the_api_are_never_hidden_by_a_file(tmp_path: Path) -> None:
    files = dict.fromkeys(("health", "docs", "openapi.json", "api/v3/auth/type/list", "ws"), b"{}")

    async with an_api(**ui(unpacked(tmp_path, {**FILES, **files}))) as api:
        api.trust()
        assert (await api.client.get("/openapi.json")).json()["info"]["title"] == "Rhapsode"
        assert "Rhapsode" in await text_of(api, "/docs")
        assert (await api.client.get("/api/v3/auth/type/list")).json() != {}
        assert (await api.client.get("/api/v3/unknown")).status_code == 401
        assert (await api.client.get("/api/v3/auth")).status_code in (401, 405)
        assert (await api.client.post("/dashboard/home")).status_code == 405


async def test_prefix_is_where_the_page_is(tmp_path: Path) -> None:
    options = ui(unpacked(tmp_path)) | {"http": HttpSettings(prefix="/homer")}

    async with an_api(**options) as api:
        for path in ("/homer/", "/homer/dashboard/home", "/transaction/1", "/search/result"):
            assert 'PREFIX: "/homer/",' in await text_of(api, path), path
        assert await text_of(api, f"/homer{HASHED}") == COMMON
        for path in ("/", "/homer"):
            answer = await api.client.get(path)
            assert (answer.status_code, answer.headers["location"]) == (307, "/homer/")
        assert (await api.client.get("/homer/api/v3/auth/type/list")).status_code == 200


async def test_policy_is_that_of_the_page_also_for_its_workers(tmp_path: Path) -> None:
    options = ui(unpacked(tmp_path), frames=("https://wiki.example",))
    options["grafana"] = GrafanaSettings(url="https://grafana.example:3000/sub")

    async with an_api(**options) as api:
        page = (await api.client.get("/")).headers["content-security-policy"]
        worker = (await api.client.get("/worker.0123456789abcdef.js")).headers["content-security-policy"]
        drawing = (await api.client.get("/assets/drawing.svg")).headers["content-security-policy"]

    assert "frame-src 'self' https://wiki.example https://grafana.example:3000;" in page
    assert worker == page
    assert "script-src" not in drawing
    assert "default-src 'none'" in drawing


async def test_without_a_build_the_page_of_the_api_is_shown() -> None:
    async with an_api() as api:
        answer = await api.client.get("/")
        unknown = await api.client.get("/dashboard/home")

    assert (answer.status_code, answer.headers["location"]) == (307, "docs")
    assert unknown.status_code == 404


async def test_build_that_cannot_be_read_stops_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with an_api(**ui(tmp_path / "nowhere")) as api:
        page = await api.client.get("/dashboard/home")
        types = await api.client.get("/api/v3/auth/type/list")
        health = (await api.client.get("/health")).json()

    assert page.status_code == 503
    assert page.json() == {"message": "the web UI cannot be shown: the log and /health say why"}
    assert types.status_code == 200
    words = f"the web UI in {tmp_path / 'nowhere'} is neither a directory nor a .tar.gz that is there"
    assert words in health["warnings"]
    assert words in caplog.text


@pytest.mark.parametrize("site", ["example.org", "https://example.org/path", "https://a b", "*", "https://*"])
def test_sites_of_frames_are_nothing_but_sites(site: str) -> None:
    with pytest.raises(ValueError, match="a site is http:// or https://"):
        UiSettings(frames=(site,))
