"""The house's rules that no type checker sees: who imports whom, and what lies where."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("backends", "plugins", "bot", "trainer")

OURS_ALLOWED = {
    "backends": {"backends"},
    "plugins": {"plugins", "backends"},
    "bot": {"bot", "plugins", "backends"},
    "trainer": {"trainer", "backends"},
}
"""Directions of docs/contributors/architecture.md: bot -> plugins -> backends <- trainer."""

ONLY_IN = {
    "discord": ("bot/discord_app",),
    "slack_bolt": ("bot/slack_app",),
    "slack_sdk": ("bot/slack_app",),
    "onnxruntime": ("backends/onnx_engine",),
    "torch": ("trainer", "backends/hugging_face"),
    "transformers": ("trainer", "backends/hugging_face"),
    "optimum": ("backends/hugging_face", "trainer/formats.py"),
    "onnx": ("trainer",),
    "gguf": ("trainer",),
    "peft": ("trainer",),
    "bitsandbytes": ("trainer",),
    "pyarrow": ("trainer",),
    "zstandard": ("trainer",),
    "matplotlib": ("trainer/curves",),
    "plotille": ("trainer/curves",),
    "aiohttp": ("bot", "backends/http_backend"),
    "prometheus_client": ("bot",),
    "sqlalchemy": ("bot",),
}
"""Where a library may be imported; a package's other folders do without it."""

BOT_SEES_OF_BACKENDS = {
    "backends",
    "backends.vocabulary",
    "backends.model_directory",
    "backends.presentation",
}
"""The bot knows no concrete backend: those come through a plugin."""


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def imported_modules(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, (
                f"{path}: a path on disk is its import path, no relative imports"
            )
            yield node.module or ""


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_ours_only_in_the_houses_direction(package: str):
    ours = {*PACKAGES, "tests", "bench"}
    wrong = [
        f"{named(path)} imports {module}"
        for path in sources(package)
        for module in imported_modules(path)
        if (top := module.split(".")[0]) in ours and top not in OURS_ALLOWED[package]
    ]
    assert wrong == []


def test_a_heavy_library_or_chat_sdk_is_imported_in_its_own_place_only():
    wrong = [
        f"{named(path)} imports {module}"
        for path in sources(*PACKAGES)
        for module in imported_modules(path)
        if (top := module.split(".")[0]) in ONLY_IN and not named(path).startswith(ONLY_IN[top])
    ]
    assert wrong == []


def test_the_bot_knows_no_concrete_backend():
    wrong = [
        f"{named(path)} imports {module}"
        for path in sources("bot")
        for module in imported_modules(path)
        if module.split(".")[0] == "backends" and module not in BOT_SEES_OF_BACKENDS
    ]
    assert wrong == []


def test_no_module_is_named_like_a_library_it_imports():
    wrong = [
        named(path)
        for path in sources(*PACKAGES)
        if path.stem in {module.split(".")[0] for module in imported_modules(path)} - {*PACKAGES}
    ]
    assert wrong == []


def test_serving_an_onnx_model_imports_neither_torch_nor_transformers():
    program = (
        "import sys, bot.cli, plugins.loader, backends.onnx_engine\n"
        "heavy = {'torch', 'transformers', 'onnx'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = subprocess.run(  # noqa: S603 - our own interpreter and program
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_suppression_has_its_reason_beside_it():
    bare = re.compile(
        r"#\s*(?:noqa(?::\s*[A-Z0-9, ]+)?|(?:type|pyright):\s*ignore(?:\[[^\]]*\])?)\s*$"
    )
    wrong = [
        f"{named(path)}:{number}: {line.strip()}"
        for path in sources(*PACKAGES, "tests", "bench")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if bare.search(line)
    ]
    assert wrong == []


def test_the_top_level_holds_no_more_than_the_house_needs():
    listed = subprocess.run(
        ["git", "ls-files"],  # noqa: S607 - whichever git the contributor uses
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    expected = {
        *PACKAGES, "tests", "bench", "docs", "models", ".ci",
        "config.example.toml", "pyproject.toml", "README.md", "Makefile", "CHANGELOG.md",
        "LICENSE", ".gitignore",
    }  # fmt: skip
    assert {line.split("/")[0] for line in listed.stdout.splitlines()} <= expected
