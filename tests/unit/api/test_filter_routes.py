"""Looking at filter scripts and switching them, over HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest

from capture.script_report import FolderProblem, MemoryReport
from capture.script_switches import LOCK_NAME, SwitchedOff, Switches
from tests.support.api import Api, an_api, bearer
from tests.support.filter_reports import SHA, a_report, a_script, kept

FILTERS = "/api/v3/rhapsode/filters"
ADMIN, USER = bearer("alice"), bearer("bob")


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with an_api(data_dir=tmp_path) as api:
        api.trust(alice="admin", bob="user")
        yield api


@pytest.fixture
def switches(tmp_path: Path) -> Switches:
    return Switches(tmp_path / "journal" / "filters")


async def test_list_says_what_each_script_is_and_did(api: Api, tmp_path: Path) -> None:
    script = a_script(calls=4, entry_points=["on_sip"], is_new_kind=True, memory_bytes=9)
    script.count_drop("scanner", 2)
    script.count_error(3, "error", "words", 7)
    report = a_report(
        script,
        problems=[FolderProblem("x.lua", "is empty", is_left_out=False)],
        cache=MemoryReport(1, 2, 3, 4),
    )

    with kept(tmp_path, report):
        answer = await api.client.get(FILTERS, headers=USER)

    assert answer.status_code == 200
    assert answer.json() == {
        "count": 1,
        "data": [
            {
                "name": "mask.lua",
                "kind": "new",
                "is_example": False,
                "state": "running",
                "why": "",
                "load_error": "",
                "packet": None,
                "entry_points": ["on_sip"],
                "calls": 4,
                "drops": {"scanner": 2},
                "errors": [
                    {
                        "line": 3,
                        "kind": "error",
                        "words": "words",
                        "count": 1,
                        "last_us": 7,
                        "is_past": False,
                    }
                ],
                "p50_seconds": pytest.approx(1.5e-6),
                "p99_seconds": pytest.approx(1.99e-6),
                "memory_bytes": 9,
                "workers": {"0000": "running"},
            }
        ],
        "problems": ["x.lua: is empty"],
        "cache": {"entries": 1, "bytes": 2, "limit_bytes": 3, "evicted": 4},
        "hash_table": {"entries": 0, "bytes": 0, "limit_bytes": 0, "evicted": 0},
    }


async def test_admin_disables_and_enables_a_script_and_is_named(
    api: Api, tmp_path: Path, switches: Switches, caplog: pytest.LogCaptureFixture
) -> None:
    with kept(tmp_path, a_report(a_script())):
        disabled = await api.client.post(f"{FILTERS}/mask.lua/disable", headers=ADMIN)
        while_off = switches.read()
        enabled = await api.client.post(f"{FILTERS}/mask.lua/enable", headers=ADMIN)

    assert disabled.status_code == enabled.status_code == 200
    assert (disabled.json()["data"]["state"], disabled.json()["data"]["why"]) == (
        "disabled",
        "disabled by alice",
    )
    assert while_off["mask.lua"].by == "alice"
    assert enabled.json()["data"]["state"] == "running"
    assert switches.read() == {}
    assert "filter script mask.lua is disabled by alice" in caplog.messages
    assert "filter script mask.lua is enabled by alice" in caplog.messages


async def test_admin_enables_what_switched_itself_off(api: Api, tmp_path: Path, switches: Switches) -> None:
    switches.switch_off("mask.lua", SHA, "loops")
    with kept(tmp_path, a_report(a_script())):
        before = await api.client.get(FILTERS, headers=USER)
        after = await api.client.post(f"{FILTERS}/mask.lua/enable", headers=ADMIN)

    assert (before.json()["data"][0]["state"], before.json()["data"][0]["why"]) == ("switched off", "loops")
    assert after.json()["data"]["state"] == "running"


async def test_switch_of_a_script_that_no_worker_has_reported_yet_can_be_taken_back(
    api: Api, switches: Switches
) -> None:
    switches.disable("mask.lua", "alice")

    answer = await api.client.post(f"{FILTERS}/mask.lua/enable", headers=ADMIN)

    assert (answer.status_code, answer.json()["data"]["state"]) == (200, "stopped")
    assert switches.read() == {}


@pytest.mark.parametrize("what", ["disable", "enable"])
async def test_only_admins_may_switch(api: Api, tmp_path: Path, switches: Switches, what: str) -> None:
    switches.disable("other.lua", "alice", 5)
    with kept(tmp_path, a_report(a_script(), a_script("other.lua"))):
        by_user = await api.client.post(f"{FILTERS}/mask.lua/{what}", headers=USER)
        by_nobody = await api.client.post(f"{FILTERS}/mask.lua/{what}")

    assert (by_user.status_code, by_user.json()) == (403, {"message": "This API requires admin access."})
    assert by_nobody.status_code == 401
    assert switches.read() == {"other.lua": SwitchedOff("disabled by alice", 5, "alice")}


async def test_list_is_for_those_who_are_logged_in(api: Api) -> None:
    assert (await api.client.get(FILTERS)).status_code == 401


@pytest.mark.parametrize("name", ["über alles.lua", "a\"b'.lua", "a%2Fb.lua", "a?b#c;d=e&f+g.lua", "...lua"])
async def test_script_of_any_name_can_be_switched(
    api: Api, tmp_path: Path, switches: Switches, name: str
) -> None:
    with kept(tmp_path, a_report(a_script(name))):
        disabled = await api.client.post(f"{FILTERS}/{quote(name)}/disable", headers=ADMIN)
        off = list(switches.read())
        enabled = await api.client.post(f"{FILTERS}/{quote(name)}/enable", headers=ADMIN)

    assert (disabled.status_code, enabled.status_code) == (200, 200)
    assert disabled.json()["data"]["name"] == name
    assert off == [name]


@pytest.mark.parametrize("what", ["disable", "enable"])
@pytest.mark.parametrize("name", ["none.lua", "..%2Fmask.lua", "%00"])
async def test_unknown_script_is_not_found(api: Api, tmp_path: Path, what: str, name: str) -> None:
    with kept(tmp_path, a_report(a_script())):
        answer = await api.client.post(f"{FILTERS}/{name}/{what}", headers=ADMIN)

    assert answer.status_code == 404


async def test_switch_that_cannot_be_written_is_an_error(api: Api, tmp_path: Path) -> None:
    with kept(tmp_path, a_report(a_script())) as filters:
        (filters / LOCK_NAME).mkdir()
        answer = await api.client.post(f"{FILTERS}/mask.lua/disable", headers=ADMIN)

    assert answer.status_code == 503
    assert "cannot be written" in answer.json()["message"]


async def test_api_on_another_machine_does_not_call_its_ignorance_an_empty_list() -> None:
    async with an_api() as api:
        api.trust(alice="admin", bob="user")
        listed = await api.client.get(FILTERS, headers=ADMIN)
        switched = await api.client.post(f"{FILTERS}/mask.lua/disable", headers=ADMIN)

    assert (listed.status_code, switched.status_code) == (503, 503)
    assert "another machine" in listed.json()["message"]
