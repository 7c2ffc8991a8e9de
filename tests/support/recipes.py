"""The lines that the documentation gives operators for their servers, as the tests run them."""

import re

from tests.support.rhapsode import ROOT

DOCUMENTED_ADDRESS = "192.0.2.10:9060"
_BLOCK = re.compile(r"^```[a-z]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def recipe(document: str, program: str, address: tuple[str, int]) -> str:
    """The first block of lines below the words `**program**`, Rhapsode's `address` for the documented one."""
    lines = block(document, program)
    assert DOCUMENTED_ADDRESS in lines, f"{document}: the lines for {program} name no {DOCUMENTED_ADDRESS}"
    return lines.replace(DOCUMENTED_ADDRESS, f"{address[0]}:{address[1]}")


def block(document: str, program: str, number: int = 0) -> str:
    """The block of lines with this number below the words `**program**`."""
    text = (ROOT / document).read_text(encoding="utf-8")
    start = re.search(rf"^\*\*{re.escape(program)}\.?\*\*", text, re.MULTILINE)
    assert start, f"{document} has no paragraph about {program}"
    blocks = _BLOCK.findall(text, start.end())
    return str(blocks[number])
