"""What goes on to Grafana and what comes back."""

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api.errors import RequestError
from api.proxies.relay import (
    may_post,
    onward_headers,
    onward_path,
    onward_query,
    returned_headers,
    returned_location,
)


@pytest.mark.parametrize(
    ("raw", "onward"),
    [
        (b"/grafana", "/"),
        (b"/grafana/", "/"),
        (b"/grafana/d/uid/name", "/d/uid/name"),
        (b"/grafana/d/uid/CPU%20%2F%2F%20Load%2050%25", "/d/uid/CPU%20%2F%2F%20Load%2050%25"),
        (b"/grafana/d/%C3%BC/a..b/...", "/d/%C3%BC/a..b/..."),
        (b"/grafana/a@b:80/", "/a@b:80/"),
    ],
)
def test_path_goes_on_as_it_came(raw: bytes, onward: str) -> None:
    assert onward_path(raw, "/grafana") == onward


@pytest.mark.parametrize(
    "raw",
    [
        b"/grafana/..",
        b"/grafana/../api",
        b"/grafana/./api",
        b"/grafana/public/..%2f..%2fetc/passwd",
        b"/grafana/%2e%2e/api",
        b"/grafana/%2E%2E%2Fapi",
        b"/grafana/%252e%252e/api",
        b"/grafana/%25252525252525252e/api",
        b"/grafana/..;/api",
        b"/grafana/..%3bx/api",
        b"/grafana/..\\api",
        b"/grafana/%5c%5celsewhere",
        b"/grafana//elsewhere",
        b"/grafana/a%0d%0aX:%20y",
        b"/grafana/a%00",
        b"/grafana/\xff",
        b"/grafanax",
        b"/gr%61fana/x",
        b"/other",
        b"",
    ],
)
def test_path_that_could_lead_out_goes_nowhere(raw: bytes) -> None:
    with pytest.raises(RequestError):
        onward_path(raw, "/grafana")


PARTS = st.sampled_from(
    ["..", ".", "/", "\\", "%2e", "%2f", "%5c", "%25", ";", "a", "%00", "%0a", "@", ":", "?"]
)


@given(st.lists(PARTS, max_size=12).map("".join))
@example("%25252e")
def test_no_path_leads_out_however_often_it_is_decoded(rest: str) -> None:
    try:
        path = onward_path(f"/g/{rest}".encode(), "/g")
    except RequestError:
        return
    for _ in range(10):
        assert path.startswith("/")
        assert not path.startswith("//") or "%2" in rest
        assert not {part.partition(";")[0] for part in path.replace("\\", "/").split("/")} & {".", ".."}
        path = unquote(path)


@pytest.mark.parametrize(
    ("raw", "onward"),
    [
        (b"", ""),
        (b"orgId=1&from=now-5m&JWT=0123456789abcde&kiosk=full&", "orgId=1&from=now-5m&kiosk=full&"),
        (b"%4a%57T=x&a=JWT", "a=JWT"),
        (b"JWT&jwt=x", "jwt=x"),
        (b"a=%0d%0a&b=%26c", "a=%0d%0a&b=%26c"),
    ],
)
def test_query_goes_on_without_a_piece_of_the_token(raw: bytes, onward: str) -> None:
    assert onward_query(raw) == onward


def test_query_that_is_no_ascii_goes_nowhere() -> None:
    with pytest.raises(RequestError):
        onward_query(b"a=\xff")


@pytest.mark.parametrize(
    ("path", "may"),
    [
        ("/api/ds/query", True),
        ("/api/tsdb/query", True),
        ("/apis/query.grafana.app/v0alpha1/namespaces/default/query", True),
        ("/api%2Fds/query", True),
        ("/api/ds/query/", False),
        ("/api/ds/query\n", False),
        ("/api/admin/users", False),
        ("/api/datasources/proxy/1/api/v1/admin/tsdb/delete_series", False),
        ("/login", False),
        ("/", False),
    ],
)
def test_only_queries_are_posted(path: str, may: bool) -> None:
    assert may_post(path) is may


