"""The stock web UI: its settings pages, with rows added, changed and deleted."""

import re
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from tests.support.rhapsode import Rhapsode
from tests.support.ui_pages import Ui

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


def test_alias_is_added_changed_shown_and_deleted(ui: Ui) -> None:
    ui.settings("ALIAS")

    ui.add(IP="127.0.0.1", Alias_Name="gateway", Capture_ID="0", Port="5060", Active="on")
    expect(ui.row("gateway")).to_contain_text("127.0.0.1")
    ui.edit("gateway", Alias_Name="border")
    expect(ui.row("border")).to_contain_text("Active")
    ui.browser.shoot("alias")

    ui.browser.open("/")
    expect(ui.rows().first).to_be_visible()
    ui.search(CallID="mix-call-0@127.0.0.1")
    ui.open_call()
    expect(ui.page.locator("app-tab-flow").get_by_text("border").first).to_be_visible()
    ui.browser.shoot("ladder-with-alias")

    ui.settings("ALIAS")
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


def test_token_is_made_shown_once_changed_and_deleted(ui: Ui, running: Rhapsode) -> None:
    ui.settings("AUTH TOKEN")
    ui.page.get_by_role("button", name="Add", exact=True).click()
    dialog = ui.page.locator("mat-dialog-container")
    dialog.locator("input").first.fill("script")
    with ui.page.expect_response(lambda answer: answer.request.method == "POST") as answered:
        dialog.get_by_role("button", name="Save", exact=True).click()
    token = answered.value.json()["data"]["token"]
    expect(ui.page.get_by_text("Auth-Token").first).to_be_visible()
    expect(ui.page.get_by_text(token)).to_be_visible()
    ui.browser.shoot("token")
    ui.page.get_by_role("button", name="Close", exact=True).click()

    assert profile_by(running, token).status_code == httpx.codes.OK
    expect(ui.row("script")).to_contain_text("Active")
    ui.edit("script", Auth_Token_Name="nightly")  # noqa: S106 - a label
    expect(ui.row("nightly")).to_contain_text("Active")
    assert token not in ui.page.content()
    ui.delete("nightly")

    assert profile_by(running, token).status_code == httpx.codes.UNAUTHORIZED


def profile_by(running: Rhapsode, token: str) -> httpx.Response:
    return httpx.get(f"{running.web}/api/v3/mapping/protocol", headers={"Auth-Token": token})


def test_agent_that_has_subscribed_is_shown_and_deleted(ui: Ui, running: Rhapsode) -> None:
    with running.login() as client:
        body = {"name": "agent", "active": True, "expire_date": "2099-01-01T00:00:00Z"}
        made = client.post("/api/v3/token/auth", json=body).raise_for_status().json()
        agent = {
            "uuid": "agent-1",
            "gid": 10,
            "host": "127.0.0.1",
            "port": 8081,
            "protocol": "http",
            "path": "/api",
            "node": "border-7",
            "type": "pcap",
            "ttl": 600,
        }
        headers = {"Auth-Token": made["data"]["token"]}
        httpx.post(f"{running.web}/api/v3/agent/subscribe", json=agent, headers=headers).raise_for_status()

    ui.settings("AGENTSUB")
    expect(ui.row("border-7")).to_contain_text("8081")
    ui.browser.shoot("agentsub")
    ui.delete("border-7")


@pytest.mark.parametrize("page", ["scripts", "system overview", "admin"])
def test_page_that_is_in_no_menu_leads_home(ui: Ui, page: str) -> None:
    """And what it asks for before that is answered, or the test would fail by it."""
    ui.browser.open(f"/preference/{page}")

    expect(ui.page).to_have_url(re.compile("/dashboard/home$"))
    expect(ui.rows().first).to_be_visible()


def test_users_are_imported_from_a_file(ui: Ui, tmp_path: Path) -> None:
    path = tmp_path / "users.csv"
    path.write_text(
        "username,firstname,lastname,email,department,usergroup\n"
        "grace,Grace,Hopper,grace@example.com,NOC,user\n"
    )

    ui.settings("USERS")
    ui.page.get_by_role("button", name="Import", exact=True).click()
    dialog = ui.page.locator("mat-dialog-container")
    dialog.locator("input[type=file]").set_input_files(path)
    expect(dialog).to_contain_text("successfully imported")
    ui.browser.shoot("users-import")
    dialog.get_by_role("button", name="Close", exact=True).click()

    expect(ui.row("grace")).to_contain_text("Hopper")
    ui.delete("grace")
