"""Test outcomes as JUnit XML, which CI systems read.

Source: the format as Jenkins and GitLab read it; there is no standard. Python's own library writes it.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING
from xml.etree import ElementTree

if TYPE_CHECKING:
    from rhapsode.filters.testing import FileOutcome

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold."""


def junit_xml(files: Sequence["FileOutcome"]) -> bytes:
    """One suite a file; a file that does not load is a test that has an error."""
    suites = ElementTree.Element("testsuites")
    for file in files:
        failed = sum(test.failure is not None for test in file.tests)
        suite = ElementTree.SubElement(
            suites,
            "testsuite",
            name=_clean(file.name),
            tests=str(len(file.tests) + (file.problem is not None)),
            failures=str(failed),
            errors=str(int(file.problem is not None)),
            time=_seconds(sum(test.seconds for test in file.tests)),
        )
        if file.problem is not None:
            case = _case(suite, file.name, "loads", 1, 0)
            _because(case, "error", file.problem)
        for test in file.tests:
            case = _case(suite, file.name, test.name, test.line, test.seconds)
            if test.failure is not None:
                _because(case, "failure", test.failure)
    ElementTree.indent(suites)
    written: bytes = ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True)
    return written


def _case(suite: ElementTree.Element, file: str, name: str, line: int, seconds: float) -> ElementTree.Element:
    return ElementTree.SubElement(
        suite,
        "testcase",
        classname=_clean(file.removesuffix(".lua")),
        name=_clean(name),
        file=_clean(file),
        line=str(line),
        time=_seconds(seconds),
    )


def _because(case: ElementTree.Element, kind: str, words: str) -> None:
    element = ElementTree.SubElement(case, kind, message=_clean(words.partition("\n")[0]))
    element.text = _clean(words)


def _seconds(seconds: float) -> str:
    return f"{seconds:.6f}"


def _clean(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
