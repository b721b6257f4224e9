"""What a user can type or write is documented: these tests fail when the docs fall behind."""

import re
from pathlib import Path

import pytest

from bot.config import Config
from plugins import hookspecs
from plugins.loader import load_plugins
from plugins.values import expectation, show_value
from plugins.vocabulary import Command, Setting

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md"])
REGISTRY = load_plugins()


def read(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def setting_row(setting: Setting) -> str:
    """A line of the settings table, as docs/admins/commands-and-settings.md is to have it."""
    default = "" if setting.default is None else show_value(setting.default)
    return f"| `{setting.name}` | `{default}` | {expectation(setting)} | {setting.help} |"


def command_row(command: Command) -> str:
    """A line of the commands table."""
    who = "admins" if command.admin else "everyone"
    return f"| `/{command.name}` | {who} | {command.help} | `{command.example}` |"


@pytest.mark.parametrize("setting", REGISTRY.settings, ids=lambda setting: setting.name)
def test_every_setting_stands_in_the_admins_table_as_declared(setting: Setting):
    assert setting_row(setting) in read("admins/commands-and-settings.md")


@pytest.mark.parametrize("command", REGISTRY.commands, ids=lambda command: command.name)
def test_every_command_stands_in_the_admins_table_as_declared(command: Command):
    assert command_row(command) in read("admins/commands-and-settings.md")


def test_every_hook_is_explained_to_plugin_authors():
    hooks = [name for name, one in vars(hookspecs).items() if hasattr(one, "chinwag_spec")]
    assert hooks, "no hook specification was found"
    assert [name for name in hooks if f"`{name}" not in read("plugin-authors/plugins.md")] == []


def test_every_section_of_the_config_is_explained_to_operators():
    page = read("operators/operating.md")
    assert [key for key in Config.model_fields if f"`{key}`" not in page] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_inside_the_docs_leads_somewhere(page: Path):
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []
