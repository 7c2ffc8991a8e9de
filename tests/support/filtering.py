"""A script of our own API, loaded as a worker loads it, and run for messages."""

from collections.abc import Mapping
from pathlib import Path

from capture.draft import Draft
from capture.scripts.folder import make_script
from capture.scripts.host import Host
from capture.scripts.lua import Limits, LuaState
from capture.scripts.message import load_new_script
from capture.scripts.services import Services
from capture.settings import FilterSettings
from tests.support.drafts import a_draft


class Filter:
    """`a.lua` in a state of its own."""

    def __init__(
        self,
        source: str,
        settings: Mapping[str, str | int | float | bool] | None = None,
        directory: Path | None = None,
        services: Services | None = None,
        limits: Limits = Limits(),  # noqa: B008 (an immutable tuple)
    ) -> None:
        self.services = services or Services(directory, FilterSettings())
        state = LuaState(limits)
        self._host = Host(state)
        script = make_script("a.lua", source.encode())
        self.functions = load_new_script(script, state, self._host, self.services, settings or {})

    def run(self, draft: Draft | None = None) -> Draft:
        """The message, by default an INVITE, as the script leaves it; ScriptError when the script fails."""
        draft = draft or a_draft()
        for function in self.functions.get(draft.meaning.protocol_type, ()):
            self._host.run(function, draft)
        return draft


def run_on_sip(body: str, draft: Draft | None = None) -> Draft:
    """A message after `on_sip(message)` of this body, in which line 2 is the first."""
    return Filter(f"function on_sip(message)\n{body}\nend").run(draft)


def tags_of(draft: Draft) -> dict[str, object]:
    """What `tag` has set."""
    return {name[7:]: value for name, value in draft.changes.items() if name.startswith("custom:")}
