"""What scripts of our own API have besides the packet: metrics, the log, memory, tables, settings, hashes."""

import hashlib
from pathlib import Path

import pytest

from capture.errors import ScriptError
from capture.scripts.saying import Sayings
from capture.scripts.services import Services
from capture.settings import FilterSettings
from tests.support.drafts import a_draft
from tests.support.filtering import Filter, run_on_sip, tags_of


def error_of(body: str) -> str:
    with pytest.raises(ScriptError) as caught:
        run_on_sip(body)
    return str(caught.value)


def series_of(body: str) -> list[tuple[str, dict[str, str], float]]:
    script = Filter(f"function on_sip(message)\n{body}\nend")
    script.run()
    return [(one.name, one.labels, one.value) for one in script.services.metrics.snapshot()]


def test_counter_counts_by_labels() -> None:
    body = (
        "count('calls')\n"
        "count('calls', { trunk = 'north', status = 200 })\n"
        "count('calls', { status = 200, trunk = 'north' }, 2.5)"
    )

    assert series_of(body) == [
        ("calls", {"script": "a.lua"}, 1),
        ("calls", {"script": "a.lua", "trunk": "north", "status": "200"}, 3.5),
    ]


def test_values_are_observed() -> None:
    assert series_of("observe('seconds', 0.5) observe('seconds', '2', {})") == [
        ("seconds", {"script": "a.lua"}, 2.5)
    ]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("count()", "count: the name is text, not nil"),
        ("count('calls', 'north')", 'count: labels are a table, such as { trunk = "north" }, not "north"'),
        ("count('calls', { 'north' })", 'count: a label has a name: { trunk = "north" }'),
        ("count('calls', { trunk = {} })", 'count: label "trunk" is text, not a table'),
        ("count('calls', nil, -1)", "count: a counter only grows"),
        ("count('calls', nil, 0/0)", "count: how much is a number, not nan"),
        ("count('calls', nil, {})", "count: how much is a number, not a table"),
        ("observe('seconds')", "observe: the value is a number, not nil"),
        ("observe('seconds', 1/0)", "observe: the value is a number, not inf"),
        ("count('a') observe('a', 1)", "observe: a is a counter, and cannot be both"),
        ("cache.set('a', {})", "cache.set: text, a number or a boolean can be kept, not a table"),
        ("cache.set(nil, 1)", "cache.set: the key is text, not nil"),
        ("cache.set('a', 1, 'x')", 'cache.set: the time to keep it, in seconds, is a number, not "x"'),
        ("cache.set('a', 1, 0)", "cache.set: the seconds that a value is kept are a number above 0"),
        ("cache.get()", "cache.get: the key is text, not nil"),
        ("cache.delete({})", "cache.delete: the key is text, not a table"),
        ("cache.sett('a', 1)", "cache has no sett (did you mean set?)"),
        ("cache.get = nil", "cache cannot be changed"),
        ("log.warning('x')", "log has no warning (did you mean warn?)"),
        ("log.info('%d', 'x')", "log.info: bad argument #2 to "),
        ("log.info(nil)", "log.info: what is logged is text, not nil"),
        ("hash.md6('x')", "hash has no md6 (did you mean md5?)"),
        ("hash.md5()", "hash.md5: what is hashed is text, not nil"),
        ("json.encode({})", "json has no encode (did you mean decode?)"),
        ("lookup.fil('a', 'b')", "lookup has no fil (did you mean file?)"),
        ("lookup.file('a.csv')", "lookup.file: the key is text, not nil"),
        ("settings.share = 1", "settings cannot be changed: they stand in the file of settings"),
    ],
)
def test_call_that_cannot_be_is_an_error_at_its_line(call: str, words: str) -> None:
    assert error_of(call).startswith(f"a.lua:2: {words}")


def test_metric_with_too_many_labels_is_an_error() -> None:
    labels = ", ".join(f"l{number} = 1" for number in range(9))

    assert error_of(f"count('calls', {{ {labels} }})") == "a.lua:2: count: more than 8 labels"


def logged(body: str) -> list[tuple[int, str, str]]:
    lines: list[tuple[int, str, str]] = []
    services = Services(None, FilterSettings())
    services.sayings = Sayings(lambda level, place, words: lines.append((level, place, words)))
    Filter(f"function on_sip(message)\n{body}\nend", services=services).run()
    return lines


