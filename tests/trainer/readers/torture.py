"""Files that are broken, huge, odd or hostile, made on the spot."""

import bz2
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

MIB = 1 << 20
TITLES = "".join(f"What would you do with {n} nice apples?\n" for n in range(400)).encode()


def _parquet(texts: int = 200) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"text": [f"What is {n}?" for n in range(texts)]}), file)
    return file.getvalue()


def _lying_parquet() -> bytes:
    """Its pages are noise between a true beginning and a true description."""
    data = bytearray(_parquet())
    data[20:400] = bytes(range(1, 39)) * 10
    return bytes(data)


def _lying_length() -> bytes:
    """Its description claims to be two gigabytes long."""
    return _parquet()[:-8] + (0x7FFFFFFF).to_bytes(4, "little") + b"PAR1"


def _zip(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return file.getvalue()


FILES: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "blank": lambda: b" \n\t\r\n" * 999,
    "mark-only": lambda: b"\xef\xbb\xbf",
    "one-byte": lambda: b"x",
    "nul": lambda: b"\0" * 4096,
    "nul-later": lambda: TITLES * 20 + b"\0\0\0\n" + TITLES,
    "every-byte": lambda: bytes(range(256)) * 64,
    "png": lambda: b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 9,
    "cp1251": lambda: "Что бы вы сделали?\n".encode("cp1251") * 99,
    "wrong-byte-later": lambda: TITLES * 20 + b"caf\xe9\n" + TITLES,
    "odd-utf16": lambda: TITLES.decode().encode("utf-16")[:-1],
    "surrogates": lambda: b"\xed\xa0\x80 is half a character\n" * 99,
    "json-surrogates": lambda: b'{"text": "\\ud800 half"}\n{"text": "whole"}\n' * 9,
    "endless-line": lambda: b"word " * MIB,
    "endless-row": lambda: b"title,text\n" + b'a,"\n' * (MIB // 2),
    "columns": lambda: b"," * (2 * MIB),
    "columns-with-line-ends": lambda: b'"a\n",' * MIB,
    "quote-left-open": lambda: b'title\n"What\n' + TITLES * 20,
    "quotes": lambda: b'"' * MIB,
    "deep-json": lambda: b'{"text": "x"}\n' + b'{"a":' * 200_000 + b"\n",
    "deep-array": lambda: b"[" * 200_000,
    "long-number": lambda: b'{"text": ' + b"9" * 100_000 + b"}\n" + b'{"text": "x"}\n',
    "json-cut-off": lambda: b'[{"text": "one"}, {"text": "tw',
    "json-object": lambda: json.dumps({"messages": [{"content": "x"}] * 99}, indent=1).encode(),
    "many-keys": lambda: json.dumps({f"k{n}": "v" for n in range(50_000)}).encode() + b"\n",
    "markers": lambda: b"<|startoftext|><|endoftext|>" * 9999,
    "percents": lambda: b"%\n" * 99_999,
    "gzip-cut-off": lambda: gzip.compress(TITLES)[:-20],
    "gzip-damaged": lambda: gzip.compress(TITLES)[:100] + bytes(100),
    "gzip-bomb": lambda: gzip.compress(bytes(6 * MIB), 9),
    "gzip-bomb-of-text": lambda: gzip.compress(b"word word\n" * MIB, 9),
    "gzip-in-gzip": lambda: gzip.compress(gzip.compress(TITLES)),
    "gzip-magic": lambda: b"\x1f\x8b",
    "bzip2-cut-off": lambda: bz2.compress(TITLES)[:-20],
    "xz-cut-off": lambda: lzma.compress(TITLES)[:-40],
    "zstd-cut-off": lambda: zstandard.compress(TITLES)[:50],
    "zstd-bomb": lambda: zstandard.compress(b"word word\n" * MIB),
    "parquet": _parquet,
    "parquet-cut-off": lambda: _parquet()[:300],
    "parquet-lies": _lying_parquet,
    "parquet-lies-of-length": _lying_length,
    "parquet-magic": lambda: b"PAR1",
    "zip-of-nothing": lambda: _zip("a.json", b""),
    "zip-slip": lambda: _zip("../../etc/passwd", b"x"),
    "zip-of-deep-json": lambda: _zip("general/2020-01-01.json", b"[" * 200_000),
    "zip-bomb": lambda: _zip("general/2020-01-01.json", b"[" + b" " * (6 * MIB) + b"]"),
    "zip-cut-off": lambda: _zip("a.json", TITLES)[:200],
}


def torture(folder: Path, name: str, suffix: str) -> Path:
    """Write one of the files."""
    path = folder / f"{name}{suffix}"
    path.write_bytes(FILES[name]())
    return path
