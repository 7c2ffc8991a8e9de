"""Scripts of heplify-server, loaded and run as a worker does, but for what goes beyond one packet."""

from capture.draft import Draft
from capture.scripts.folder import make_script
from capture.scripts.homer import OldScripts, OldServices, load_old_scripts
from capture.scripts.lua import LuaState


class Table:
    """What scripts remember."""

    def __init__(self) -> None:
        self.kept: dict[bytes, bytes] = {}
        self.said: list[tuple[str, str, str, int]] = []

    @property
    def services(self) -> OldServices:
        def say(level: str, words: str, script: str, line: int) -> None:
            self.said.append((level, words, script, line))

        return OldServices(self.kept.get, self._set, self._delete, say)

    def _set(self, key: bytes, value: bytes) -> None:
        self.kept[key] = value

    def _delete(self, key: bytes) -> None:
        self.kept.pop(key, None)


class OldFolder:
    """Files by their names, without `.lua`."""

    def __init__(self, table: Table | None = None, **sources: str) -> None:
        self.table = table or Table()
        versions = [[make_script(f"{name}.lua", source.encode())] for name, source in sorted(sources.items())]
        self.scripts: OldScripts = load_old_scripts(versions, LuaState, self.table.services)

    @property
    def said(self) -> list[tuple[str, str, str, int]]:
        """What was logged: level, words, script, line."""
        return self.table.said

    def run(self, draft: Draft) -> Draft:
        """Let all functions at a message; errors are raised."""
        for functions in self.scripts.functions.values():
            for function in functions:
                self.scripts.host.run(function, draft)
        return draft


def run(source: str, draft: Draft) -> Draft:
    """Let one script at a message that must come without an error of its loading."""
    folder = OldFolder(a=source)
    assert folder.scripts.errors == {}
    return folder.run(draft)


def shown(expression: str, draft: Draft) -> str:
    """What an expression is for a script, as Lua shows it, its type before it."""
    folder = OldFolder(
        a=f"function show() local value = {expression} Print(type(value) .. ' ' .. tostring(value)) end"
    )
    folder.run(draft)
    return folder.said[-1][1]
