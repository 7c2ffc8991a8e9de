"""Numbers as people read them."""

_BYTES = ("B", "kB", "MB", "GB", "TB", "PB")
MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400


def in_bytes(number: float) -> str:
    """Three digits and a unit of thousands: `1.23 GB`."""
    size, unit = float(number), 0
    # 999.5 would be shown as 1000.
    while size >= 999.5 and unit < len(_BYTES) - 1:
        size, unit = size / 1000, unit + 1
    if unit == 0:
        return f"{size:.0f} B"
    digits = 2 if size < 9.995 else 1 if size < 99.95 else 0
    return f"{size:.{digits}f} {_BYTES[unit]}"


def duration(seconds: float) -> str:
    """The one or two largest units: `3 d 4 h`, `12 min`, `40 ms`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 2 * MINUTE_S:
        return f"{seconds:.0f} s"
    if seconds < 2 * HOUR_S:
        return f"{seconds / MINUTE_S:.0f} min"
    if seconds < 2 * DAY_S:
        return f"{seconds / HOUR_S:.0f} h"
    days, rest = divmod(seconds, DAY_S)
    hours = int(rest // HOUR_S)
    return f"{days:.0f} d {hours} h" if days < 10 and hours else f"{days:.0f} d"


def short(seconds: float) -> str:
    """Two or three digits of what is mostly far below a second: `2.4 µs`, `310 µs`, `1.2 s`."""
    number, unit = next(
        ((seconds * scale, unit) for scale, unit in ((1e6, "µs"), (1e3, "ms")) if seconds * scale < 999.5),
        (seconds, "s"),
    )
    return f"{number:.1f} {unit}" if number < 9.95 else f"{number:.0f} {unit}"


def days(number: float) -> str:
    """How long something lasts, as exact as it can be known."""
    if number >= 3650:
        return "more than ten years"
    if number >= 730:
        return f"{number / 365:.0f} years"
    if number >= 10:
        return f"{number:.0f} days"
    if number >= 2:
        return f"{number:.1f} days"
    return f"{number * 24:.0f} hours"


def rate(number: float) -> str:
    """A number a second; what is not nothing does not look like it."""
    return f"{number:,.0f}" if number >= 10 or number == 0 else f"{max(number, 0.1):.1f}"
