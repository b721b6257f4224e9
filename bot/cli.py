"""The bot's commands: `run`, `chat`, `demo`, `doctor` and `status`.

Imports are made inside the commands, so that `--help` answers at once.
"""

import argparse
import asyncio
import io
import os
import sys
import tempfile
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backends import UserError

if TYPE_CHECKING:
    from bot.config_file import Loaded
    from bot.platform import Platform

OK, FAILED, WRONG_CONFIG = 0, 1, 78
"""Exit codes; 78 is sysexits' EX_CONFIG, on which a supervisor need not try again."""

Work = Callable[[argparse.Namespace], Coroutine[Any, Any, int]]
"""A command: what to do with its arguments; the exit code is returned."""

_DEMO = Path(__file__).parent / "demo.toml"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    given = _parser().parse_args(arguments)
    work: Work = given.work
    try:
        status = asyncio.run(work(given))
        sys.stdout.flush()
    except UserError as problem:
        print(problem, file=sys.stderr)  # noqa: T201 - the one way to tell the user
        return _code(problem)
    except BrokenPipeError:
        # Who read the output has gone; nothing may be flushed to it (Python's docs on SIGPIPE).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt:
        return FAILED
    else:
        return status


def _code(problem: UserError) -> int:
    from bot.config_file import ConfigError

    return WRONG_CONFIG if isinstance(problem, ConfigError) else FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bot",
        description="A chat bot that writes, for Discord, Slack, the web and the terminal.",
        epilog="Example: python -m bot demo",
    )
    add = parser.add_subparsers(required=True, metavar="COMMAND").add_parser
    run = _add_command(add, "run", _run, "serve all platforms that the config enables")
    _add_config(run, Path("config.toml"))
    run.epilog = "Example: python -m bot run --config config.toml"
    talk = _add_command(add, "chat", _chat, "talk to a model in the terminal, also through pipes")
    talk.add_argument("--model", metavar="NAME", help="the model that writes, such as ask")
    _add_config(talk, None)
    talk.epilog = (
        "Example: echo 'Why do cats' | python -m bot chat --model ask. Without --config the models "
        "in models/ are there, and nothing is kept. A line that begins with / is a command; "
        "Ctrl-C stops a text, Ctrl-D leaves."
    )
    demo = _add_command(add, "demo", _demo, "chat with two small models in the browser")
    demo.add_argument("--port", type=_port, default=8080, help="the port to listen on (8080)")
    demo.epilog = "Example: python -m bot demo --port 8081"
    doctor = _add_command(add, "doctor", _doctor, "check config, tokens, plugins and models")
    _add_config(doctor, Path("config.toml"))
    doctor.epilog = "Example: python -m bot doctor --config config.toml"
    status = _add_command(add, "status", _status, "tell how the bot that runs with a config is")
    _add_config(status, Path("config.toml"))
    status.add_argument("--json", action="store_true", help="tell it as JSON, for programs")
    status.epilog = "Example: python -m bot status --config config.toml"
    optouts = _add_command(add, "optouts", _optouts, "print who asked to be left out of training")
    _add_config(optouts, Path("config.toml"))
    optouts.epilog = (
        "Example: python -m bot optouts --config config.toml > optouts.jsonl. The bot must be "
        "stopped; the trainer reads the file with --opt-out."
    )
    return parser


def _add_command(
    add_parser: Callable[..., argparse.ArgumentParser], name: str, work: Work, sentence: str
) -> argparse.ArgumentParser:
    parser = add_parser(name, help=sentence, description=f"{sentence.capitalize()}.")
    parser.set_defaults(work=work)
    return parser


def _add_config(parser: argparse.ArgumentParser, default: Path | None) -> None:
    known = f" ({default})" if default else ""
    parser.add_argument(
        "--config", type=Path, default=default, metavar="FILE", help=f"the config file{known}"
    )


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to 65535, not {text!r}")
    return int(text)


