import pytest

from backends import BackendError, ModelSpec, Value
from backends.options import number, refuse_unknown, string, whole_number


def spec(**options: Value) -> ModelSpec:
    return ModelSpec("lab", "onnx", options=options)


def test_an_option_not_given_has_its_default():
    assert whole_number(spec(), "slots", 8, 1, 64) == 8


def test_an_option_given_counts():
    assert whole_number(spec(slots=2), "slots", 8, 1, 64) == 2
    assert number(spec(delay=0.5), "delay", 0, 0, 60) == 0.5


@pytest.mark.parametrize("value", [0, 65, "many", True, 2.5])
def test_a_value_that_does_not_fit_is_named_in_a_sentence(value: Value):
    with pytest.raises(BackendError, match=r"'slots' of the model lab must be a (whole )?number"):
        whole_number(spec(slots=value), "slots", 8, 1, 64)


def test_a_text_is_taken_as_it_is_and_what_is_none_is_not_repeated():
    assert string(spec(url="http://a"), "url", "") == "http://a"
    assert string(spec(), "url", "none") == "none"
    with pytest.raises(BackendError, match="'url' of the model lab must be a text") as told:
        string(spec(url=12345), "url", "")
    assert "12345" not in str(told.value)


def test_an_unknown_option_is_refused_by_name():
    with pytest.raises(BackendError, match=r"unknown option 'slot'.* knows: slots, threads"):
        refuse_unknown(spec(slot=3), ("threads", "slots"))
