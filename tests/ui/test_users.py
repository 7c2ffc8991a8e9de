"""The stock web UI: users as administrators see them, and as they see themselves."""

import httpx
import pytest
from playwright.sync_api import expect

from tests.support.browser import Browser
from tests.support.rhapsode import Rhapsode
from tests.support.ui_pages import Ui
from tests.support.ui_users import PASSWORD, a_user

UNCHANGED = {"Password": ""}
"""The dialog can be saved once somebody has been in this field."""
OTHER_PASSWORD = "Another-8-for-all"  # noqa: S105 - of a server that lives for these tests


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
    ui.edit("carol", **UNCHANGED, Last_Name="King")
    expect(ui.row("carol")).to_contain_text("King")

    # The dialog looks for names that are taken half a second later: not without a login, please.
    browser.open("/")
    expect(ui.rows().first).to_be_visible()
    ui.log_out()
    ui.log_in("carol", PASSWORD)
    browser.shoot("user-dashboard")
    browser.open("/preference/profile")
    expect(ui.page.get_by_label("First Name")).to_have_value("Carol")
    expect(ui.page.get_by_text("undefined")).to_have_count(0)
    browser.shoot("user-profile")

    ui.log_out()
    ui.log_in()
    ui.settings("USERS")
    ui.delete("carol")


def test_user_sees_nobody_else_and_may_change_no_settings_of_all(ui: Ui, running: Rhapsode) -> None:
    with a_user(running, "erin") as password:
        ui.log_out()
        ui.log_in("erin", password)

        ui.settings("USERS")
        expect(ui.row("erin")).to_have_count(1)
        expect(ui.row("admin")).to_have_count(0)
        expect(ui.page.get_by_role("button", name="Add", exact=True)).to_have_count(0)
        ui.edit("erin", **UNCHANGED, Last_Name="Brockovich")
        expect(ui.row("erin")).to_contain_text("Brockovich")
        for page in ("ALIAS", "MAPPING", "HEPSUB", "AUTH TOKEN", "AGENTSUB"):
            expect(ui.page.get_by_text(page, exact=True)).to_have_count(0)

        ui.settings("USER SETTINGS")
        ui.add(Username="erin", Category="one", Param="tests")
        ui.edit("one", Category="two")
        expect(ui.row("two")).to_contain_text("erin")
        ui.browser.shoot("user-settings-of-a-user")
        ui.delete("two")

        ui.settings("ADVANCED")
        expect(ui.row("lokiserver")).to_have_count(1)
        expect(ui.row("lokiserver").locator("button:has([data-icon=edit])")).to_have_count(0)
        ui.browser.shoot("advanced-of-a-user")


@pytest.mark.parametrize("group", ["user", "admin"])
def test_password_is_changed_on_the_page_of_the_profile(ui: Ui, running: Rhapsode, group: str) -> None:
    with a_user(running, "frank", group) as password:
        ui.log_out()
        ui.log_in("frank", password)
        ui.settings("PROFILE")
        ui.page.get_by_placeholder("Password").fill(OTHER_PASSWORD)
        ui.page.get_by_placeholder("Confirm").fill(OTHER_PASSWORD)
        with ui.page.expect_response(lambda answer: answer.request.method == "PUT") as answered:
            ui.page.get_by_role("button", name="Save", exact=True).click()

        assert answered.value.status == httpx.codes.CREATED
        expect(ui.page.get_by_placeholder("Username")).to_be_visible()
        ui.fill_in_login("frank", password)
        expect(ui.page.get_by_text("incorrect password")).to_be_visible()
        ui.browser.forgive("401: POST .*/auth$|status of 401")
        ui.log_in("frank", OTHER_PASSWORD)


def test_first_administrator_can_save_the_profile(ui: Ui) -> None:
    ui.settings("PROFILE")
    ui.page.get_by_label("Department").fill("Voice")
    ui.page.get_by_role("button", name="Save", exact=True).click()

    expect(ui.page.get_by_text("Successfully Updated")).to_be_visible()
    ui.page.reload()
    expect(ui.page.get_by_label("Department")).to_have_value("Voice")
    expect(ui.page.get_by_text("Rhapsode Admin").first).to_be_visible()
    ui.browser.shoot("profile-saved")
