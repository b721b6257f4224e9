"""Files elsewhere, by URLs that fsspec knows, such as `s3://`, `gs://` and `memory://`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from backends import UserError


def is_url(place: str) -> bool:
    """Whether a place is not on this machine's own file system."""
    return "://" in place


def upload(file: Path, url: str) -> None:
    """Copy a file to where nothing is; it is there whole or not at all. Raises `UserError`."""
    with _place(url) as (system, path):
        if system.exists(path):
            raise UserError(f"{url} is there already: choose another name, or remove it.")
        partial = f"{path}.partial"
        system.put_file(str(file), partial)
        system.mv(partial, path)


def download(url: str, file: Path) -> None:
    """Copy what lies at a URL into a file. Raises `UserError`."""
    with _place(url) as (system, path):
        if not system.exists(path):
            raise UserError(f"There is nothing at {url}.")
        system.get_file(path, str(file))


@contextmanager
def _place(url: str) -> Iterator[tuple[Any, str]]:
    """A file system and a path in it; what its library says becomes a sentence."""
    import fsspec

    try:
        yield fsspec.core.url_to_fs(url)
    except UserError:
        raise
    except (ImportError, ValueError) as exc:
        raise UserError(f"{url} cannot be used: {exc}.") from exc
    # Every file system raises classes of its own.
    except Exception as exc:
        raise UserError(f"{url} cannot be reached ({type(exc).__name__}: {exc}).") from exc
