"""Lengths of time for people."""


def duration(seconds: float) -> str:
    """Give seconds as `2 h 05 min`, `12 min` or `40 s`."""
    if seconds >= 3600:
        return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60):02d} min"
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
