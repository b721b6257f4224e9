"""Which files are meant by what somebody gave as data: files, folders and patterns."""

import glob
import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from backends import UserError
from trainer.readers import registry
from trainer.readers.data_file import DataFile, look
from trainer.settings import Settings

OTHERS = {
    "__pycache__", "build", "dist", "node_modules", "site-packages", "target", "third_party",
    "vendor", "vendored", "venv",
}  # fmt: skip
"""Folders of a source tree that others wrote, or programs."""
CODE = {
    ".c", ".cc", ".clj", ".cpp", ".cs", ".css", ".dart", ".erl", ".ex", ".go", ".h", ".hpp", ".hs",
    ".html", ".java", ".jl", ".js", ".jsx", ".kt", ".lua", ".m", ".ml", ".php", ".pl", ".py", ".r",
    ".rb", ".rs", ".scala", ".sh", ".sql", ".swift", ".ts", ".tsx", ".vue", ".zig",
}  # fmt: skip
"""Suffixes of programs."""
TABLES = {"csv", "jsonl", "parquet"}
PLAIN = {registry.LONG, "lines"}


@dataclass
class Part:
    """A file to read, and after reading it how many texts were taken from it."""

    path: Path
    name: str
    """Its path inside the folder that was given, for people who have the data elsewhere."""
    format: str
    reason: str
    rows: int = 0

    def look(self, encoding: str) -> DataFile:
        """Look at the file anew: heads of many files would fill the memory."""
        return look(self.path, encoding)

    def sha256(self) -> str:
        """The checksum of the file, or of the names and contents of a folder's files."""
        digest = hashlib.sha256()
        folder = self.path.is_dir()
        for path in sorted(self.path.rglob("*")) if folder else [self.path]:
            if path.is_file():
                if folder:
                    digest.update(path.relative_to(self.path).as_posix().encode() + b"\0")
                with path.open("rb") as file:
                    while block := file.read(1 << 20):
                        digest.update(block)
        return digest.hexdigest()


def gather(settings: Settings) -> tuple[list[Part], Counter[str]]:
    """The files to read, each once, and how many of folders were left out by reason.

    Raises `UserError` where there is none, and where one that was named cannot be read.
    """
    given = [settings.data] if isinstance(settings.data, str) else settings.data
    paths = list(dict.fromkeys(path for pattern in given for path in _matching(pattern)))
    skipped: Counter[str] = Counter()
    parts: list[Part] = []
    for path in paths:
        folder = path.is_dir() and not _reader_of_folder(path, settings)
        parts += _of_folder(path, settings, skipped) if folder else [_named(path, settings)]
    if len(parts) > 1:
        for part in parts:
            if part.format == registry.LONG:
                part.format = registry.DOCUMENT
    _refuse_unused(settings, {part.format for part in parts})
    if not parts:
        raise UserError(f"There is no text in {', '.join(given)}: {told(skipped) or 'no file'}.")
    return parts, skipped


def _refuse_unused(settings: Settings, formats: set[str]) -> None:
    """Refuse an option that none of the formats knows, rather than pass over it."""
    for name, useful in registry.ONLY_FOR.items():
        if getattr(settings, name) not in (None, "", []) and formats and not formats & useful:
            raise UserError(
                f"--{name.replace('_', '-')} does nothing for data that is read as "
                f"{', '.join(sorted(formats))}: leave it out, or say --format, which may be "
                f"{', '.join(sorted(useful))}."
            )


def told(counts: Counter[str]) -> str:
    """Counts by reason for a sentence."""
    return ", ".join(f"{number:,} {why}" for why, number in counts.most_common())


def _matching(pattern: str) -> list[Path]:
    path = Path(pattern)
    if path.exists() or not glob.has_magic(pattern):
        return [path]
    paths = [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207 - Path.glob takes no absolute pattern
    if not paths:
        raise UserError(f"No file matches {pattern!r}.")
    return paths


def _named(path: Path, settings: Settings) -> Part:
    file = look(path, settings.encoding)
    return Part(path, path.name, *registry.choose(file, settings))


def _reader_of_folder(path: Path, settings: Settings) -> bool:
    """Whether a folder as a whole is in some format, as chat exports are."""
    file = DataFile(path)
    return any(
        reader.looks_like(file)
        for name, reader in registry.READERS.items()
        if settings.format in ("auto", name)
    )


def _of_folder(folder: Path, settings: Settings, skipped: Counter[str]) -> list[Part]:
    """A folder's files: tables and chats by their format, what else is text as one text each.

    Where most are programs it is a source tree, and what is no plain text in it is left out.
    """
    found: list[tuple[Path, str, str]] = []
    for path in _walk(folder, skipped):
        try:
            found.append((path, *registry.choose(look(path, settings.encoding), settings)))
        except UserError:
            skipped[_why_not(path)] += 1
    programs = 2 * sum(path.suffix.lower() in CODE for path, *_ in found) > len(found)
    parts = []
    for path, form, reason in found:
        if settings.format == "auto" and programs and form in TABLES:
            skipped["tables among programs"] += 1
            continue
        name = (Path(folder.resolve().name) / path.relative_to(folder)).as_posix()
        if settings.format == "auto" and (programs or form in PLAIN):
            parts.append(Part(path, name, registry.DOCUMENT, "a file of a folder"))
        else:
            parts.append(Part(path, name, form, reason))
    return parts


def _why_not(path: Path) -> str:
    """Why a file of a folder is left out."""
    try:
        return "files unreadable, binary or of unclear encoding" if path.stat().st_size else (
            "empty files")  # fmt: skip
    except OSError:
        return "files unreadable, binary or of unclear encoding"


def _walk(folder: Path, skipped: Counter[str]) -> Iterator[Path]:
    """The files below a folder in a fixed order, without hidden, linked and others' ones."""
    for root, folders, files in os.walk(folder):
        folders[:] = _kept(Path(root), sorted(folders), skipped, "folders")
        yield from (Path(root, name) for name in _kept(Path(root), sorted(files), skipped, "files"))


def _kept(root: Path, names: Sequence[str], skipped: Counter[str], what: str) -> list[str]:
    kept = []
    for name in names:
        if name.startswith("."):
            skipped[f"hidden {what}"] += 1
        elif (root / name).is_symlink():
            skipped[f"linked {what}"] += 1
        elif what == "folders" and name.lower() in OTHERS:
            skipped["folders of others' or made files"] += 1
        else:
            kept.append(name)
    return kept
