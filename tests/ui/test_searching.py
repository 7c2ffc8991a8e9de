"""The stock web UI: log in, search, look at messages and calls, export."""

import re
from pathlib import Path

import dpkt
from playwright.sync_api import expect

from tests.support.browser import Browser
from tests.support.rhapsode import Rhapsode
from tests.support.ui_pages import Ui

NO_AGENT = r"reading 'mix-call|reading 'rxText'|\(reading 'undefined'\)"
"""Without agents the page of logs complains of itself, whoever answers it."""


def test_wrong_password_is_refused_in_words(browser: Browser) -> None:
    page = browser.page
    browser.open("/")
    page.get_by_placeholder("Username").fill("admin")
    page.get_by_placeholder("Password").fill("wrong")
    page.get_by_role("button", name="Login").click()

    expect(page.get_by_text("incorrect password")).to_be_visible()
    browser.shoot("login-refused")
    browser.forgive("401")


def test_dashboard_shows_the_newest_messages(ui: Ui) -> None:
    expect(ui.page.get_by_text("SIP From user").first).to_be_visible()
    assert {"INVITE", "200", "BYE"} <= set(ui.column("method"))
    dates = ui.column("create_date")
    assert dates == sorted(dates)
    ui.browser.shoot("dashboard")


def test_search_by_several_fields(ui: Ui) -> None:
    ui.search(SIP_Method="BYE", SIP_From_user="ali%")

    expect(ui.page.locator(".ag-center-cols-container .ag-cell[col-id='method']").first).to_have_text("BYE")
    assert set(ui.column("method")) == {"BYE"}
    assert set(ui.column("from_user")) == {"alice"}
    ui.browser.shoot("search")


def test_smart_input_completes_names_and_finds(ui: Ui) -> None:
    ui.browser.open("/dashboard/smartsearch")
    expect(ui.rows().first).to_be_visible()
    editor = ui.page.locator("div[contenteditable=true]")

    editor.press_sequentially("data_header.meth", delay=120)
    expect(ui.page.get_by_role("menuitem", name="data_header.method")).to_be_visible()
    ui.browser.shoot("smart-input-menu")
    ui.page.get_by_role("menuitem", name="data_header.method").click()
    # The page takes over what is typed with each figure, and opens its menu while there is something in it.
    editor.press_sequentially("200", delay=100)
    expect(editor).to_have_text(re.compile(r"data_header\.method=200"))
    with ui.page.expect_response(lambda answer: answer.url.endswith("/search/call/data")) as answered:
        ui.page.get_by_role("button", name="Search", exact=True).click()

    assert "x-rhapsode-warning" not in answered.value.headers
    expect(ui.page.locator(".ag-center-cols-container .ag-cell[col-id='method']").first).to_have_text("200")
    assert set(ui.column("method")) == {"200"}
    ui.browser.shoot("smart-input")


def test_message_window_shows_payload_and_layers(ui: Ui) -> None:
    ui.open_message()

    expect(ui.page.get_by_text("Call-ID:").first).to_be_visible()
    expect(ui.page.get_by_role("tab", name="Details")).to_be_visible()
    assert {"Message", "SIP", "SDP", "Details"} <= set(ui.tabs())
    ui.browser.shoot("message")


def test_call_window_shows_every_leg(ui: Ui) -> None:
    ui.search(CallID="mix-call-0@127.0.0.1")
    ui.open_call()

    expect(ui.arrows().first).to_contain_text("INVITE")
    for words in ("INVITE (SDP)", "100", "180", "200 (SDP)", "ACK", "BYE"):
        expect(ui.arrows().filter(has_text=words).first).to_be_attached()
    ui.browser.shoot("ladder")

    for name, words in (("Message", "Msg. Size"), ("Session Info", "Finished"), ("QoS", "ia_jitter")):
        ui.tab(name)
        expect(ui.page.get_by_text(words).first).to_be_visible()
        ui.browser.shoot(f"call-{name.lower().replace(' ', '-')}")
    ui.tab("Logs")
    expect(ui.page.get_by_role("tab", name="Loki")).to_be_visible()
    ui.browser.shoot("call-logs")
    ui.browser.forgive(NO_AGENT)


def test_log_line_stands_in_the_ladder_at_its_time_and_can_be_opened(ui: Ui) -> None:
    ui.search(CallID="1-20595-kam-hep3-hlog@127.0.0.1")
    ui.open_call()
    # Log lines come after the call, and move its arrows.
    expect(ui.arrows().filter(has_text="HEP-LOG")).to_have_count(2)
    line = ui.arrows().filter(has_text="HEP-LOG").first
    expect(line).to_contain_text("request INVITE from alice to bob")
    expect(ui.arrows().first).to_contain_text("INVITE (SDP)")

    with ui.page.expect_response(lambda answer: answer.url.endswith("/decode/message")):
        line.locator("div").first.click()

    expect(ui.page.get_by_text("Message ID: (HEP-LOG)")).to_be_visible()
    ui.browser.shoot("log-line")


def test_exports_can_be_opened(ui: Ui, tmp_path: Path) -> None:
    ui.search(CallID="mix-call-0@127.0.0.1")
    ui.open_call()
    ui.tab("Export")
    ui.browser.shoot("call-export")

    with ui.download("Export PCAP", tmp_path).open("rb") as file:
        frames = list(dpkt.pcap.Reader(file))
    text = ui.download("Export TEXT", tmp_path).read_text()

    assert len(frames) >= 12
    assert text.count("Call-ID: mix-call-0@127.0.0.1") == 12


def test_reload_of_a_dashboard_shows_it_again(ui: Ui, running: Rhapsode) -> None:
    assert ui.page.url == f"{running.web}/dashboard/home"

    ui.page.reload()

    expect(ui.rows().first).to_be_visible()


def test_log_out_leads_to_the_login(ui: Ui) -> None:
    ui.log_out()
    ui.page.reload()

    expect(ui.page.get_by_placeholder("Password")).to_be_visible()


def test_api_documentation_is_shown(ui: Ui) -> None:
    ui.browser.open("/preference/profile")
    ui.page.get_by_text("API DOCUMENTATION", exact=True).click()

    expect(ui.page.get_by_text("search", exact=True).first).to_be_visible()
    ui.page.get_by_text("search", exact=True).first.click()
    expect(ui.page.get_by_text("/api/v3/search/call/data").first).to_be_visible()
    ui.browser.shoot("api-documentation")
