"""Where settings come from, which one wins, and what a misspelt one does."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from annotated_types import Ge, Gt
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from rhapsode.errors import SettingsError
from rhapsode.settings import Settings, load_settings, setting_names, variable_of

DOCUMENT = Path(__file__).parents[3] / "docs" / "settings.md"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("RHAPSODE_")]:
        monkeypatch.delenv(name)


def a_file(directory: Path, text: str) -> Path:
    path = directory / "rhapsode.toml"
    path.write_text(text)
    return path


def test_nothing_given_is_the_defaults() -> None:
    settings = load_settings({})

    assert settings.hep == "*:9060"
    assert settings.http == "*:9080"
    assert settings.data_dir == Path.cwd() / "data"
    assert settings.database_url is None


def test_command_line_wins_over_environment_over_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = a_file(
        tmp_path, 'hep = "a:1"\nhttp = "a:2"\nworkers = 3\n[journal]\nsync_s = 5\nmax_bytes = 900000\n'
    )
    monkeypatch.setenv("RHAPSODE_HEP", "b:1")
    monkeypatch.setenv("RHAPSODE_HTTP", "b:2")
    monkeypatch.setenv("RHAPSODE_JOURNAL__SYNC_S", "7")

    settings = load_settings({"hep": "c:1", "http": None}, file)

    assert (settings.hep, settings.http, settings.workers) == ("c:1", "b:2", 3)
    assert (settings.journal.sync_s, settings.journal.max_bytes) == (7, 900_000)


def test_file_is_named_by_the_environment_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RHAPSODE_CONFIG", str(a_file(tmp_path, "workers = 4\n")))

    assert load_settings({}).workers == 4


@pytest.mark.parametrize("text", ['["X-A", "X-B"]', "X-A,X-B", " X-A , X-B ,"])
def test_lists_in_the_environment_are_json_or_have_commas(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RHAPSODE_SIP__CUSTOM_HEADERS", text)

    assert load_settings({}).sip.custom_headers == ("X-A", "X-B")


@pytest.mark.parametrize(
    ("variable", "guess"),
    [
        ("RHAPSODE_WORKES", "RHAPSODE_WORKERS"),
        ("RHAPSODE_JOURNAL__SYNC", "RHAPSODE_JOURNAL__SYNC_S"),
        ("rhapsode_hepp", "RHAPSODE_HEP"),
    ],
)
def test_misspelt_variable_is_an_error_that_guesses(
    variable: str, guess: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "1")

    with pytest.raises(SettingsError, match=rf"{variable} is no setting; did you mean {guess}\?"):
        load_settings({})


@pytest.mark.parametrize(
    ("text", "name"), [("workes = 2\n", "workes"), ("[journal]\nsync = 2\n", "journal.sync")]
)
def test_misspelt_name_in_the_file_is_an_error(tmp_path: Path, text: str, name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} is no setting"):
        load_settings({}, a_file(tmp_path, text))


def test_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot read the settings file .*none\.toml: No such file"):
        load_settings({}, tmp_path / "none.toml")


def test_file_that_is_no_toml_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"rhapsode\.toml"):
        load_settings({}, a_file(tmp_path, "hep: 1"))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"workers": 0}, r"setting workers of the command line: .*greater than or equal to 1"),
        ({"hep": "nowhere"}, "setting hep"),
        (
            {"filters": {"mask": {"domains": ["a", "b"]}}},
            r"filters\.scripts\.mask\.domains .*: .*a script's setting is text, a number, true or false$",
        ),
        ({"database_url": "mysql://x"}, "begins with postgresql://"),
        ({"web": {"cert": Path("a.pem")}}, "web.cert and web.key belong together"),
    ],
)
def test_value_that_cannot_be_is_named(given: dict[str, object], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        load_settings(given)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("workers = 0\n", "workers"),
        ("[web]\nmax_body_bytes = 0\n", "web.max_body_bytes"),
        ('[accept]\nkeys = ["a", 1]\n', "accept.keys.1"),
        ("[filters.mask]\ndomains = [1]\n", "filters.mask.domains"),
        ('[nodes.far]\nurl = "postgresql://x"\ndeadline_s = 0\n', "nodes.far.deadline_s"),
    ],
)
def test_value_of_the_file_is_named_by_file_and_key(tmp_path: Path, text: str, key: str) -> None:
    file = a_file(tmp_path, text)

    with pytest.raises(SettingsError, match=rf"^settings file {file}: {re.escape(key)}: ") as refusal:
        load_settings({}, file)

    assert "RHAPSODE_" not in str(refusal.value)


@pytest.mark.parametrize(
    ("variable", "value"), [("RHAPSODE_WORKERS", "0"), ("RHAPSODE_ACCEPT__ADDRESSES", "192.0.2.0/24,nowhere")]
)
def test_value_of_the_environment_is_named_by_its_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    file = a_file(tmp_path, 'workers = 2\n[accept]\naddresses = ["10.0.0.0/8"]\n')
    monkeypatch.setenv(variable, value)

    with pytest.raises(SettingsError, match=rf"^environment variable {variable}: "):
        load_settings({}, file)


def test_value_of_the_command_line_is_named_though_the_file_has_one_too(tmp_path: Path) -> None:
    file = a_file(tmp_path, "workers = 0\n")

    with pytest.raises(SettingsError, match=r"^setting workers of the command line: "):
        load_settings({"workers": 99}, file)


def numbers_of(
    part: type[BaseModel], place: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    for name, field in part.model_fields.items():
        if field.annotation in (int, float):
            yield (*place, name), field
        elif isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from numbers_of(field.annotation, (*place, name))


def test_every_number_is_refused_below_the_bound_that_its_field_names() -> None:
    numbers = dict(numbers_of(Settings))

    assert ("filters", "watchdog_s") in numbers
    for place, field in numbers.items():
        bounds: list[Any] = [each for each in field.metadata if isinstance(each, Ge | Gt)]
        assert len(bounds) == 1, place
        step = 1 if field.annotation is int else 0.001
        below: object = bounds[0].gt if isinstance(bounds[0], Gt) else bounds[0].ge - step
        for name in reversed(place):
            below = {name: below}
        with pytest.raises(ValidationError, match="Input should be greater than"):
            Settings.model_validate(below)


def test_list_that_is_no_json_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RHAPSODE_SIP__CUSTOM_HEADERS", "[X-A")

    with pytest.raises(SettingsError, match="custom_headers"):
        load_settings({})


def test_no_error_shows_a_secret() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"database_url": "postgres:hunter2"})

    assert "hunter2" not in str(caught.value)


def test_secrets_do_not_show_in_the_tree() -> None:
    settings = load_settings({"database_url": "postgresql://u:hunter2@db/x", "admin_password": "swordfish"})

    assert "hunter2" not in repr(settings)
    assert "swordfish" not in repr(settings)


def test_short_scheme_of_a_url_is_made_the_long_one() -> None:
    url = load_settings({"database_url": "postgres://db/x"}).database_url

    assert url is not None
    assert url.get_secret_value() == "postgresql://db/x"


def test_a_table_below_filters_is_a_scripts_own(tmp_path: Path) -> None:
    file = a_file(tmp_path, '[filters]\non_error = "drop"\n[filters.mask_numbers]\nkeep_last = 3\n')

    filters = load_settings({}, file).filters

    assert filters.on_error == "drop"
    assert filters.scripts == {"mask_numbers": {"keep_last": 3}}


def test_misspelt_setting_of_filters_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"filters\.on_eror is no setting; did you mean on_error\?"):
        load_settings({}, a_file(tmp_path, '[filters]\non_eror = "drop"\n'))


def test_every_setting_stands_in_the_document_with_its_default() -> None:
    rows = re.findall(
        r"^\| `([a-z_.]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|", DOCUMENT.read_text(), re.MULTILINE
    )
    documented = {name: (meaning.strip(), default.strip()) for name, meaning, _, default in rows}

    expected = {}
    for name, field in setting_names():
        assert field.description, f"{name} has no description"
        meaning = field.description[0].upper() + field.description[1:]
        expected[name] = (meaning, _shown(field.default))

    assert documented == expected


def test_every_variable_reaches_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are numbers: the default, given by its variable, is accepted."""
    for name, field in setting_names():
        if isinstance(field.default, int | float) and not isinstance(field.default, bool):
            monkeypatch.setenv(variable_of(name), str(field.default))

    assert load_settings({}) == load_settings({}).model_copy()
    assert load_settings({}).search == Settings().search


def _shown(default: object) -> str:
    if default is None:
        return "none"
    if default in ((), "", {}):
        return "empty"
    if isinstance(default, tuple):
        default = list(default)  # as TOML has it
    return str(default).lower() if isinstance(default, bool) else f"`{default}`"


def test_journal_that_would_stay_full_is_refused_in_words(tmp_path: Path) -> None:
    file = a_file(tmp_path, "[journal]\nmax_bytes = 150000\n")

    with pytest.raises(SettingsError, match=r"journal\.max_bytes.* at least 196608"):
        load_settings({}, file)
