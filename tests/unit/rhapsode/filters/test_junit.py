"""JUnit XML read back as a CI system reads it."""

from xml.etree import ElementTree

from rhapsode.filters.junit import junit_xml
from rhapsode.filters.testing import FileOutcome, Outcome

PASSED = Outcome("is kept", 3, 0.25, None)
FAILED = Outcome("is <dropped>\0", 9, 0.5, "a_test.lua:12: not equal\nexpected: \x1b[31m\nactual: ü")


def suites(*files: FileOutcome) -> list[ElementTree.Element]:
    root = ElementTree.fromstring(junit_xml(files))  # noqa: S314 # made here
    assert root.tag == "testsuites"
    return list(root)


def test_each_file_is_a_suite_with_its_counts() -> None:
    first, second = suites(
        FileOutcome("a_test.lua", (PASSED, FAILED)), FileOutcome("b_test.lua", (), "b_test.lua has no tests")
    )

    assert first.attrib == {
        "name": "a_test.lua", "tests": "2", "failures": "1", "errors": "0", "time": "0.750000",
    }  # fmt: skip
    assert second.attrib["tests"] == second.attrib["errors"] == "1"
    assert second.attrib["failures"] == "0"


def test_failure_says_where_and_why() -> None:
    (suite,) = suites(FileOutcome("a_test.lua", (PASSED, FAILED)))
    passed, failed = suite

    assert list(passed) == []
    assert failed.attrib["file"] == "a_test.lua"
    assert failed.attrib["line"] == "9"
    assert failed[0].tag == "failure"
    assert failed[0].attrib["message"] == "a_test.lua:12: not equal"


def test_characters_that_xml_cannot_hold_are_replaced() -> None:
    (suite,) = suites(FileOutcome("a_test.lua", (FAILED,)))

    assert suite[0].attrib["name"] == "is <dropped>\N{REPLACEMENT CHARACTER}"
    assert suite[0][0].text == "a_test.lua:12: not equal\nexpected: \N{REPLACEMENT CHARACTER}[31m\nactual: ü"


def test_file_that_does_not_load_is_an_error() -> None:
    (suite,) = suites(FileOutcome("a_test.lua", (), "a_test.lua does not load: a_test.lua:1: oh"))

    assert suite[0].attrib["name"] == "loads"
    assert suite[0][0].tag == "error"
    assert suite[0][0].text == "a_test.lua does not load: a_test.lua:1: oh"
