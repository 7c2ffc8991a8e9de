"""The stock web UI: its settings pages, with rows added, changed and deleted."""

import pytest
from playwright.sync_api import expect

from tests.support.browser import Browser
from tests.support.ui_pages import Ui

PASSWORD = "Long-enough-4-carol"  # noqa: S105 - of a server that lives for these tests
PAGES = (
    "PROFILE",
    "USERS",
    "USER SETTINGS",
    "ALIAS",
    "ADVANCED",
    "MAPPING",
    "HEPSUB",
    "AUTH TOKEN",
    "AGENTSUB",
    "RESET",
)


@pytest.mark.parametrize("page", PAGES)
def test_page_is_shown(ui: Ui, page: str) -> None:
    ui.settings(page)

    ui.browser.shoot(f"settings-{page.lower().replace(' ', '-')}")


def test_alias_is_added_changed_and_deleted(ui: Ui) -> None:
    ui.settings("ALIAS")

    ui.add(IP="192.0.2.7", Alias_Name="gateway", Capture_ID="0")
    expect(ui.row("gateway")).to_contain_text("192.0.2.7")
    ui.edit("gateway", Alias_Name="border")
    expect(ui.row("border")).to_contain_text("192.0.2.7")
    ui.browser.shoot("alias")
    ui.delete("border")


@pytest.mark.parametrize(
    ("page", "fields", "changed"),
    [
        ("ADVANCED", {"Category": "tests", "Param": "one"}, {"Param": "two"}),
        ("HEPSUB", {"HEP_Alias": "TESTS", "HEP_ID": "77", "Profile": "one"}, {"Profile": "two"}),
        ("MAPPING", {"HEP_Alias": "TESTS", "HEP_ID": "77", "Profile": "one"}, {"Profile": "two"}),
        ("USER SETTINGS", {"Username": "admin", "Category": "one", "Param": "tests"}, {"Category": "two"}),
    ],
    ids=lambda value: value.lower() if isinstance(value, str) else "",
)
def test_row_is_added_changed_and_deleted(
    ui: Ui, page: str, fields: dict[str, str], changed: dict[str, str]
) -> None:
    ui.settings(page)

    ui.add(**fields)
    ui.edit("one", **changed)
    expect(ui.row("two")).to_have_count(1)
    expect(ui.row("one")).to_have_count(0)
    ui.delete("two")


def test_user_is_added_logs_in_and_is_deleted(ui: Ui, browser: Browser) -> None:
    ui.settings("USERS")
    ui.add(
        Username="carol",
        First_Name="Carol",
        Last_Name="Kaye",
        Email="carol@example.com",
        Department="NOC",
        Password=PASSWORD,
        Confirm=PASSWORD,
    )
    expect(ui.row("carol")).to_contain_text("Kaye")
    browser.shoot("users")

    browser.page.evaluate("localStorage.clear()")
    Ui(browser).log_in("carol", PASSWORD)
    browser.shoot("user-dashboard")
    browser.open("/preference/profile")
    expect(ui.page.get_by_text("PROFILE", exact=True)).to_be_visible()
    expect(ui.page.get_by_text("MAPPING", exact=True)).to_have_count(0)
    expect(ui.page.get_by_label("First Name")).to_have_value("Carol")
    expect(ui.page.get_by_text("undefined")).to_have_count(0)
    browser.shoot("user-profile")

    browser.page.evaluate("localStorage.clear()")
    ui.log_in()
    ui.settings("USERS")
    ui.delete("carol")


def test_token_is_made_and_shown_once(ui: Ui) -> None:
    ui.settings("AUTH TOKEN")
    ui.page.get_by_role("button", name="Add", exact=True).click()
    dialog = ui.page.locator("mat-dialog-container")
    dialog.locator("input").first.fill("script")
    dialog.get_by_role("button", name="Save", exact=True).click()

    expect(ui.page.get_by_text("Auth-Token").first).to_be_visible()
    ui.browser.shoot("token")
