"""Lines of scripts are written or counted, and tables follow their files, whatever happens when."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from capture.scripts.saying import MOST_LINES, WINDOW_S, Sayings
from capture.scripts.tables import Tables

said = st.tuples(
    st.just("say"),
    st.sampled_from(["a.lua", "b.lua"]),
    st.integers(0, 3),
    st.integers(1, 3 * MOST_LINES),
)
failed = st.tuples(st.just("fail"), st.just("a.lua"), st.integers(0, 3), st.integers(1, 5))
waited = st.tuples(st.just("wait"), st.just(""), st.integers(0, 2 * int(WINDOW_S)), st.just(1))


def count_of(words: str) -> int:
    """How many lines a line stands for."""
    return int(words.split()[1].replace(",", "")) if words.startswith("… ") else 1


@settings(max_examples=100)
@given(st.lists(said | failed | waited, max_size=40))
def test_every_line_is_written_or_counted_and_few_are_written(
    steps: list[tuple[str, str, int, int]],
) -> None:
    now_s = 0.0
    written: list[str] = []
    sayings = Sayings(lambda level, place, words: written.append(words), lambda: now_s)
    total = 0
    for what, script, number, times in steps:
        if what == "wait":
            now_s += number
            sayings.flush()
            continue
        for _ in range(times):
            if what == "say":
                sayings.say("error", "x", script, number)
            else:
                sayings.fail("error", "x", script, number)
        total += times

    for _ in range(2):
        now_s += WINDOW_S + 1
        sayings.flush()

    assert sum(map(count_of, written)) == total
    # Of each of eight places and four errors, in each window that began.
    assert len(written) <= (now_s // WINDOW_S + 1) * (8 * (MOST_LINES + 1) + 4 * 2)


versions = st.sampled_from(["a,b\n1,x\n", "a,b\n1,y\n2,z\n", "a\n1\n", "", 'a,b\n"', "a,b,b\n", "\xff\xfe"])
changes = st.lists(st.tuples(st.sampled_from(["write", "replace", "unlink", "look"]), versions), max_size=12)


@settings(max_examples=60, deadline=None)
@given(changes)
def test_table_is_the_last_good_version_once_its_file_has_come_to_rest(
    changes: list[tuple[str, str]],
) -> None:
    now_s = 0.0
    by_text = {"a,b\n1,x\n": (b"x", None), "a,b\n1,y\n2,z\n": (b"y", b"z"), "a\n1\n": (True, None)}
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "a.csv"
        tables = Tables(Path(directory), lambda: now_s)
        tables.want([b"a.csv"])
        for what, text in changes:
            if what == "write":
                path.write_text(text, "latin-1")
            elif what == "replace":
                other = path.with_name(".new")
                other.write_text(text, "latin-1")
                other.replace(path)
            elif what == "unlink":
                path.unlink(missing_ok=True)
            else:
                now_s += 1.0
                tables.refresh()
            tables.lookup(b"a.csv", b"1")
        for _ in range(4):
            now_s += 1.0
            tables.refresh()
        rests = path.read_text("latin-1") if path.exists() else None
        found = tables.lookup(b"a.csv", b"1"), tables.lookup(b"a.csv", b"2")

    if rests in by_text:
        assert found == by_text[rests]
        assert tables.problems == ()
    else:
        # No version, or one of those that were good, and it is said that it is not the newest.
        assert found in by_text.values() or (isinstance(found[0], tuple) and found[0][0] is None)
        assert len(tables.problems) == 1
