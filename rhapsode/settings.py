"""The whole settings tree, and how it is read: command line over environment over TOML file over default.

Read once, in the front door; every other part is handed its own piece. Knows nothing of packets, SQL or
routes.
"""

import difflib
import json
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from api.settings import (
    AuthSettings,
    GrafanaSettings,
    HttpSettings,
    InfluxdbSettings,
    LokiSettings,
    NodeName,
    NodeSettings,
    PrometheusSettings,
    SearchSettings,
    TsharkSettings,
    UiSettings,
)
from capture.settings import (
    AcceptSettings,
    FilterSettings,
    HepSettings,
    ImportSettings,
    IntakeSettings,
    JournalSettings,
    Part,
    RetentionSettings,
    SipSettings,
    StorageSettings,
)
from rhapsode.errors import SettingsError

PREFIX = "RHAPSODE_"
DELIMITER = "__"
CONFIG_VARIABLE = "RHAPSODE_CONFIG"
NOT_SETTINGS = (CONFIG_VARIABLE,)

Address = Annotated[str, Field(pattern=r"^.*:\d{1,5}$")]


def _postgresql(url: SecretStr) -> SecretStr:
    text = url.get_secret_value()
    if text.startswith("postgres://"):
        return SecretStr("postgresql" + text.removeprefix("postgres"))
    if not text.startswith("postgresql://"):
        raise ValueError("a database URL begins with postgresql://")
    return url


DatabaseUrl = Annotated[SecretStr, AfterValidator(_postgresql)]


class LogSettings(Part):
    """What is said on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="least important lines that are still written"
    )
    format: Literal["console", "json"] = Field(
        default="console", description="lines for people or for machines"
    )


class Settings(BaseSettings):
    """Everything that can be set. Frozen; a name that does not exist is an error wherever it stands."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter=DELIMITER, env_ignore_empty=True, extra="forbid", frozen=True
    )

    data_dir: Path = Field(default=Path("data"), description="where everything is kept")
    hep: Address = Field(default="*:9060", description="HOST:PORT for HEP, UDP and TCP; `*`: all addresses")
    http: Address = Field(default="*:9080", description="HOST:PORT for the API; `*`: all addresses")
    database_url: DatabaseUrl | None = Field(
        default=None, description="`postgresql://…` of a PostgreSQL 15 or later; none: the embedded one"
    )
    admin_password: SecretStr | None = Field(
        default=None, description="password of the first admin; counts only while there is no admin"
    )
    lua_dir: Path | None = Field(default=None, description="directory of the filter scripts")
    workers: int = Field(
        default=1, ge=1, le=64, description="worker processes, each with a journal of its own"
    )
    nodes: dict[NodeName, NodeSettings] = Field(
        default={}, description="other installations that are searched too, by their names in answers"
    )
    log: LogSettings = LogSettings()
    intake: IntakeSettings = IntakeSettings()
    accept: AcceptSettings = AcceptSettings()
    journal: JournalSettings = JournalSettings()
    decode: HepSettings = HepSettings()
    sip: SipSettings = SipSettings()
    filters: FilterSettings = FilterSettings()
    storage: StorageSettings = StorageSettings()
    retention: RetentionSettings = RetentionSettings()
    imports: ImportSettings = ImportSettings()
    tshark: TsharkSettings = TsharkSettings()
    web: HttpSettings = HttpSettings()
    auth: AuthSettings = AuthSettings()
    ui: UiSettings = UiSettings()
    search: SearchSettings = SearchSettings()
    prometheus: PrometheusSettings = PrometheusSettings()
    loki: LokiSettings = LokiSettings()
    influxdb: InfluxdbSettings = InfluxdbSettings()
    grafana: GrafanaSettings = GrafanaSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """First wins. No `.env` files: a directory one happens to stand in does not change a service."""
        file = getattr(init_settings, "init_kwargs", {}).pop(_FILE, {})
        return init_settings, _Environment(settings_cls), InitSettingsSource(settings_cls, init_kwargs=file)


_FILE = "_file_content"
"""Carries the TOML file's content through the constructor, to its place behind the environment."""


