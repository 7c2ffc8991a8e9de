"""Settings of other servers: what cannot be is refused at the start, and no error shows a secret."""

import pytest
from pydantic import ValidationError

from api.settings import GrafanaSettings, LokiSettings, ServerSettings


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("http://127.0.0.1:9090", "http://127.0.0.1:9090"),
        ("https://prometheus.example/base/", "https://prometheus.example/base"),
        ("http://[::1]:9090", "http://[::1]:9090"),
        ("http://prometheus_1", "http://prometheus_1"),
    ],
)
def test_address_has_no_slash_at_its_end(url: str, kept: str) -> None:
    assert ServerSettings(url=url).url == kept


@pytest.mark.parametrize(
    "url",
    [
        "",
        "prometheus:9090",
        "ftp://prometheus",
        "file:///etc/passwd",
        "unix:/run/x",
        "http://",
        "http:///path",
        "http://:9090",
        "http://host:0",
        "http://host:99999",
        "http://host:x",
        "http://ali:sesame@host",
        "http://@host",
        "http://host?x=1",
        "http://host/#part",
        "http://host/../x",
        "http://host/%2e%2e/x",
        "http://host\\@elsewhere",
        "http://host\r\nX: y",
        "http://ho st",
        "http://hö.example",
        "http://[::1",
        "http://ho%73t",
    ],
)
def test_address_that_could_be_another_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        ServerSettings(url=url)


@pytest.mark.parametrize(
    "given",
    [
        {"user": "ali"},
        {"password": "sesame"},
        {"user": "ali", "password": "sesame", "token": "swordfish"},
        {"user": "a:b", "password": "sesame"},
        {"token": "sword fish"},
        {"token": "sesame\r\nX: y"},
        {"token": "sésame"},
        {"timeout_s": 0},
        {"max_answer_bytes": 1},
        {"verify": False},
    ],
)
def test_credentials_are_whole_and_of_one_kind(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as caught:
        ServerSettings(**given)

    shown = str(caught.value.errors(include_input=False, include_url=False, include_context=False))
    assert "sesame" not in shown
    assert "fish" not in shown


def test_secrets_do_not_show() -> None:
    secrets = {"user": "ali", "password": "sesame"}
    settings = GrafanaSettings(url="http://host", viewer_token="swordfish", **secrets)  # noqa: S106

    assert "sesame" not in repr(settings)
    assert "swordfish" not in repr(settings)


@pytest.mark.parametrize("path", ["grafana", "a/b_c-1"])
def test_path_of_grafanas_pages(path: str) -> None:
    assert GrafanaSettings(path=path).path == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/grafana",
        "grafana/",
        "a//b",
        "..",
        "a/../b",
        "a b",
        "ä",
        "api",
        "api/v3",
        "docs",
        "dashboard/x",
        "ws",
    ],
)
def test_path_that_is_taken_or_none_is_refused(path: str) -> None:
    with pytest.raises(ValidationError):
        GrafanaSettings(path=path)


def test_tenant_is_a_header_of_one_line() -> None:
    with pytest.raises(ValidationError):
        LokiSettings(tenant="a\r\nb")
