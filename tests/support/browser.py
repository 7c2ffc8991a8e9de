"""Debian's Chromium, driven by Playwright, and everything that goes wrong in a page."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect, sync_playwright

from tests.support.programs import find_program

PATIENCE_MS = 20_000


class Browser:
    """A page, and what its console, its scripts and its requests have complained of."""

    def __init__(self, page: Page, base: str, shots: Path) -> None:
        self.page, self.base = page, base
        self.trouble: list[str] = []
        self.shots = shots
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.trouble.append(f"page: {error}"))
        page.on("response", self._on_response)
        page.on("requestfailed", self._on_failure)

    def _on_console(self, message: Any) -> None:
        if message.type == "error":
            self.trouble.append(f"console: {message.text}")

    def _on_response(self, response: Any) -> None:
        if response.status >= 400:
            self.trouble.append(f"{response.status}: {response.request.method} {response.url}")

    def _on_failure(self, request: Any) -> None:
        # A page that is left gives up what it has asked for.
        if request.failure != "net::ERR_ABORTED":
            self.trouble.append(f"{request.failure}: {request.method} {request.url}")

    def open(self, path: str) -> None:
        self.page.goto(self.base + path)

    def shoot(self, name: str) -> None:
        """Keep what the page shows, for people."""
        self.page.screenshot(path=self.shots / f"{name}.png")

    def forgive(self, pattern: str) -> None:
        """Take out what is known of the page itself, whoever answers it."""
        self.trouble = [line for line in self.trouble if not re.search(pattern, line)]


@contextmanager
def a_browser(base: str, shots: Path, **context: Any) -> Iterator[Browser]:
    """A browser with a profile of its own; the test is skipped where Chromium is not installed."""
    program = find_program("chromium")
    # In CI everything runs as root, whom Chromium refuses its sandbox.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=arguments)
        expect.set_options(timeout=PATIENCE_MS)
        try:
            page = chromium.new_context(viewport={"width": 1500, "height": 900}, **context).new_page()
            yield Browser(page, base, shots)
        finally:
            chromium.close()
