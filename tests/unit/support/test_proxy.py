"""Where a connection is cut: at the place that was asked for, or not at all."""

from tests.support.proxy import Cut

DONE = b"c\0\0\0\4"


def passed(cut: Cut, *chunks: bytes) -> bytes | None:
    """What goes through before the cut; None when there is none."""
    through, begun = b"", False
    for chunk in chunks:
        begun = begun or cut.begins_in(chunk)
        end = cut.through(chunk) if begun else None
        if end is not None:
            return through + chunk[:end]
        through += chunk
    return None


def test_statement_itself_does_not_go_through() -> None:
    assert passed(Cut(b"commit"), b"begin; ", b"x; commit; ") == b"begin; x; "


def test_statement_that_is_not_sent_is_no_cut() -> None:
    assert passed(Cut(b"commit"), b"begin; ", b"rollback") is None


def test_bytes_behind_the_statement_are_counted_over_what_is_sent_in_pieces() -> None:
    assert passed(Cut(b"COPY", passing=7), b"x COPY ", b"12345") == b"x COPY 12"


def test_later_one_of_several_alike_is_cut() -> None:
    assert passed(Cut(b"COPY", occurrence=3), b"COPY COPY", b" COPY 1") == b"COPY COPY "


def test_end_of_the_statement_does_not_go_through_however_much_may_pass() -> None:
    cut = Cut(b"COPY", passing=1000, end=DONE)

    assert passed(cut, DONE + b"COPY ", b"1234", b"56" + DONE + b"commit") == DONE + b"COPY 123456"


def test_cut_is_before_the_end_where_less_may_pass() -> None:
    assert passed(Cut(b"COPY", passing=6, end=DONE), b"COPY 1234" + DONE) == b"COPY 1"
