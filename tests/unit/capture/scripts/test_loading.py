"""From scripts that are there to scripts that run."""

from pathlib import Path

import pytest

from capture.scripts.kept import KeptVersions
from capture.scripts.loading import Loader
from capture.scripts.services import Services
from capture.settings import FilterSettings


@pytest.mark.parametrize("broken", ["function on_sip(message", "function old("])
def test_script_is_watched_while_it_is_compiled(tmp_path: Path, broken: str) -> None:
    (tmp_path / "a.lua").write_text(broken)
    settings = FilterSettings()
    watched: list[str | None] = []

    def begin(script: object) -> None:
        watched.append(getattr(script, "name", None))

    Loader(tmp_path, settings, Services(tmp_path, settings), KeptVersions(None), begin).load({})

    assert watched[:2] == ["a.lua", None]
