"""The index page as it is sent: below a prefix, without other hosts, and its policy."""

import base64
import hashlib
import json
import re

import pytest

from api.ui.page import page_for, policy_of
from tests.support.ui_builds import INDEX


def hash_of(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def inline_script(page: str) -> str:
    found = re.search(r"<script>(.*?)</script>", page, re.DOTALL)
    assert found is not None
    return found[1]


def directive(policy: str, name: str) -> list[str]:
    parts = dict(part.strip().partition(" ")[::2] for part in policy.split(";"))
    return parts[name].split()


def test_without_a_prefix_the_page_stays_but_for_links_to_other_hosts() -> None:
    page = page_for(INDEX, "")

    assert "fonts.example.org" not in page
    kept = [line for line in INDEX.splitlines() if "fonts.example.org" not in line]
    assert page.splitlines() == kept


@pytest.mark.parametrize("prefix", ["/homer", "/a/b", "/it's", '/q"q', "/</script>", "/ä b", "/\\1"])
def test_prefix_takes_the_place_of_the_line_in_the_configuration(prefix: str) -> None:

    script = inline_script(page_for(INDEX, prefix))

    lines = [line.strip() for line in script.splitlines() if "PREFIX:" in line]
    assert len(lines) == 1
    assert lines[0].startswith("PREFIX: ")
    assert json.loads(lines[0].removeprefix("PREFIX: ").removesuffix(",")) == f"{prefix}/"


def test_prefix_of_a_page_that_has_one_is_replaced() -> None:
    own = INDEX.replace('// PREFIX: "/dist/small-ui/"', 'PREFIX: "/elsewhere/"')

    page = page_for(own, "/homer")

    assert 'PREFIX: "/homer/",' in page
    assert "/elsewhere/" not in page


def test_prefix_is_set_where_the_configuration_has_no_line_for_it() -> None:
    page = page_for("<head><script>window.GLOBAL_CONFIG = {};</script></head>", "/homer")

    assert re.search(r'GLOBAL_CONFIG = \{\s*PREFIX: "/homer/",\s*\};', page)


def test_older_pages_are_given_their_base_as_they_know_it() -> None:
    old = "<head><script>window['base-href'] = '/';</script></head>"
    tagged = '<head><base href="/"></head>'
    bare = "<html><head lang='en'><title>x</title></head></html>"

    assert "window['base-href'] = \"/homer/\";" in page_for(old, "/homer")
    assert '<base href="/homer/">' in page_for(tagged, "/homer")
    assert page_for(tagged, "/homer").count("<base") == 1
    assert "<head lang='en'><base href=\"/homer/\">" in page_for(bare, "/homer")
    assert '<base href="/&quot;\\1/">' in page_for(tagged, '/"\\1')


@pytest.mark.parametrize("prefix", ["", "/homer"])
def test_policy_allows_the_inline_script_by_its_text_as_sent(prefix: str) -> None:
    page = page_for(INDEX, prefix)

    scripts = directive(policy_of(page), "script-src")

    assert hash_of(inline_script(page)) in scripts
    assert "'unsafe-inline'" not in scripts
    assert "'unsafe-eval'" not in scripts


def test_policy_allows_what_a_tag_runs_by_its_text() -> None:
    page = "<head><link rel='stylesheet' onload=\"this.media=&#39;all&#39;\"></head>"

    scripts = directive(policy_of(page), "script-src")

    assert scripts[2:] == ["'unsafe-hashes'", hash_of("this.media='all'"), hash_of("this.blur()")]


def test_policy_without_anything_inline_allows_what_the_stock_ui_adds_later() -> None:
    scripts = directive(policy_of('<script src="main.js"></script>'), "script-src")

    assert scripts == ["'self'", "'wasm-unsafe-eval'", "'unsafe-hashes'", hash_of("this.blur()")]


def test_hash_is_that_of_the_text_with_plain_line_ends() -> None:
    scripts = directive(policy_of("<script>a\r\nb\rc</script>"), "script-src")

    assert hash_of("a\nb\nc") in scripts


def test_policy_names_the_sites_of_frames_and_no_other_server() -> None:
    policy = policy_of(INDEX, ("https://grafana.example:3000",))

    assert directive(policy, "frame-src") == ["'self'", "https://grafana.example:3000"]
    assert directive(policy, "connect-src") == ["'self'", "data:", "blob:"]
    assert directive(policy, "worker-src") == ["'self'", "blob:"]
    assert directive(policy, "frame-ancestors") == ["'self'"]