class _Environment(EnvSettingsSource):
    """The environment, with lists also as plain text between commas."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        text = str(value).strip()
        if text.startswith("["):
            try:
                return json.loads(text)
            except ValueError as error:
                raise SettingsError(f"setting {field_name}: {text!r} is no list: {error}") from error
        return [item.strip() for item in text.split(",") if item.strip()]


def load_settings(
    given: Mapping[str, Any], config: Path | None = None, environment: Mapping[str, str] = os.environ
) -> Settings:
    """The settings of this process; `given` are those of the command line, nested by part, None for not
    given.

    SettingsError names the first thing wrong and where it stands. `environment` is only searched for misspelt
    names: values are read from the process's own.
    """
    refuse_unknown_variables(environment)
    path = config or (Path(environment[CONFIG_VARIABLE]) if environment.get(CONFIG_VARIABLE) else None)
    content = _read_toml(path) if path is not None else {}
    values: dict[str, Any] = {**_without_none(given), _FILE: content}
    try:
        settings = Settings(**values)
    except ValidationError as error:
        raise SettingsError(_first_error(error, values, path)) from None
    if (settings.web.cert is None) != (settings.web.key is None):
        raise SettingsError("web.cert and web.key belong together: one of them is missing")
    _check_node_names(settings)
    return settings.model_copy(update={"data_dir": settings.data_dir.absolute()})


def _check_node_names(settings: Settings) -> None:
    names = [settings.web.node_name, *settings.nodes]
    if len({name.lower() for name in names}) < len(names):
        raise SettingsError(
            f"nodes: names have to differ in more than case, also from web.node_name ({names[0]})"
        )


def setting_names(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every setting as (dotted name, field)."""
    for name, field in model.model_fields.items():
        part = field.annotation
        if isinstance(part, type) and issubclass(part, BaseModel):
            yield from setting_names(part, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field


def variable_of(name: str) -> str:
    """The environment variable of a dotted name."""
    return PREFIX + name.replace(".", DELIMITER).upper()


def refuse_unknown_variables(environment: Iterable[str]) -> None:
    """SettingsError for a `RHAPSODE_…` variable that is no setting: pydantic would pass over it."""
    known = {variable_of(name) for name, _ in setting_names()} | set(NOT_SETTINGS)
    for variable in environment:
        if variable.upper().startswith(PREFIX) and variable.upper() not in known:
            raise SettingsError(
                f"environment variable {variable} is no setting{_guess(variable.upper(), known)}"
            )


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot read the settings file {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"settings file {path}: {error}") from error
    _refuse_unknown_names(content, Settings, path)
    return content


def _refuse_unknown_names(
    content: Mapping[str, Any], model: type[BaseModel], path: Path, prefix: str = ""
) -> None:
    for name, value in content.items():
        field = model.model_fields.get(name)
        if field is None:
            if model is FilterSettings and isinstance(value, Mapping):
                continue
            guess = _guess(name, model.model_fields)
            raise SettingsError(f"settings file {path}: {prefix}{name} is no setting{guess}")
        part = field.annotation
        if isinstance(part, type) and issubclass(part, BaseModel) and isinstance(value, Mapping):
            _refuse_unknown_names(value, part, path, f"{prefix}{name}.")


def _without_none(given: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in given.items():
        if isinstance(value, Mapping):
            if inner := _without_none(value):
                kept[name] = inner
        elif value is not None:
            kept[name] = value
    return kept


def _first_error(error: ValidationError, values: Mapping[str, Any], path: Path | None) -> str:
    """One line that says where the value is from, without the value: it may be a secret."""
    first = error.errors(include_input=False, include_url=False)[0]
    return f"{_origin([str(part) for part in first['loc']], values, path)}: {first['msg']}"


def _origin(place: Sequence[str], values: Mapping[str, Any], path: Path | None) -> str:
    """Where the value at this place of the tree was given, and its name there; the first that wins."""
    name = ".".join(place)
    if _is_given(place, values):
        return f"setting {name} of the command line"
    variables = {variable.upper(): variable for variable, text in os.environ.items() if text}
    # What is wrong with one item of a list is wrong with the variable that holds them all.
    for end in range(len(place), 0, -1):
        if variable := variables.get(variable_of(".".join(place[:end]))):
            return f"environment variable {variable}"
    if path is not None and place[0] in values[_FILE]:
        return f"settings file {path}: {name.replace('filters.scripts.', 'filters.')}"
    return f"setting {name} (environment: {variable_of(name)})"


def _is_given(place: Sequence[str], values: Any) -> bool:
    for name in place:
        if not isinstance(values, Mapping):
            return True
        if name not in values:
            return False
        values = values[name]
    return True


def _guess(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""
