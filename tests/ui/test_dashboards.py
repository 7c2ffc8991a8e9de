"""The stock web UI: dashboards made, filled, changed, seen again after a reload, shared and deleted."""

import httpx
import pytest
from playwright.sync_api import expect

from tests.support.rhapsode import Rhapsode
from tests.support.ui_dashboards import Dashboards
from tests.support.ui_pages import Ui
from tests.support.ui_users import a_user


@pytest.fixture
def dashboards(ui: Ui) -> Dashboards:
    return Dashboards(ui)


def test_dashboard_is_made_filled_renamed_and_deleted(ui: Ui, dashboards: Dashboards) -> None:
    dashboards.create("Night watch")
    expect(ui.page.get_by_text("Dashboard is empty")).to_be_visible()

    dashboards.add_widget("World Clock", "Visualize")
    dashboards.add_widget("SIP Call Search", "Search", "Protocol")
    dashboards.add_widget("Display Result", "Visualize")
    ui.search(CallID="mix-call-0@127.0.0.1")
    expect(ui.page.get_by_text("1 – 12 of 12")).to_be_visible()
    dashboards.rename("Day watch")
    ui.browser.shoot("dashboard-made")
    ui.page.reload()

    expect(dashboards.title()).to_have_text("Day watch")
    expect(dashboards.widgets()).to_have_count(3)
    assert "Day watch" in dashboards.names()
    dashboards.remove_widget()
    expect(dashboards.widgets()).to_have_count(2)
    ui.page.reload()
    expect(dashboards.widgets()).to_have_count(2)
    dashboards.delete()
    assert "Day watch" not in dashboards.names()


def test_shared_dashboard_is_shown_to_others_who_cannot_change_it(
    ui: Ui, dashboards: Dashboards, running: Rhapsode
) -> None:
    dashboards.create("For all of us")
    dashboards.add_widget("World Clock", "Visualize")
    dashboards.share()

    with a_user(running, "dora") as password:
        ui.log_out()
        ui.log_in("dora", password)
        dashboards.go("For all of us")

        expect(ui.page.get_by_text("Shared By: admin", exact=True)).to_be_visible()
        expect(dashboards.widgets()).to_have_count(1)
        for icon in ("plus", "cog", "trash-alt"):
            expect(dashboards.tool(icon)).to_be_disabled()
        ui.browser.shoot("dashboard-shared")

    ui.log_out()
    ui.log_in()
    dashboards.go("For all of us")
    dashboards.delete()


def test_reset_takes_back_what_was_done_to_dashboards(ui: Ui, dashboards: Dashboards) -> None:
    dashboards.create("Short-lived")
    dashboards.go("Home")
    dashboards.remove_widget()
    expect(dashboards.widgets()).to_have_count(2)

    ui.settings("RESET")
    ui.page.get_by_role("button", name="Reset Dashboard").click()
    with ui.page.expect_response(lambda answer: answer.url.endswith("/dashboard/reset")) as answered:
        ui.confirm()

    assert answered.value.status == httpx.codes.OK
    expect(ui.page.get_by_text("Dashboard reset successful").first).to_be_visible()
    ui.browser.open("/")
    expect(dashboards.widgets()).to_have_count(3)
    assert "Short-lived" not in dashboards.names()
