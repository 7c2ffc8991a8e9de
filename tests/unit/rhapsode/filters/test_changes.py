"""What scripts changed of a message."""

from rhapsode.filters.changes import Change, changes_of
from tests.support.drafts import INVITE, a_draft


def test_message_that_no_script_touched_has_no_changes() -> None:
    assert changes_of(a_draft()) == []


def test_fields_are_named_as_in_the_api_with_what_was_and_what_is() -> None:
    draft = a_draft()
    draft.write("node_name", b"sbc-1")
    draft.write("source", b"198.51.100.7")
    draft.write("from_user", None)
    draft.write("custom:agent", b"seven")
    draft.write("sink:target_name", b"trunk")

    assert changes_of(draft) == [
        Change("source", "192.0.2.1", "198.51.100.7"),
        Change("node", "", "sbc-1"),
        Change("from_user", "alice", None),
        Change("custom:agent", None, "seven"),
        Change("target_name", None, "trunk"),
    ]


def test_value_set_to_what_it_was_is_no_change() -> None:
    draft = a_draft()
    draft.write("from_user", b"alice")
    draft.write("node_name", b"")

    assert changes_of(draft) == []


def test_field_that_follows_from_a_changed_payload_counts() -> None:
    draft = a_draft()
    draft.write("payload", INVITE.replace(b"alice", b"*****"))

    assert changes_of(draft) == [Change("from_user", "alice", "*****")]


def test_fields_stay_where_only_the_raw_text_was_changed() -> None:
    draft = a_draft()
    draft.write("raw", INVITE.replace(b"alice", b"*****"))

    assert changes_of(draft) == []
