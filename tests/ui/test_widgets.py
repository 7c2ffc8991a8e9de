"""The stock web UI: widgets that upload captures and ask other servers."""

import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest
from playwright.sync_api import expect

from tests.support.browser import a_browser
from tests.support.prometheus import RECEIVED, scraped
from tests.support.rhapsode import ROOT
from tests.support.ui_dashboards import Dashboards
from tests.support.ui_pages import Ui

CAPTURE = ROOT / "tests/corpus/data/kamailio-hep3-basic.pcap"
CAPTURED = "1-20039-kam-hep3-udp-basic@127.0.0.1"


def test_uploaded_capture_is_found_by_searching(ui: Ui) -> None:
    dashboards = Dashboards(ui)
    dashboards.create("Captures")
    widget = dashboards.add_widget("PCAP Uploader", "Utils")

    widget.locator("input[type=file]").set_input_files(CAPTURE)
    widget.get_by_label("Set date-time from Now").check()
    ui.browser.shoot("upload")
    with ui.page.expect_response(lambda answer: answer.url.endswith("/import/data/pcap/now")) as answered:
        widget.get_by_role("button", name="Upload").click()

    assert answered.value.status == httpx.codes.CREATED
    assert answered.value.json()["data"]["inserted"] == 34
    expect(ui.page.get_by_text("File was uploaded successfully")).to_be_visible()
    dashboards.delete()
    ui.search(CallID=CAPTURED)
    expect(ui.page.get_by_text("1 – 12 of 12")).to_be_visible()
    assert set(ui.column("sid")) == {CAPTURED}
    ui.open_call()
    ui.browser.shoot("uploaded-call")


def test_charts_of_servers_that_are_not_configured_are_not_offered(ui: Ui) -> None:
    dashboards = Dashboards(ui)
    dashboards.create("Charts")

    with ui.page.expect_response(lambda answer: answer.url.endswith("/proxy/grafana/status")) as answered:
        grafana = dashboards.offered("Grafana", "Metrics")

    assert answered.value.json() == {"data": {"enable": False}}
    expect(grafana.get_by_role("button")).to_be_disabled()
    ui.browser.shoot("widgets-offered")
    ui.page.locator("mat-dialog-container button:has([data-icon=times])").click()
    dashboards.delete()


def a_day_of(metric: str) -> str:
    """A sample a minute until now: the UI asks for one an hour, from midnight on."""
    now_s = int(time.time())
    samples = [f'{metric}{{job="earlier"}} {at % 1000} {at}' for at in range(now_s - 90_000, now_s, 60)]
    return "\n".join([f"# TYPE {metric} gauge", *samples, "# EOF", ""])


@pytest.fixture
def charting(homer_ui: Path, shots: Path) -> Iterator[Ui]:
    """The UI before an installation that Prometheus scrapes."""
    with (
        TemporaryDirectory(prefix="rhapsode-ui-") as name,
        scraped(Path(name), 1, "--ui-dir", homer_ui, history=a_day_of(RECEIVED)) as (running, _),
        a_browser(running.web, shots) as browser,
    ):
        yield Ui(browser).log_in()
        assert browser.trouble == []


def test_chart_asks_prometheus_for_what_was_chosen(charting: Ui) -> None:
    """What it asks and is told; whether the UI draws it is a matter of luck, see docs/api.md."""
    page, dashboards = charting.page, Dashboards(charting)
    dashboards.create("Charts")
    widget = dashboards.add_widget("Prometheus", "Metrics")

    widget.get_by_role("button", name="Widget Settings").click()
    dialog = page.locator("mat-dialog-container")
    dialog.get_by_label("Chart title").fill("Received")
    with page.expect_response(lambda answer: answer.url.endswith("/prometheus/labels")) as labels:
        dialog.get_by_role("button", name="Edit").click()
    assert RECEIVED in labels.value.json()
    # The page lays a list of no height over the one of metrics.
    dialog.locator("mat-select.prometheus").press("Enter")
    with page.expect_response(lambda answer: answer.url.endswith(f"/prometheus/label/{RECEIVED}")) as series:
        page.get_by_role("option", name=RECEIVED, exact=True).click()
    assert {"earlier", "rhapsode"} >= {each["job"] for each in series.value.json()}
    page.keyboard.press("Escape")
    charting.browser.shoot("prometheus-settings")
    with page.expect_response(lambda answer: answer.url.endswith("/prometheus/value")) as value:
        dialog.get_by_role("button", name="Save", exact=True).click()

    assert value.value.request.post_data_json["param"]["metrics"] == [RECEIVED]
    [answer] = value.value.json()
    assert any(each["values"] for each in answer["data"]["result"])
    charting.browser.shoot("prometheus")
    page.reload()
    expect(page.get_by_role("heading", name="Received")).to_be_visible()
    dashboards.delete()
