"""The settings of intake, journal and worker: each field with unit, range and meaning.

Nothing is read here.
"""

from typing import Annotated, Final, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    SecretStr,
    field_validator,
    model_validator,
)

# Without a bound of their own: it would win over that of the field.
Bytes = int
Seconds = float

_HOUR_US: Final = 3_600_000_000
_UNITS_US: Final = {"h": _HOUR_US, "d": 24 * _HOUR_US}


def kept_us(text: str) -> int | None:
    """How long `14d` or `6h` is, in microseconds; None for `0`: for ever. ValueError for anything else."""
    if text == "0":
        return None
    number, unit = text[:-1], text[-1:]
    if unit not in _UNITS_US or not (number.isascii() and number.isdecimal() and 0 < int(number) < 100_000):
        raise ValueError("a retention is a number of days (14d) or hours (6h), or 0: never deleted")
    return int(number) * _UNITS_US[unit]


def _retention(value: object) -> object:
    """TOML has numbers, and 0 needs no quotes to be understood."""
    text = "0" if value == 0 and value is not False else value
    if isinstance(text, str):
        text = text.strip()
        kept_us(text)
    return text


Retention = Annotated[str, BeforeValidator(_retention)]


LEAST_JOURNAL_BYTES = 192 * 1024
"""Two of the smallest segments (64 KiB, a record more, and 8 KiB of header each) fit in."""


