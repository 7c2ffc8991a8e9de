"""The dashboards of the stock web UI: made, filled with widgets, changed and deleted.

Source: what its pages show.
"""

import re

from playwright.sync_api import Locator, expect

from tests.support.ui_pages import Ui


class Dashboards:
    """What can be done with them, by a user who is logged in."""

    def __init__(self, ui: Ui) -> None:
        self._ui, self.page = ui, ui.page

    def create(self, name: str, kind: str = "CUSTOM", param: str = "") -> None:
        """An empty one, and go there."""
        self._menu()
        self.page.get_by_role("menuitem", name="New Dashboard").click()
        dialog = self._dialog()
        dialog.get_by_label("Name your Dashboard").fill(name)
        if kind != "CUSTOM":
            dialog.get_by_role("combobox").click()
            self.page.get_by_role("option", name=kind, exact=True).click()
        if param:
            dialog.get_by_label(re.compile("URL|Param")).fill(param)
        dialog.get_by_role("button", name="OK", exact=True).click()
        expect(dialog).to_have_count(0)
        expect(self.page).to_have_url(re.compile(r"/dashboard/_\d+$"))
        expect(self.title()).to_have_text(name)

    def go(self, name: str) -> None:
        """To one of the menu."""
        self._menu()
        self.page.get_by_role("menuitem", name=name, exact=False).click()
        expect(self.title()).to_have_text(name)

    def names(self) -> list[str]:
        """Those of the menu, own and shared."""
        self._menu()
        items = self.page.get_by_role("menuitem").all_inner_texts()
        self.page.keyboard.press("Escape")
        return [item.splitlines()[-1].strip() for item in items]

    def rename(self, name: str) -> None:
        """The one that is shown."""
        self.tool("cog").click()
        dialog = self._dialog()
        dialog.get_by_label("Name your Dashboard").fill(name)
        with self.page.expect_response(lambda answer: answer.request.method == "PUT"):
            dialog.get_by_role("button", name="Save", exact=True).click()
        expect(self.title()).to_have_text(name)

    def share(self) -> None:
        """The one that is shown."""
        self.tool("cog").click()
        dialog = self._dialog()
        dialog.get_by_label("Shared").check()
        with self.page.expect_response(lambda answer: answer.request.method == "PUT"):
            dialog.get_by_role("button", name="Save", exact=True).click()

    def delete(self) -> None:
        """The one that is shown; home comes after it."""
        self.tool("trash-alt").click()
        self._dialog().get_by_role("button", name="Yes, delete it!").click()
        expect(self.page).to_have_url(re.compile("/dashboard/home$"))

    def title(self) -> Locator:
        """Of the one that is shown."""
        return self.page.locator(".dash-title")

    def add_widget(self, title: str, *categories: str) -> Locator:
        """The widget, once it is kept; `categories` are the tabs that lead to it."""
        before = self.widgets().count()
        with self.page.expect_response(lambda answer: answer.request.method == "PUT"):
            self.offered(title, *categories).get_by_role("button").click()
        expect(self.widgets()).to_have_count(before + 1)
        return self.widgets().last

    def offered(self, title: str, *categories: str) -> Locator:
        """What the dialog of new widgets says of one."""
        self.tool("plus").click()
        dialog = self._dialog()
        for category in categories:
            dialog.get_by_role("tab", name=category, exact=True).click()
        return dialog.locator("mat-grid-tile").filter(
            has=self.page.get_by_role("heading", name=title, exact=True)
        )

    def remove_widget(self, number: int = 0) -> None:
        """One of those shown."""
        self.widgets().nth(number).locator(".box-icon-header [aria-label=delete]").click()
        with self.page.expect_response(lambda answer: answer.request.method == "PUT"):
            self._dialog().get_by_role("button", name="Yes, delete it!").click()

    def widgets(self) -> Locator:
        """All that are shown."""
        return self.page.locator("gridster-item.widget-item")

    def _menu(self) -> None:
        self.page.get_by_role("button", name="Dashboard:").click()
        expect(self.page.get_by_role("menuitem", name="New Dashboard")).to_be_visible()

    def tool(self, icon: str) -> Locator:
        """A button of the bar above the dashboard."""
        return self.page.locator(f".top-tool button:has([data-icon={icon}])")

    def _dialog(self) -> Locator:
        return self.page.locator("mat-dialog-container")
