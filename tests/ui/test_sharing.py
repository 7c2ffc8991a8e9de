"""The stock web UI: what is handed on of a call, as a link that anybody may open and as a picture."""

import re
import struct
from pathlib import Path

from playwright.sync_api import expect

from tests.support.rhapsode import Rhapsode
from tests.support.ui_pages import Ui

CALL = "mix-call-0@127.0.0.1"
PNG = b"\x89PNG\r\n\x1a\n"


def test_link_shows_the_call_to_whoever_opens_it(ui: Ui, running: Rhapsode) -> None:
    ui.search(CallID=CALL)
    ui.open_call()
    ui.tab("Export")

    with ui.page.context.expect_page() as opened:
        ui.page.get_by_text("Share Link", exact=True).click()
    page = opened.value

    expect(page).to_have_url(re.compile(re.escape(running.web) + r"/search/result\?"))
    expect(page.get_by_text("1 – 12 of 12")).to_be_visible()
    link = page.url
    page.close()

    ui.log_out()
    ui.browser.open(link.removeprefix(running.web))
    expect(ui.page.get_by_placeholder("Password")).to_be_visible()
    ui.browser.shoot("link-without-login")
    ui.fill_in_login()
    expect(ui.page.get_by_text("1 – 12 of 12")).to_be_visible()
    assert set(ui.column("sid")) == {CALL}
    assert ui.column("method")[0] == "INVITE"
    ui.browser.shoot("link")


def test_ladder_is_exported_as_a_picture(ui: Ui, tmp_path: Path) -> None:
    ui.search(CallID=CALL)
    ui.open_call()
    ui.tab("Export")

    picture = ui.download("Export Flow as PNG", tmp_path).read_bytes()

    assert picture.startswith(PNG)
    width, height = struct.unpack(">II", picture[16:24])
    assert (width > 300, height > 1000) == (True, True), "all twelve messages"
    (ui.browser.shots / "flow.png").write_bytes(picture)
    # Of a ladder that is drawn out of sight.
    ui.browser.forgive("updateDOMScroller")
