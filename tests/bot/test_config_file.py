import logging
import re
from pathlib import Path

import pytest

from bot.config_file import ConfigError, load_config


def problems_of(folder: Path, text: str) -> list[str]:
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(path) in str(caught.value)
    return list(caught.value.problems)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("modles_dir = 'x'", "modles_dir: there is no such key. Did you mean models_dir?"),
        ("[web]\nprot = 1", "web.prot: there is no such key. Did you mean port?"),
        ("[web.channels.lab]\ntopik = 'x'", "topik: there is no such key. Did you mean topic?"),
        ("[models.a]\nbackend = 'echo'\npth = 'x'", "models.a.pth: there is no such key."),
        ("[slac]\n", "slac: there is no such key. Did you mean slack?"),
        ("[web]\nport = 'eighty'", "web.port: must be a valid integer"),
        ("[web]\nenabled = 'yes'", "web.enabled: must be a valid boolean"),
        ("[web]\nport = 70000", "web.port: must be less than or equal to 65535"),
        ("[slack]\nmode = 'rtm'", "slack.mode: must be 'socket' or 'http'"),
        ("[models.a]\n", "models.a.backend is missing"),
        ("[models.a]\nbackend = 'eccho'", "there is no backend eccho. Did you mean echo?"),
        ("[settings]\ntemprature = 1", "settings.temprature: there is no such setting. Did you"),
        ("[settings]\ntemperature = 'hot'", 'settings.temperature must be a number .* "hot"'),
        ("[channels.'web:lab']\nn = 99", "n must be a whole number between 1 and 64"),
        ("[settings]\nmodel = 9", "model must be text of at most 64 characters, not 9"),
        (
            "[models.a]\nbackend = 'echo'\noptions = { slots = [1] }",
            "models.a.options.slots: must be text, a number, true or false",
        ),
        ("[web.channels.'A b']\n", 'web.channels."A b": a channel.s name has at most 32 lower'),
        ("[web]\nenabled = true\nhost = '0.0.0.0'", "web: The web page would be open to everybody"),
        ("[channels.lab]\nn = 1", 'named as "platform:channel"'),
        ("web = 3", "web: must be a valid dictionary"),
        ("[web]\nenabled = true\ntoken = { env = 'NOT_THERE' }", "variable NOT_THERE"),
        ("[web]\nenabled = true\ntoken = { file = 'not-there' }", "No such file"),
        ("this is not TOML", "it is not TOML"),
    ],
)
def test_a_mistake_is_told_by_its_key_with_what_may_have_been_meant(
    tmp_path: Path, text: str, problem: str
):
    (told,) = problems_of(tmp_path, text)
    assert re.search(problem, told)


def test_all_mistakes_are_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("DISCORD_TOKEN", raising=False)
    text = (
        "colour = 'red'\n[web]\nport = 'x'\n[settings]\nn = 0\n[models.a]\nbackend = 'none'\n"
        "[discord]\nenabled = true\n"
    )
    told = "\n".join(problems_of(tmp_path, text))
    assert all(
        key in told for key in ("colour", "web.port", "settings.n", "models.a", "discord.token")
    )
    assert len(told.splitlines()) == 5


def test_a_missing_token_is_told_by_its_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    told = problems_of(tmp_path, "[slack]\nenabled = true")
    assert ["SLACK_BOT_TOKEN" in told[0], "SLACK_APP_TOKEN" in told[1]] == [True, True]


def test_a_token_of_a_platform_that_is_off_need_not_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("DISCORD_TOKEN", raising=False)
    (tmp_path / "config.toml").write_text("[discord]\nenabled = false")
    assert not load_config(tmp_path / "config.toml").config.discord.enabled


def test_a_secret_written_into_the_config_is_refused_and_not_repeated(tmp_path: Path):
    told = problems_of(tmp_path, "[discord]\nenabled = true\ntoken = 'MTIz.secret'")
    assert "do not write a secret into the config" in told[0]
    assert "secret'" not in "\n".join(told)
    assert "MTIz" not in "\n".join(told)


def test_a_missing_file_is_told_in_a_sentence(tmp_path: Path):
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_config(tmp_path / "nowhere.toml")


def test_relative_paths_start_from_the_files_folder(tmp_path: Path):
    (tmp_path / "config.toml").write_text("[models.a]\nbackend = 'echo'\npath = 'deep/a'")
    config = load_config(tmp_path / "config.toml").config
    assert config.data_dir == tmp_path / "data"
    assert config.models["a"].path == tmp_path / "deep" / "a"
    assert load_config(tmp_path / "config.toml", base=Path("x")).config.data_dir == Path("x/data")


def test_a_setting_of_a_plugin_in_the_folder_may_be_configured(tmp_path: Path):
    (tmp_path / "plugins.d").mkdir()
    (tmp_path / "plugins.d" / "mood.py").write_text(
        "from plugins import Setting, hookimpl\n"
        "@hookimpl\ndef register_settings(register):\n"
        "    register(Setting(name='mood', kind='text', help='M.', default='', choices=('a', '')))"
    )
    (tmp_path / "config.toml").write_text("[settings]\nmood = 'a'")
    assert load_config(tmp_path / "config.toml").config.settings == {"mood": "a"}
    assert "mood must be one of" in problems_of(tmp_path, "[settings]\nmood = 'b'")[0]


def test_a_bad_plugin_does_not_make_the_configuration_wrong(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.ERROR)
    (tmp_path / "plugins.d").mkdir()
    (tmp_path / "plugins.d" / "bad.py").write_text("1 / 0")
    (tmp_path / "config.toml").write_text("")
    assert "Plugin bad" in load_config(tmp_path / "config.toml").registry.problems[0]
    assert "Plugin bad" in caplog.text