def test_only_harmless_headers_of_a_request_go_on() -> None:
    given = {
        "Accept": "*/*",
        "Content-Type": "application/json",
        "X-Panel-Id": "2",
        "If-None-Match": '"a"',
        "User-Agent": "ü",
        "Authorization": "Bearer ours",
        "Auth-Token": "ours",
        "Cookie": "rhapsode_page=ours; grafana_session=x",
        "Host": "us",
        "Origin": "http://us",
        "Referer": "http://us/?JWT=x",
        "X-WEBAUTH-USER": "admin",
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Host": "elsewhere",
        "X-JWT-Assertion": "x",
        "X-DS-Authorization": "x",
        "X-Original-URL": "/api/admin",
        "Connection": "upgrade",
        "Transfer-Encoding": "chunked",
        "Content-Length": "7",
    }

    assert onward_headers(given.items()) == {
        "Accept": "*/*",
        "Content-Type": "application/json",
        "X-Panel-Id": "2",
        "If-None-Match": '"a"',
    }


def test_only_harmless_headers_of_an_answer_come_back() -> None:
    returned = returned_headers(
        {
            "Content-Type": "text/html",
            "ETag": '"a"',
            "Set-Cookie": "grafana_session=x",
            "Location": "http://elsewhere",
            "Content-Security-Policy": "default-src *",
            "X-Frame-Options": "deny",
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Allow-Credentials": "true",
            "WWW-Authenticate": "Basic",
            "Service-Worker-Allowed": "/",
            "Clear-Site-Data": "*",
            "Refresh": "0;url=http://elsewhere",
            "Link": "<http://elsewhere>; rel=preload",
            "Connection": "close",
            "Transfer-Encoding": "chunked",
        }
    )

    policy = returned.pop("content-security-policy")
    assert returned == {
        "content-type": "text/html",
        "etag": '"a"',
        "cache-control": "no-store",
        "vary": "Authorization, Cookie",
    }
    assert "frame-ancestors 'self'" in policy
    assert "connect-src 'self'" in policy


def leads(location: str, *, server: str = "http://10.0.0.1:3000", base: str = "/grafana") -> str | None:
    return returned_location(location, f"{server}/d/x", urlsplit(server).path, "https://us.example", base)


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("/login", "/grafana/login"),
        ("/grafana/login?x=1", "/grafana/login?x=1"),
        ("y", "/grafana/d/y"),
        ("?a=b", "/grafana/d/x?a=b"),
        ("http://10.0.0.1:3000/login", "/grafana/login"),
        ("https://us.example/grafana/login", "/grafana/login"),
        ("#part", "/grafana/d/x"),
        ("", "/grafana/d/x"),
    ],
)
def test_redirect_stays_below_our_path(location: str, path: str) -> None:
    assert leads(location) == path


def test_redirect_of_a_grafana_below_a_path_of_its_own_stays_below_ours() -> None:
    assert leads("/g/login", server="http://10.0.0.1:3000/g") == "/grafana/login"
    assert leads("/g/login", server="http://10.0.0.1:3000/g", base="/homer/g") == "/homer/g/login"
    assert leads("/homer/g/x", server="http://10.0.0.1:3000/g", base="/homer/g") == "/homer/g/x"


@pytest.mark.parametrize(
    "location",
    [
        "http://elsewhere/",
        "//elsewhere/",
        "https://10.0.0.1:3000/login",
        "http://10.0.0.1/login",
        "http://10.0.0.1:3000@elsewhere/",
        "http://us.example/grafana/",
        "https://us.example@elsewhere/grafana/",
        "javascript:alert(1)",
        "data:text/html,x",
        "/\\elsewhere",
        "/%5celsewhere",
        "/..%2f..%2fx",
        "http://[::1",
        "http://10.0.0.1:99999/",
        "/ü",
        "/a%0d%0aX: y",
        "/a?ü",
        "/a?\x00",
    ],
)
def test_redirect_to_anywhere_else_is_none(location: str) -> None:
    assert leads(location) is None


@given(st.text(max_size=40) | st.lists(PARTS, max_size=8).map("".join).map(lambda text: f"/{text}"))
@example("////elsewhere")
@example("/./\t/elsewhere")
def test_no_redirect_leads_out(location: str) -> None:
    path = leads(location)

    assert path is None or path == "/grafana" or path.startswith(("/grafana/", "/grafana?"))
    if path is not None:
        assert "\\" not in unquote(path.partition("?")[0])
        assert path.isascii()
        assert path.isprintable()