def test_line_of_the_log_names_the_line_of_the_script() -> None:
    assert logged("\nlog.warn('from %s, %d', message.source, 7)") == [(30, "a.lua:3", "from 192.0.2.1, 7")]


def test_line_of_the_log_without_values_is_no_format() -> None:
    assert logged("log.error('100 %')") == [(40, "a.lua:2", "100 %")]


@pytest.mark.parametrize(("value", "found"), [("'x'", "x"), ("5", "5"), ("0.5", "0.5"), ("false", "false")])
def test_cache_gives_back_what_was_kept(value: str, found: str) -> None:
    draft = run_on_sip(f"cache.set('key', {value}) tag('found', tostring(cache.get('key')))")

    assert tags_of(draft) == {"found": found}


def test_cache_is_shared_by_scripts_and_outlives_a_packet() -> None:
    services = Services(None, FilterSettings())
    Filter("function on_sip(message) cache.set('key', 'x', 60) end", services=services).run()

    other = Filter("function on_sip(message) tag('found', cache.get('key')) end", services=services)

    assert tags_of(other.run()) == {"found": "x"}


@pytest.mark.parametrize("gone", ["cache.delete('key')", "cache.set('key', nil)"])
def test_what_is_taken_out_of_the_cache_is_gone(gone: str) -> None:
    assert tags_of(run_on_sip(f"cache.set('key', 1) {gone} tag('found', tostring(cache.get('key')))")) == {
        "found": "nil"
    }


def test_key_of_the_cache_may_be_a_number() -> None:
    assert tags_of(run_on_sip("cache.set(5, 'x') tag('found', cache.get('5'))")) == {"found": "x"}


def test_table_is_looked_up(tmp_path: Path) -> None:
    (tmp_path / "trunks.csv").write_text("address,trunk\n192.0.2.1,north\n")
    script = Filter(
        "function on_sip(message)\n"
        "    tag('trunk', lookup.file('trunks.csv', message.source))\n"
        "    tag('none', tostring(lookup.file('trunks.csv', message.destination)))\n"
        "end",
        directory=tmp_path,
    )

    assert tags_of(script.run()) == {"trunk": "north", "none": "nil"}


def test_row_of_a_table_with_more_columns_is_a_table(tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_text("number,name,tier\nalice,Acme,gold\n")
    script = Filter(
        "function on_sip(message)\n"
        "    local row = lookup.file('customers.csv', message.from_user)\n"
        "    tag('row', row.name .. row.tier .. tostring(row.none))\n"
        "end",
        directory=tmp_path,
    )

    assert tags_of(script.run()) == {"row": "Acmegoldnil"}


def test_table_that_a_setting_names_is_read_beforehand(tmp_path: Path) -> None:
    (tmp_path / "a.CSV").write_text("user,name\nalice,Alice\n")
    script = Filter(
        "function on_sip(message) tag('name', lookup.file(settings.file, message.from_user)) end",
        {"file": "a.CSV", "other": "text"},
        directory=tmp_path,
    )
    (tmp_path / "a.CSV").unlink()

    assert tags_of(script.run()) == {"name": "Alice"}


def test_table_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    script = Filter("function on_sip(message)\nlookup.file('none.csv', 'x')\nend", directory=tmp_path)

    with pytest.raises(ScriptError, match=r"a\.lua:2: lookup\.file: "):
        script.run()


def test_settings_are_of_their_kind_and_known_when_the_script_is_loaded() -> None:
    settings: dict[str, str | int | float | bool] = {"name": "ä", "share": 0.5, "most": 7, "on": True}
    script = Filter(
        "local all = settings.name .. settings.share + settings.most .. tostring(settings.on)\n"
        "function on_sip(message) tag('all', all) tag('none', tostring(settings.none)) end",
        settings,
    )

    assert tags_of(script.run()) == {"all": "ä7.5true", "none": "nil"}


@pytest.mark.parametrize("name", ["md5", "sha1", "sha256"])
def test_hash_is_hexadecimal(name: str) -> None:
    assert tags_of(run_on_sip(f"tag('hash', hash.{name}('abc'))")) == {
        "hash": hashlib.new(name, b"abc").hexdigest()
    }


def test_verdict_while_a_line_is_formatted_is_a_verdict() -> None:
    body = "log.info('%s', setmetatable({}, { __tostring = function() drop('x') end }))"

    assert run_on_sip(body, a_draft()).dropped == "x"