async def _run(given: argparse.Namespace) -> int:
    from bot.config_file import ConfigError, load_config

    loaded = load_config(given.config)
    config = loaded.config
    if not any(section.enabled for section in (config.web, config.discord, config.slack)):
        nothing = "no platform is enabled: say `enabled = true` in [web], [discord] or [slack]."
        raise ConfigError(str(given.config), [nothing])
    return await _serve(loaded)


async def _demo(given: argparse.Namespace) -> int:
    from backends.model_directory import list_models
    from bot.config_file import load_config

    loaded = load_config(_DEMO, base=Path.cwd())
    there, every = list_models(loaded.config.models_dir), loaded.config.web.channels
    # What `make demo` was not asked to fetch is not offered; the page needs one channel at least.
    offered = {
        name: channel
        for name, channel in every.items()
        if loaded.config.channels[f"web:{name}"]["model"] in there
    }
    web = loaded.config.web.model_copy(update={"port": given.port, "channels": offered or every})
    config = loaded.config.model_copy(update={"web": web})
    return await _serve(type(loaded)(config, loaded.registry))


async def _serve(loaded: "Loaded") -> int:
    from bot.config_file import secrets_of
    from bot.core import open_core
    from bot.health import telling_health
    from bot.logs import start_log
    from bot.platforms import enabled_platforms
    from bot.service import serve

    config = loaded.config
    start_log(config.log, [one.read().get_secret_value() for one in secrets_of(config).values()])
    async with open_core(config, loaded.registry) as core:
        platforms = list(enabled_platforms(core))
        announcing = asyncio.create_task(_announce(platforms))
        try:
            async with telling_health(core, platforms):
                await serve(platforms, core.router, config.limits.shutdown)
        finally:
            announcing.cancel()
    return OK


async def _announce(platforms: Sequence["Platform"]) -> None:
    """Print where the page is, as soon as it is there."""
    for platform in platforms:
        while not platform.ready:  # noqa: ASYNC110 - ready is a property, whatever the platform
            await asyncio.sleep(0.05)
        address: str | None = getattr(platform, "address", None)
        print(f"{platform.name}: {address or 'ready'}", flush=True)  # noqa: T201 - the result


async def _chat(given: argparse.Namespace) -> int:
    from bot.config import LogConfig
    from bot.console import (
        ConsolePlatform,
        chat,
        console_request,
        line_reader,
        terminal_as_found,
    )
    from bot.core import open_core
    from bot.logs import start_log

    start_log(LogConfig(level="warning"))
    with _chat_config(given.config) as loaded, terminal_as_found():
        async with open_core(loaded.config, loaded.registry) as core:
            if given.model:
                settings = await core.settings.at(console_request("chat"))
                await settings.set("model", given.model)
            await chat(ConsolePlatform(core.router, line_reader()))
    return OK


@contextmanager
def _chat_config(path: Path | None) -> Generator["Loaded"]:
    """The configuration of a chat; without a file one that leaves nothing behind."""
    from bot.config_file import check_config, load_config

    if path is not None:
        yield load_config(path)
        return
    with tempfile.TemporaryDirectory(prefix="chinwag-") as data:
        yield check_config({"data_dir": data}, "of chat", Path.cwd())


async def _doctor(given: argparse.Namespace) -> int:
    from bot.config import LogConfig
    from bot.config_file import load_config
    from bot.doctor import examine
    from bot.logs import start_log

    # What fails becomes a finding; the log would only say it twice.
    start_log(LogConfig(level="error"), to=io.StringIO())
    well = True
    async for finding in examine(load_config(given.config), given.config):
        print(finding, flush=True)  # noqa: T201 - the result
        well = well and finding.fine
    return OK if well else FAILED


async def _status(given: argparse.Namespace) -> int:
    from bot.config_file import load_config
    from bot.status import ask_status, show

    status = await ask_status(load_config(given.config).config)
    print(status.model_dump_json(indent=2) if given.json else show(status))  # noqa: T201 - the result
    return OK


async def _optouts(given: argparse.Namespace) -> int:
    from bot.config_file import load_config
    from bot.optouts import opt_out_lines

    async for line in opt_out_lines(load_config(given.config).config.data_dir):
        print(line)  # noqa: T201 - the result
    return OK
