"""What `rhapsode dictionary` says."""

import pytest

from capture.store.dictionaries import ListedDictionary
from capture.store.trainer import Report
from rhapsode.commands.dictionary import answer, describe
from rhapsode.errors import RhapsodeError

FIGURES = {"dictionary": 3, "messages": 900, "judged": 100, "plain_bytes": 80_000, "before_bytes": 30_000}


def test_dictionary_is_described_by_what_it_brought() -> None:
    assert describe(ListedDictionary(1, None, None, None, "…")) == "came with a release"
    trained = ListedDictionary(2, 900, 80_000, 16_000, "…")
    assert describe(trained) == "trained on 900 messages: 5.0 times smaller"


def test_training_is_answered_with_bytes_a_message() -> None:
    trained = answer(Report("trained", after_bytes=16_000, **FIGURES))
    kept = answer(Report("kept", after_bytes=29_000, **FIGURES))

    assert trained == (
        "dictionary 3 trained on 900 messages: 800 bytes a message become 160, with the one before 300"
    )
    assert kept.startswith("no other dictionary is worth it: 800 bytes a message become 290")
    assert answer(Report("kept", "there are 50 already")).endswith("worth it: there are 50 already")


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (Report("few", messages=12), "only 12 different messages"),
        (Report("busy"), "at this moment"),
        (Report("changed"), "at this moment"),
    ],
)
def test_what_could_not_be_trained_is_an_error_in_words(report: Report, words: str) -> None:
    with pytest.raises(RhapsodeError, match=words):
        answer(report)
