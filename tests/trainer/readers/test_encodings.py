import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.readers.encodings import decoded, encoding_of

FRENCH = "L’été dernier, nous avons mangé une crème brûlée dans la ville de Nîmes – « exquise ».\n"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]
)
def test_what_western_text_is_written_in_is_found(encoding: str):
    data = (FRENCH * 9).encode(encoding)
    found, _ = encoding_of(data, whole=True)
    assert data.decode(found) == FRENCH * 9


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Что вы сделали бы с яблоками?\n", "cp1251"),
        ("Czy łódź płynie? Żółw śpi, bo źle się czuł.\n", "cp1250"),
        ("これは何ですか。\n", "shift_jis"),
    ],
)
def test_where_it_is_not_clear_nothing_is_guessed(text: str, encoding: str):
    assert encoding_of((text * 9).encode(encoding), whole=True) == ("", "")


@pytest.mark.parametrize("data", [b"\x89PNG\r\n\x1a\n\0\0\0", bytes(range(1, 256)) * 9, b"\0" * 99])
def test_binary_data_has_no_encoding(data: bytes):
    assert encoding_of(data, whole=True)[0] == ""


@given(data=st.binary(max_size=99))
def test_an_encoding_that_is_found_fits_whatever_the_bytes(data: bytes):
    found, _ = encoding_of(data, whole=False)
    if found and "mark" not in encoding_of(data, whole=False)[1]:
        assert decoded(data, found, whole=False) is not None
