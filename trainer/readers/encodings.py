"""Find out how the bytes of a text stand for characters, where that is clear."""

import codecs
import unicodedata

MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16's, which it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
WESTERN = "‘’“”‚„–—…•€£¥¢§©®™°«»¡¿·´¨×÷½¼¾\xa0"
"""What Western texts in cp1252 hold besides ASCII and letters."""


def encoding_of(data: bytes, *, whole: bool) -> tuple[str, str]:
    """The encoding of a text's beginning and how it was told; `("", "")` where it is not clear.

    `whole` says that nothing follows, so that no character can be cut off at the end.
    """
    for mark, encoding in MARKS.items():
        if data.startswith(mark):
            return encoding, "by its byte-order mark"
    if is_binary(data):
        encoding = _wide(data)
        return encoding, "by its zero bytes" if encoding else ""
    if decoded(data, "utf-8", whole=whole) is not None:
        return "utf-8", ""
    if _is_western(data):
        return "cp1252", "it is not UTF-8, and reads well so"
    return "", ""


def decoded(data: bytes, encoding: str, *, whole: bool) -> str | None:
    """The text of these bytes, or `None` where they are no text in this encoding."""
    try:
        return codecs.getincrementaldecoder(encoding)().decode(data, final=whole)
    except UnicodeError:
        return None


def is_binary(data: bytes) -> bool:
    """Whether there is a NUL, or one byte in a hundred is a control character that text lacks."""
    odd = len(data) - len(data.translate(None, bytes([*range(1, 9), *range(14, 27), 127])))
    return b"\0" in data or 100 * odd > len(data)


def _wide(data: bytes) -> str:
    """UTF-16 without a mark: mostly every other byte of Western text is zero."""
    pairs = len(data) // 2
    zeros = data[0 : 2 * pairs : 2].count(0), data[1 : 2 * pairs : 2].count(0)
    for encoding, few, many in (("utf-16-le", *zeros), ("utf-16-be", *reversed(zeros))):
        if pairs and 100 * few <= pairs <= 3 * many:
            text = decoded(data[: 2 * pairs], encoding, whole=False)
            if text and not is_binary(text.encode("utf-8", "replace")):
                return encoding
    return ""


def _is_western(data: bytes) -> bool:
    """Whether this is cp1252: few characters beyond ASCII, and those are Western Europe's."""
    text = decoded(data, "cp1252", whole=True)
    if text is None:
        return False
    beyond = [char for char in text if ord(char) > 127]
    usual = sum(char in WESTERN or unicodedata.category(char)[0] == "L" for char in beyond)
    return 5 * len(beyond) <= len(text) and 20 * usual >= 19 * len(beyond)
