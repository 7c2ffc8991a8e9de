"""The pages of the stock web UI as a person uses them: by what stands on them.

Source: the contract of homer-ui 7.11, and what its pages show.
"""

import re
from pathlib import Path
from typing import Self

from playwright.sync_api import Locator, expect

from tests.support.browser import Browser
from tests.support.rhapsode import ADMIN_PASSWORD

EXPORT_MS = 120_000


class Ui:
    """What can be done with it."""

    def __init__(self, browser: Browser) -> None:
        self.browser, self.page = browser, browser.page

    def log_in(self, user: str = "admin", password: str = ADMIN_PASSWORD) -> Self:
        """By the form, until the dashboard shows messages."""
        self.browser.open("/")
        self.fill_in_login(user, password)
        expect(self.rows().first).to_be_visible()
        return self

    def fill_in_login(self, user: str = "admin", password: str = ADMIN_PASSWORD) -> None:
        """Send the form of the login."""
        self.page.get_by_placeholder("Username").fill(user)
        self.page.get_by_placeholder("Password").fill(password)
        self.page.get_by_role("button", name="Login").click()

    def log_out(self) -> None:
        """By the menu of the profile."""
        self.page.locator("button.profile-button").click()
        self.page.get_by_role("button", name="Logout").click()
        expect(self.page.get_by_placeholder("Password")).to_be_visible()

    def rows(self) -> Locator:
        """Of the result grid that are drawn."""
        return self.page.locator(".ag-center-cols-container .ag-row")

    def column(self, name: str) -> list[str]:
        """What the drawn rows have in a column, from top to bottom."""
        cells = self.page.locator(f".ag-center-cols-container .ag-cell[col-id='{name}']")
        return [text.strip() for text in cells.all_inner_texts()]

    def search(self, **fields: str) -> None:
        """Fill in the form by its labels (`_` for a blank), and send it."""
        for label, value in fields.items():
            self.page.get_by_label(label.replace("_", " "), exact=True).fill(value)
        with self.page.expect_response(lambda answer: answer.url.endswith("/search/call/data")):
            self.page.get_by_role("button", name="Search", exact=True).click()

    def open_message(self, row: int = 0) -> None:
        """The window of one message."""
        self._open(row, "method")
        expect(self.page.get_by_text("Message ID:").first).to_be_visible()

    def open_call(self, row: int = 0) -> None:
        """The window of a whole call, its ladder drawn."""
        self._open(row, "sid")
        expect(self.arrows().first).to_be_visible()

    def _open(self, row: int, column: str) -> None:
        grid = self.page.locator(".ag-center-cols-container")
        grid.locator(f".ag-row[row-index='{row}'] .ag-cell[col-id='{column}'] a").click()

    def arrows(self) -> Locator:
        """Of the ladder."""
        return self.page.locator("app-flow-item")

    def tab(self, name: str) -> None:
        """Show this tab of a window."""
        self.page.get_by_role("tab", name=name, exact=True).click()

    def tabs(self) -> list[str]:
        """Their names."""
        return [text.strip() for text in self.page.get_by_role("tab").all_inner_texts()]

    def download(self, button: str, folder: Path) -> Path:
        """What a button of the Export tab gives. A picture takes the browser half a minute."""
        with self.page.expect_download(timeout=EXPORT_MS) as download:
            self.page.get_by_text(button, exact=True).click()
        path = folder / download.value.suggested_filename
        download.value.save_as(path)
        return path

    def settings(self, page: str) -> None:
        """A page of the settings, from their menu."""
        self.browser.open("/preference/profile")
        self.page.get_by_text(page, exact=True).click()
        title = self.page.locator(".tab-name")
        expect(title.get_by_role("heading", name=page.title(), exact=True)).to_be_visible()

    def add(self, **fields: str) -> None:
        """A row of the settings page, its dialog filled in by labels (`_` for a blank)."""
        self.page.get_by_role("button", name="Add", exact=True).click()
        self._fill_in(fields)

    def edit(self, row: str, **fields: str) -> None:
        """The same for a row that is there, found by a text in it."""
        self._row(row).locator("button:has([data-icon=edit])").click()
        self._fill_in(fields)

    def delete(self, row: str) -> None:
        """Delete a row, and say yes."""
        self._row(row).locator("button").last.click()
        self.confirm()
        expect(self.row(row)).to_have_count(0)

    def confirm(self) -> None:
        """Say yes to what is asked."""
        dialog = self.page.locator("mat-dialog-container")
        dialog.get_by_role("button", name=re.compile("Yes|Delete")).click()
        expect(dialog).to_have_count(0)

    def row(self, text: str) -> Locator:
        """Rows of the settings page with this text."""
        return self.page.locator("mat-row, tr.mat-mdc-row, tr.mat-row").filter(has_text=text)

    def _row(self, text: str) -> Locator:
        expect(self.row(text)).to_have_count(1)
        return self.row(text)

    def _fill_in(self, fields: dict[str, str]) -> None:
        dialog = self.page.locator("mat-dialog-container")
        for label, value in fields.items():
            name = label.replace("_", " ")
            field = (
                dialog.get_by_label(name, exact=True).or_(dialog.get_by_placeholder(name, exact=True)).first
            )
            if field.get_attribute("type") == "checkbox":
                field.set_checked(value == "on")
            else:
                field.fill(value)
        dialog.get_by_role("button", name="Save", exact=True).click()
        expect(dialog).to_have_count(0)
