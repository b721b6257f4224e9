import sys
from pathlib import Path

import pytest

from plugins.builtin import MODULES
from plugins.loader import load_plugins
from plugins.registry import Registry

GOOD = """
from plugins import Command, Piece, Setting, hookimpl

@hookimpl
def register_commands(register):
    async def run(context):
        yield Piece("pong")
    register(Command(name="ping", help="Answer.", run=run))
"""

HEAD = "import pluggy\nfrom plugins import *\nhookimpl = pluggy.HookimplMarker('chinwag')\n"


def loaded(folder: Path, **files: str) -> Registry:
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return load_plugins(folder)


def names(registry: Registry) -> list[str]:
    return [plugin.name for plugin in registry.plugins]


def test_the_built_in_plugins_come_through_the_same_door():
    registry = load_plugins()
    assert names(registry) == [module.rpartition(".")[2] for module in MODULES]
    assert registry.problems == ()
    assert {"echo", "onnx"} <= set(registry.backends)


def test_a_file_in_the_folder_is_a_plugin(tmp_path: Path):
    registry = loaded(tmp_path, pinger=GOOD)
    assert "ping" in [command.name for command in registry.commands]
    assert registry.plugins[-1].source == str(tmp_path / "pinger.py")


def test_an_entry_point_of_an_installed_distribution_is_a_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "pinger_package.py").write_text(GOOD, encoding="utf-8")
    info = tmp_path / "pinger-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pinger\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[chinwag]\npinger = pinger_package\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    registry = load_plugins()
    assert registry.plugins[-1].source == "pinger 1.2"
    assert "ping" in [command.name for command in registry.commands]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import nowhere_to_be_found", "No module named 'nowhere_to_be_found'"),
        ("this is no Python", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit"),
        ("x = 1", "it implements no hook"),
        (HEAD + "@hookimpl\ndef register_comands(register): ...", "register_comands"),
        (HEAD + "@hookimpl\ndef register_commands(registrar): ...", "registrar"),
        (HEAD + "@hookimpl\ndef register_commands(register): 1 / 0", "ZeroDivisionError"),
        (
            HEAD + "@hookimpl\ndef register_commands(register):\n"
            "    register(Command(name='help', help='Mine.', run=None))",
            "there is already a command help",
        ),
        (
            HEAD + "@hookimpl\ndef register_commands(register):\n"
            "    register(Command(name='settings', help='Mine.', run=None))",
            "cannot stand beside settings",
        ),
        (
            HEAD + "@hookimpl\ndef register_settings(register):\n"
            "    register(Setting(name='model', kind='text', help='Mine.', default=''))",
            "there is already a setting model",
        ),
        (
            HEAD + "@hookimpl\ndef register_settings(register):\n"
            "    register(Setting(name='mood', kind='text', help='Mine.'))",
            "the setting mood has no default",
        ),
        (
            HEAD + "@hookimpl\ndef register_backends(register):\n    register('echo', None)",
            "there is already a backend echo",
        ),
        (
            HEAD + "@hookimpl\ndef register_commands(register):\n"
            "    register(Command(name='Shout Out Loud', help='Mine.', run=None))",
            "lower-case letters",
        ),
        (
            HEAD + "@hookimpl\ndef register_filters(register):\n"
            "    register(Filter(name='twice'))\n    register(Filter(name='twice'))",
            "there is already a filter twice",
        ),
    ],
)
def test_a_bad_plugin_is_named_with_its_reason_and_the_others_load(
    tmp_path: Path, text: str, reason: str
):
    registry = loaded(tmp_path, bad=text, good=GOOD)
    (problem,) = registry.problems
    assert "Plugin bad" in problem
    assert reason in problem
    assert names(registry)[-1] == "good"


def test_nothing_of_a_plugin_that_fails_halfway_is_kept(tmp_path: Path):
    half = HEAD + (
        "@hookimpl\ndef register_settings(register):\n"
        "    register(Setting(name='mood', kind='text', help='Mine.', default=''))\n"
        "@hookimpl\ndef register_commands(register): raise RuntimeError('no')\n"
    )
    registry = loaded(tmp_path, half=half)
    assert "mood" not in [setting.name for setting in registry.settings]


def test_two_plugins_of_one_name_are_not_both_loaded(tmp_path: Path):
    registry = loaded(tmp_path, generate=GOOD)
    assert "another plugin has the same name" in registry.problems[0]


def test_no_folder_is_no_plugins(tmp_path: Path):
    assert load_plugins(tmp_path / "nowhere").problems == ()


def test_a_commands_options_include_every_per_request_setting_of_any_plugin(tmp_path: Path):
    mood = HEAD + (
        "@hookimpl\ndef register_settings(register):\n"
        "    register(Setting(name='mood', kind='text', help='M.', default='', per_request=True))\n"
    )
    registry = loaded(tmp_path, zmood=mood)
    (generate,) = (command for command in registry.commands if command.name == "generate")
    options = [option.name for option in generate.options]
    assert options[0] == "text"
    assert {"temperature", "mood"} <= set(options)
    assert "footer" not in options
    assert len(options) <= 25, "Discord's limit"


def test_a_plugin_is_imported_once_and_can_be_found_by_its_module(tmp_path: Path):
    loaded(tmp_path, pinger=GOOD)
    assert "chinwag_plugin_pinger" in sys.modules
