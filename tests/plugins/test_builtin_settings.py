import pytest

from plugins.builtin.settings import SETTINGS
from plugins.values import parse_value
from plugins.vocabulary import Setting


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_a_default_fits_its_own_bounds(setting: Setting):
    assert parse_value(setting, setting.default, typed=False) == setting.default