class Part(BaseModel):
    """A frozen part of the settings tree; a misspelt name is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class IntakeSettings(Part):
    """Receiving HEP packets."""

    receive_buffer_bytes: Bytes = Field(
        32 * 1024 * 1024, ge=4096, description="kernel receive buffer asked for"
    )
    tcp_connections: int = Field(default=1000, ge=0, description="TCP connections at once; 0: no TCP")
    tcp_connections_per_address: int = Field(
        100, ge=1, description="TCP connections at once from one address"
    )
    tcp_idle_s: Seconds = Field(
        86400, gt=0, description="a connection silent for so long is closed, in seconds"
    )
    tcp_first_packet_s: Seconds = Field(
        30, gt=0, description="a new connection without a whole packet is closed"
    )
    tcp_stalled_s: Seconds = Field(
        60, gt=0, description="a connection that stops in the middle of a packet is closed"
    )


class AcceptSettings(Part):
    """Which packets are accepted; the others are `refused`."""

    keys: tuple[SecretStr, ...] = Field(
        default=(), description="HEP keys, one of which a packet must carry; none: any"
    )
    addresses: tuple[IPvAnyNetwork, ...] = Field(default=(), description="networks that may send; none: any")
    keyless_addresses: tuple[IPvAnyNetwork, ...] = Field(
        (),
        description="networks that may send without a key (rtpengine, OpenSIPS and others cannot send one)",
    )


class JournalSettings(Part):
    """The log of received packets on disk."""

    segment_bytes: Bytes = Field(
        64 * 1024 * 1024, ge=64 * 1024, le=1 << 31, description="size of a segment file"
    )
    max_bytes: Bytes = Field(
        default=0, ge=0, description="limit of one journal in bytes; 0: half of what is free at start"
    )
    min_free_bytes: Bytes = Field(
        0, ge=0, description="disk space left alone; 0: the larger of 1 GiB and 2 % of the disk"
    )
    sync_s: Seconds = Field(
        1.0, gt=0, le=60, description="how often the journal is synced to disk, in seconds"
    )

    @field_validator("max_bytes")
    @classmethod
    def leave_room_for_two_segments(cls, max_bytes: int) -> int:
        """The newest one is never deleted: alone it must not fill the journal."""
        if 0 < max_bytes < LEAST_JOURNAL_BYTES:
            raise ValueError(f"0 (half of what is free) or at least {LEAST_JOURNAL_BYTES}")
        return max_bytes


class ImportSettings(Part):
    """Capture files that are imported."""

    max_bytes: Bytes = Field(1 << 30, ge=1024, description="largest capture file that is taken by HTTP")
    journal_bytes: Bytes = Field(
        256 * 1024 * 1024,
        ge=1024 * 1024,
        description="how far an import may be ahead of its being stored, in bytes of journal",
    )
    stalled_s: Seconds = Field(
        60, gt=0, description="an import that finds no room for so long is given up, in seconds"
    )
    wait_s: Seconds = Field(
        20, ge=0, description="how long to wait, at the end of an import, until it is stored, in seconds"
    )


class StorageSettings(Part):
    """Rows and partitions."""

    partition_hours: int = Field(default=2, ge=1, le=168, description="width of a new partition, in hours")
    batch_rows: int = Field(default=2000, ge=1, le=20000, description="most messages of a batch")
    batch_delay_ms: int = Field(
        default=100, ge=1, le=10000, description="longest wait before a batch is sent, in ms"
    )
    payload: Literal["zstd", "plain"] = Field(default="zstd", description="how payloads are stored")
    zstd_level: int = Field(default=1, ge=1, le=19, description="zstd compression level")
    train_dictionary: bool = Field(
        default=True, description="train a compression dictionary on what is stored, in the background"
    )
    train_after_messages: int = Field(
        default=5000, ge=200, description="SIP messages that must be stored before the first is trained"
    )
    deduplicate_ms: int = Field(
        0, ge=0, le=60000, description="equal messages within so many ms are one; 0: all kept"
    )
    key_memory_calls: int = Field(
        default=100_000, ge=100, description="calls a worker remembers the written keys of"
    )


class RetentionSettings(Part):
    """How long each class is kept, counted from the capture time; whole partitions are deleted."""

    call: Retention = Field(default="14d", description="calls: INVITE, ACK, BYE, CANCEL and the like")
    registration: Retention = Field(default="14d", description="registrations: REGISTER")
    other: Retention = Field(default="14d", description="all other SIP: OPTIONS, SUBSCRIBE, MESSAGE …")
    rtcp: Retention = Field(default="14d", description="RTCP")
    reports: Retention = Field(default="14d", description="RTP reports and every type without a class")
    logs: Retention = Field(default="14d", description="log lines")
    isup: Retention = Field(default="14d", description="ISUP")
    dns: Retention = Field(default="14d", description="DNS")

    def kept_us(self, key: str) -> int | None:
        """How long a class is kept, by the name of its setting, in microseconds; None: for ever."""
        return kept_us(getattr(self, key))


class SipSettings(Part):
    """Reading SIP."""

    custom_headers: tuple[str, ...] = Field(
        default=(), description="headers that become searchable fields of that name"
    )
    correlation_headers: tuple[str, ...] = Field(
        (),
        description="headers that name the A leg (X-CID …); the first one present gives the correlation id",
    )
    correlation_header_wins: bool = Field(
        False, description="such a header wins over the sender's correlation id"
    )


class HepSettings(Part):
    """Reading HEP."""

    max_payload_bytes: Bytes = Field(
        default=1024 * 1024, ge=65536, description="limit of an inflated payload"
    )


def _setting(value: object) -> object:
    if not isinstance(value, str | int | float | bool):
        raise ValueError("a script's setting is text, a number, true or false")
    return value


Setting = Annotated[str | int | float | bool, BeforeValidator(_setting)]


class FilterSettings(Part):
    """The operator's filter scripts. A table below it that is none of these is a script's own settings."""

    examples: tuple[str, ...] = Field(
        default=(), description="scripts that come with Rhapsode and are to be run, by name"
    )
    disabled: tuple[str, ...] = Field(default=(), description="scripts that are not to be run, by name")
    hep_types: tuple[int, ...] = Field(
        default=(1, 5, 100),
        description="protocol types that scripts of heplify-server see (its ScriptHEPFilter)",
    )
    on_error: Literal["keep", "drop"] = Field(
        default="keep", description="what becomes of a packet in which a script fails"
    )
    instructions: int = Field(
        default=1_000_000, ge=10_000, description="instructions of Lua that a script may use for a packet"
    )
    memory_bytes: Bytes = Field(
        default=64 * 1024 * 1024, ge=4 * 1024 * 1024, description="memory that a script may hold"
    )
    subject_bytes: Bytes = Field(
        default=65_536, ge=1024, description="longest text that a pattern is looked for in"
    )
    watchdog_s: Seconds = Field(
        default=1.0, ge=0.1, le=60, description="a script that holds a packet so long is ended, in seconds"
    )
    cache_bytes: Bytes = Field(
        default=32 * 1024 * 1024, ge=1024, description="limit of what scripts remember in `cache`"
    )
    series: int = Field(default=1000, ge=1, description="most series of the scripts' own metrics")
    scripts: dict[str, dict[str, Setting]] = Field(
        default={}, description="settings of single scripts: `[filters.NAME]`"
    )

    @model_validator(mode="before")
    @classmethod
    def gather_tables(cls, given: object) -> object:
        """`[filters.NAME]` is how people write it."""
        if not isinstance(given, dict):
            return given
        own = {name: value for name, value in given.items() if name in cls.model_fields}
        tables = {name: value for name, value in given.items() if isinstance(value, dict) and name not in own}
        others = {name: value for name, value in given.items() if name not in own and name not in tables}
        return {**own, **others, "scripts": {**own.get("scripts", {}), **tables}}
