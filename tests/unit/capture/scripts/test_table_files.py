"""CSV and JSON become tables, or words."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.scripts.table_files import MOST_COLUMNS, Table, parse_table, table_of


def csv_table(text: str | bytes) -> Table:
    table = parse_table("a.csv", text if isinstance(text, bytes) else text.encode())
    assert isinstance(table, Table), table
    return table


def json_table(text: str) -> Table:
    table = parse_table("a.json", text.encode())
    assert isinstance(table, Table), table
    return table


def test_one_column_is_a_list_whose_values_are_true() -> None:
    assert csv_table("number\n+491\n+492\n").entries == {b"+491": True, b"+492": True}


def test_of_two_columns_the_other_one_is_the_value() -> None:
    assert csv_table("number,customer\n+491,Smith\n+492,\n").entries == {b"+491": b"Smith", b"+492": b""}


def test_of_more_columns_the_row_is_found_by_names() -> None:
    table = csv_table("number,customer,tariff\n+491,Smith,flat\n")

    assert table.find(b"+491") == (b"customer", b"Smith", b"tariff", b"flat")
    assert table.find(b"+492") is None


def test_column_called_key_holds_the_keys() -> None:
    assert csv_table("customer,key,tariff\nSmith,+491,flat\n").find(b"+491") == (
        *(b"customer", b"Smith"),
        *(b"tariff", b"flat"),
    )


@pytest.mark.parametrize(
    "text",
    [
        "number;customer\n+491;Smith, J.\n",
        "number\tcustomer\n+491\tSmith, J.\n",
        'number,customer\r\n+491,"Smith, J."\r\n',
        'number, customer\n+491, "Smith, J."\n\n',
        '\ufeffnumber,customer\n+491,"Smith, J.",,\n',
        '\n\nnumber,customer\n+491,"Smith, J."',
    ],
)
def test_spreadsheets_write_csv_in_many_ways(text: str) -> None:
    assert csv_table(text) == Table({b"+491": b"Smith, J."})


def test_quoted_cells_may_hold_line_ends_and_quotes() -> None:
    assert csv_table('a,b\n"x\n""y""",z\n').entries == {b'x\n"y"': b"z"}


def test_bytes_that_are_not_utf8_stay_as_they_are() -> None:
    assert csv_table(b"a,b\nM\xfcller,\xe9\n").entries == {b"M\xfcller": b"\xe9"}


def test_line_with_other_columns_is_left_out_and_said() -> None:
    table = csv_table("a,b\n1,x\n2\n3,y,z\n4,w\n")

    assert table.entries == {b"1": b"x", b"4": b"w"}
    assert table.words == "line 3 has not the 2 columns of the header and is left out, and 1 more"


def test_last_of_the_lines_of_a_key_counts_and_that_is_said() -> None:
    table = csv_table("a,b\n1,x\n1,y\n")

    assert table.entries == {b"1": b"y"}
    assert "1 lines have a key of another line" in table.words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "is empty"),
        (b" \r\n", "is empty"),
        (b'a,b\n1,"x\n', "line 2: unexpected end of data"),
        (b'a,b\n1,"x"y\n', "line 2: "),
        (b"a,,c\n", "column 2 has no name"),
        (b"a,b,b\n", "two columns are called b"),
        (b"a,b\n" + b"1," + b"x" * 200_000, "line 2: field larger"),
        (b"," * MOST_COLUMNS, f"at most {MOST_COLUMNS}"),
        ("a,b\n1,x\n".encode("utf-16"), "UTF-16"),
    ],
)
def test_broken_csv_is_said_in_words(text: bytes, words: str) -> None:
    table = parse_table("a.csv", text)

    assert isinstance(table, str)
    assert words in table


def test_json_has_values_and_rows() -> None:
    table = json_table(
        '{"a": "x", "b": 1.5, "c": true, "d": null, "e": {"n": "y", "o": null, "p": 7}, "f": {}}'
    )

    assert table.entries == {b"a": b"x", b"b": 1.5, b"c": True, b"e": (b"n", b"y", b"p", 7)}
    assert table.find(b"e") == (b"n", b"y", b"p", 7)


def test_whole_number_that_lua_cannot_hold_is_text() -> None:
    assert json_table(
        '{"a": 9007199254740993, "b": -123456789012345678901, "c": 9007199254740992}'
    ).entries == {
        b"a": b"9007199254740993",
        b"b": b"-123456789012345678901",
        b"c": 9007199254740992,
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1]", "is not a JSON object"),
        ('{"a": ', "is not JSON"),
        ('{"a": [1]}', "a is neither"),
        ('{"a": {"b": {}}}', "b of a is neither"),
        ("[" * 100_000, "is not JSON"),
        ('{"a": "\udc80"}', "is not JSON"),
    ],
)
def test_broken_json_is_said_in_words(text: str, words: str) -> None:
    table = parse_table("A.JSON", text.encode("utf-8", "surrogateescape"))

    assert isinstance(table, str)
    assert words in table


def test_table_is_made_of_plain_values() -> None:
    table = table_of({"a": "x", "b": {"n": 1}, "c": b"y"})

    assert isinstance(table, Table)
    assert [table.find(key) for key in (b"a", b"b", b"c", b"d")] == [b"x", (b"n", 1), b"y", None]


cells = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8
).filter(lambda cell: cell == cell.strip(" \r\n") and not cell.startswith("\ufeff"))


@given(st.dictionaries(cells, st.tuples(cells, cells), max_size=20))
def test_csv_that_is_written_is_read_back(rows: dict[str, tuple[str, str]]) -> None:
    file = io.StringIO()
    csv.writer(file, quoting=csv.QUOTE_ALL).writerows(
        [("k", "x", "y"), *((key, *row) for key, row in rows.items())]
    )

    table = csv_table(file.getvalue())

    assert table.words == ""
    assert len(table.entries) == len(rows)
    for key, (x, y) in rows.items():
        assert table.find(key.encode()) == (b"x", x.encode(), b"y", y.encode())


@given(st.binary(max_size=60) | st.text("ab\"',;\n\r\t{}[]:0é\0", max_size=60).map(str.encode))
def test_any_bytes_are_a_table_or_words(data: bytes) -> None:
    for name in ("a.csv", "a.json"):
        table = parse_table(name, data)

        assert isinstance(table, Table) or table
        if isinstance(table, Table):
            assert all(table.find(key) is not None for key in table.entries)


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5) | st.booleans() | st.floats(allow_nan=False)))
def test_json_that_is_written_is_read_back(values: dict[str, str | bool | float]) -> None:
    table = parse_table("a.json", json.dumps(values).encode())

    if isinstance(table, Table):
        assert table.entries == {
            key.encode(): value.encode() if isinstance(value, str) else value for key, value in values.items()
        }
    else:
        assert "Infinity" in json.dumps(values)
