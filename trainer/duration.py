"""Numbers for people: lengths of time, and what stands in a table."""


def duration(seconds: float) -> str:
    """Give seconds as `2 h 05 min`, `12 min` or `40 s`."""
    if seconds >= 3600:
        return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60):02d} min"
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def cell(value: object) -> str:
    """Give a table's value: `12,345`, `2.829`, a text as it is, `–` for nothing."""
    if value is None:
        return "–"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
