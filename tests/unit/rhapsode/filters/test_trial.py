"""Scripts tried on a packet as a worker would run them."""

from pathlib import Path

import pytest

from capture.settings import FilterSettings, SipSettings
from rhapsode.filters.trial import Tried, trial_of
from tests.support.drafts import a_draft

FAILS = 'function on_sip(message) tag("a", 1) error("oh") end\n'
DROPS_AND_FAILS = 'function old() SetHEPField("ProtoType", "0") error("oh") end\n'
TAGS = 'function on_sip(message) tag("b", 1) end\n'


def tried(directory: Path, first: str, on_error: str) -> Tried:
    (directory / "a.lua").write_text(first)
    (directory / "b.lua").write_text(TAGS)
    filters = FilterSettings.model_validate({"on_error": on_error})
    return trial_of(directory, filters, SipSettings()).run(a_draft().packet, 1)


def test_packet_in_which_a_script_fails_goes_on_to_the_next_one(tmp_path: Path) -> None:
    found = tried(tmp_path, FAILS, "keep")

    assert str(found.error) == "a.lua:1: oh"
    assert [(change.name, change.after) for change in found.changes] == [("custom:b", "1")]
    assert found.draft.dropped is None


@pytest.mark.parametrize(("first", "reason"), [(FAILS, "script error"), (DROPS_AND_FAILS, "ProtoType 0")])
def test_packet_in_which_a_script_fails_is_dropped_where_the_setting_says_so(
    tmp_path: Path, first: str, reason: str
) -> None:
    found = tried(tmp_path, first, "drop")

    assert (found.draft.dropped, str(found.error)) == (reason, "a.lua:1: oh")
    assert "custom:b" not in found.draft.changes


def test_packet_of_which_an_old_script_sets_what_cannot_be_is_dropped_where_the_setting_says_so(
    tmp_path: Path,
) -> None:
    found = tried(tmp_path, "function old() SetHEPField('SrcIP', 'hidden') end", "drop")

    assert (found.draft.dropped, found.error) == ("script error", None)
