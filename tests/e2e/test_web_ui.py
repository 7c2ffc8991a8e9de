"""A small web UI in a real browser: its modules, workers and inline scripts run, and no others."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.support.browser import a_browser
from tests.support.rhapsode import rhapsode_up
from tests.support.ui_builds import packed, unpacked

SAID = "module 42"


def built(folder: Path) -> Path:
    return unpacked(folder / "ui")


def archived(folder: Path) -> Path:
    return packed(folder / "ui.tar.gz")


@pytest.mark.parametrize(("build", "prefix"), [(built, ""), (archived, "/homer")])
def test_small_ui_runs_in_a_browser(tmp_path: Path, build: Callable[[Path], Path], prefix: str) -> None:
    data = tmp_path / "data"
    extra = {"RHAPSODE_WEB__PREFIX": prefix}
    with (
        rhapsode_up(data, "--ui-dir", build(tmp_path), extra=extra) as running,
        a_browser(running.web, tmp_path) as browser,
    ):
        said = browser.page.locator("#said")
        for path in (
            "/",
            "/dashboard/home",
            "/(system:login)?returnUrl=%2Fdashboard%2Fhome",
            "/transaction/1",
        ):
            browser.open(path if path.startswith("/t") else f"{prefix}{path}")
            expect(said).to_have_text(SAID)
            # The style sheet is there once its inline handler has run.
            expect(said).to_have_css("color", "rgb(0, 128, 0)")
        browser.shoot("small-ui")
        # The font of the build is no font.
        browser.forgive("Failed to decode downloaded font|OTS parsing error")
        assert browser.trouble == []


def test_script_that_is_not_of_the_page_does_not_run(tmp_path: Path) -> None:
    with (
        rhapsode_up(tmp_path / "data", "--ui-dir", built(tmp_path)) as running,
        a_browser(running.web, tmp_path) as browser,
    ):
        browser.open("/")
        expect(browser.page.locator("#said")).to_have_text(SAID)

        browser.page.evaluate(
            "() => { const s = document.createElement('script'); s.textContent = 'window.evil = 1';"
            " document.body.append(s);"
            " fetch('http://127.0.0.1:9/').catch(() => { window.refused = 1 }) }"
        )

        browser.page.wait_for_function("window.refused === 1")
        assert browser.page.evaluate("window.evil") is None
        assert any("Content Security Policy" in line for line in browser.trouble)
