import asyncio
import logging
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from backends import Backend, Chunk, ModelInfo, ModelSpec, Prompt, UserError
from bot.fair_queue import Whose
from bot.platform import Call
from plugins.loader import load_plugins
from plugins.registry import Plugin, Registry
from plugins.vocabulary import Command, Context, Filter, Option, Piece, Request
from tests.core import ECHO, ask, request, running_core
from tests.fakes.surface import RecordingSurface
from tests.waiting import until

SLOW = {
    "models": {
        "slow": {"backend": "echo", "options": {"delay": 3600}},
        "echo": {"backend": "echo"},
    },
    "settings": {"include_prefix": False},
}
"""A model whose first word takes an hour."""


def with_plugin(**offers: object) -> Registry:
    built_in = load_plugins()
    extra = Plugin(name="extra", source="test", **offers)  # pyright: ignore[reportArgumentType] - a test's shorthand
    return Registry((*built_in.plugins, extra))


def command(run: object, **changes: object) -> Command:
    told: dict[str, object] = {"name": "extra", "help": "Extra.", "run": run}
    return Command(**(told | changes))  # pyright: ignore[reportArgumentType] - a test's shorthand


async def boom(context: Context) -> AsyncIterator[Piece]:
    yield Piece("before ")
    raise RuntimeError("secret detail")


class Stuck:
    """A backend that writes one word and then nothing more until it is called off."""

    name = "stuck"

    def __init__(self) -> None:
        self.writing = asyncio.Event()
        self.freed = asyncio.Event()

    async def open(self, spec: ModelSpec) -> Backend:
        return self

    def info(self) -> ModelInfo:
        return ModelInfo(name="stuck", backend="stuck")

    async def generate(self, prompt: Prompt) -> AsyncIterator[Chunk]:
        try:
            yield Chunk("word")
            self.writing.set()
            await asyncio.Event().wait()
        finally:
            self.freed.set()

    async def aclose(self) -> None:
        pass


async def test_an_event_delivered_again_is_answered_once(tmp_path: Path):
    async with running_core(tmp_path) as core:
        event = request()
        first = await ask(core, "generate", of=event, text="one")
        second = await ask(core, "generate", of=event, text="one")
    assert (first.messages, second.messages, second.refusals) == (["one"], [], [])
    assert (first.finished, second.finished) == (1, 1)


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("generat", {}, "There is no command /generat. Did you mean /generate?"),
        ("generate", {"temprature": 1}, "no option temprature. Did you mean temperature?"),
        ("generate", {"temperature": "hot"}, 'temperature must be a number .* not "hot"'),
        ("generate", {"temperature": 99}, "temperature must be a number between 0 and 5"),
        ("generate", {"model": "nowhere"}, "There is no model nowhere"),
        ("settings set", {"key": "n", "value": 3}, "is for admins"),
        ("settings explain", {}, "/settings explain needs key"),
        ("settings explain", {"key": "x"}, "There is no setting x"),
    ],
)
async def test_what_is_wrong_is_told_in_a_sentence_and_nothing_else_appears(
    tmp_path: Path, name: str, options: dict[str, object], sentence: str
):
    async with running_core(tmp_path) as core:
        shown = await ask(core, name, of=request(), **options)
    assert re.search(sentence, shown.refusals[0])
    assert (shown.messages, len(shown.refusals), shown.finished) == ([], 1, 1)


async def test_an_unknown_exception_is_told_by_a_reference_that_the_log_explains(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    async with running_core(tmp_path, ECHO, with_plugin(commands=(command(boom),))) as core:
        shown = await ask(core, "extra")
    (reference,) = re.findall(r"reference (\w+)", shown.refusals[0])
    assert "secret detail" not in shown.refusals[0]
    assert shown.messages == ["before "]
    assert reference in caplog.text
    assert "secret detail" in caplog.text


async def test_no_prompt_and_no_text_is_logged_at_info(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    async with running_core(tmp_path) as core:
        await ask(core, "generate", text="private words")
    assert "generate" in caplog.text
    assert "private" not in caplog.text


async def test_an_option_for_one_request_does_not_stay(tmp_path: Path):
    async with running_core(tmp_path) as core:
        assert (await ask(core, "generate", text="a b c", max_tokens=1)).messages == ["a"]
        assert (await ask(core, "generate", text="a b c")).messages == ["a b c"]


async def test_cancelling_the_call_frees_its_work_and_place_and_keeps_what_was_written(
    tmp_path: Path,
):
    stuck = Stuck()
    config = {
        "models": {"stuck": {"backend": "stuck"}},
        "settings": {"include_prefix": False},
        "limits": {"concurrent": 1, "waiting": 0},
    }
    async with running_core(tmp_path, config, with_plugin(backends={"stuck": stuck.open})) as core:
        surface = RecordingSurface()
        call = Call(request=request(), command="generate")
        running = asyncio.create_task(core.router.dispatch(call, surface))
        await stuck.writing.wait()
        refused = await ask(core, "generate", text="x")
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert stuck.freed.is_set()
        assert core.lines.of("stuck").running == 0
    assert "busy" in refused.refusals[0]
    assert (surface.messages, surface.finished, surface.refusals) == (["word"], 1, [])


async def test_a_call_that_waits_gets_its_turn_when_the_one_before_ends(tmp_path: Path):
    limits = {"limits": {"concurrent": 1, "waiting": 5}}
    async with running_core(tmp_path, {**ECHO, **limits}) as core:
        shown = await asyncio.gather(*(ask(core, "generate", text=f"t{n}") for n in range(5)))
    assert [one.messages for one in shown] == [[f"t{n}"] for n in range(5)]


async def test_one_who_waits_is_told_the_position_which_gives_way_to_the_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("bot.notices.PATIENCE", 0.0)
    monkeypatch.setattr("bot.notices.PAUSE", 0.0)
    stuck = Stuck()
    limits = {"limits": {"concurrent": 1}, "settings": {"include_prefix": False}}
    config = {"models": {"stuck": {"backend": "stuck"}}, **limits}
    async with running_core(tmp_path, config, with_plugin(backends={"stuck": stuck.open})) as core:
        surfaces = [RecordingSurface() for _ in range(3)]
        calls = [Call(request=request(), command="generate") for _ in surfaces]
        running = [
            asyncio.create_task(core.router.dispatch(call, surface))
            for call, surface in zip(calls, surfaces, strict=True)
        ]
        await until(lambda: surfaces[2].notices, "the last one is told")
        assert surfaces[2].notices == ["You are number 2 in the line."]
        running[0].cancel()
        await until(lambda: surfaces[1].messages, "the second one's text")
        await until(lambda: len(surfaces[2].notices) > 1, "the last one is told anew")
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    assert surfaces[1].notices[0] == "You are number 1 in the line."
    assert surfaces[1].messages == ["word"]
    assert surfaces[2].notices[1] == "You are number 1 in the line."
    assert surfaces[2].messages == []


async def test_guilds_take_turns_in_the_line(tmp_path: Path):
    limits = {"limits": {"concurrent": 1}}
    order = list[str]()

    async def from_guild(guild: str, number: int) -> None:
        await ask(core, "generate", text="x", of=request(guild=guild, user=f"{number % 3}"))
        order.append(guild)

    async with running_core(tmp_path, {**ECHO, **limits}) as core:
        with core.lines.of("echo").join(Whose("one", "before them")):
            guilds = [*["big"] * 12, "small", "tiny"]
            asked = [from_guild(guild, number) for number, guild in enumerate(guilds)]
            answering = asyncio.gather(*asked)
            await until(lambda: core.lines.of("echo").waiting == len(guilds), "all wait")
        await answering
    assert max(order.index("small"), order.index("tiny")) <= 4


async def test_a_backend_that_stalls_costs_its_request_the_deadline_and_nothing_else(
    tmp_path: Path,
):
    stuck = Stuck()
    config = {
        "models": {"stuck": {"backend": "stuck"}},
        "settings": {"include_prefix": False},
        "limits": {"deadline": 0.2},
    }
    async with running_core(tmp_path, config, with_plugin(backends={"stuck": stuck.open})) as core:
        shown = await ask(core, "generate", text="x")
        assert stuck.freed.is_set()
        assert (core.lines.of("stuck").running, core.router.busy) == (0, False)
    assert shown.messages == ["word"]
    assert "longer than 0.2 s" in shown.refusals[0]


async def test_a_model_that_never_opens_costs_its_request_the_deadline(tmp_path: Path):
    async def never(spec: ModelSpec) -> Backend:
        await asyncio.Event().wait()
        raise AssertionError

    config = {"models": {"never": {"backend": "never"}}, "limits": {"deadline": 0.1}}
    async with running_core(tmp_path, config, with_plugin(backends={"never": never})) as core:
        shown = await ask(core, "generate", text="x")
        assert core.lines.of("never").running == 0
    assert "longer than 0.1 s" in shown.refusals[0]


async def test_a_surface_that_never_answers_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("bot.router._PATIENCE", 0.05)
    monkeypatch.setattr("bot.writer._FAREWELL", 0.05)

    class Silent(RecordingSurface):
        async def post(self, text: str) -> object:
            return await asyncio.Event().wait()

        async def refuse(self, sentence: str) -> None:
            await asyncio.Event().wait()

        async def done(self) -> None:
            await asyncio.Event().wait()

    async with running_core(tmp_path, {**ECHO, "limits": {"deadline": 0.05}}) as core:
        call = Call(request=request(), command="generate", options={"text": "x"})
        await core.router.dispatch(call, Silent())
        assert not core.router.busy
        assert core.lines.of("echo").running == 0


async def test_a_call_beyond_its_deadline_is_stopped_and_told(tmp_path: Path):
    async with running_core(tmp_path, {**SLOW, "limits": {"deadline": 0.05}}) as core:
        shown = await ask(core, "generate", text="word", model="slow")
    assert "longer than 0.05 s" in shown.refusals[0]


async def test_a_users_second_text_waits_for_the_cooldown_and_others_do_not(tmp_path: Path):
    config = {**ECHO, "channels": {"web:lab": {"cooldown": 3600}}}
    async with running_core(tmp_path, config) as core:
        first = await ask(core, "generate", text="x")
        again = await ask(core, "generate", text="x")
        other = await ask(core, "generate", text="x", of=request(user="2"))
        show = await ask(core, "help")
    assert (first.messages, other.messages) == (["x"], ["x"])
    assert "Please wait 3600 s" in again.refusals[0]
    assert show.refusals == []


async def test_filters_see_every_prompt_and_every_text(tmp_path: Path):
    def louder(prompt: Prompt, request: Request) -> Prompt:
        return replace(prompt, text=prompt.text + " please")

    async def upper(chunks: AsyncIterator[Chunk], request: Request) -> AsyncIterator[Chunk]:
        async for chunk in chunks:
            yield replace(chunk, text=chunk.text.upper())

    def refuse(prompt: Prompt, request: Request) -> Prompt:
        if "forbidden" in prompt.text:
            raise UserError("Not here.")
        return prompt

    filters = (
        Filter(name="louder", before=louder),
        Filter(name="refuse", before=refuse),
        Filter(name="upper", after=upper),
    )
    async with running_core(tmp_path, ECHO, with_plugin(filters=filters)) as core:
        assert (await ask(core, "generate", text="hello")).messages == ["HELLO PLEASE"]
        assert (await ask(core, "generate", text="forbidden")).refusals == ["Not here."]


async def test_a_stream_that_a_command_leaves_unread_is_closed(tmp_path: Path):
    async def careless(context: Context) -> AsyncIterator[Piece]:
        async for chunk in context.generate(Prompt("one two three")):
            yield Piece(chunk.text)
            break

    limits = {"limits": {"concurrent": 1, "waiting": 0}}
    registry = with_plugin(commands=(command(careless),))
    async with running_core(tmp_path, {**ECHO, **limits}, registry) as core:
        for _ in range(3):
            assert (await ask(core, "extra")).messages == ["one"]


async def test_a_plugins_options_reach_it_checked_and_with_their_defaults(tmp_path: Path):
    async def tell(context: Context) -> AsyncIterator[Piece]:
        yield Piece(repr(dict(context.options)))

    options = (
        Option(name="times", kind="integer", help="How often.", default=2, maximum=3),
        Option(name="note", kind="text", help="A note."),
    )
    registry = with_plugin(commands=(command(tell, options=options),))
    async with running_core(tmp_path, ECHO, registry) as core:
        assert (await ask(core, "extra")).messages == ["{'times': 2}"]
        assert (await ask(core, "extra", times="3", note="x")).messages == [
            "{'times': 3, 'note': 'x'}"
        ]
        assert "at most 3" in (await ask(core, "extra", times=4)).refusals[0]


async def test_a_surface_that_breaks_does_not_break_the_router(tmp_path: Path):
    class Broken(RecordingSurface):
        async def post(self, text: str) -> object:
            raise RuntimeError("no permission to write here")

        async def refuse(self, sentence: str) -> None:
            await super().refuse(sentence)
            raise RuntimeError("nor to whisper")

    surface = Broken()
    async with running_core(tmp_path) as core:
        call = Call(request=request(), command="generate", options={"text": "x"})
        await core.router.dispatch(call, surface)
    assert len(surface.refusals) == 1
    assert surface.finished == 1


async def test_draining_refuses_new_calls_and_lets_running_ones_finish(tmp_path: Path):
    config = {**ECHO, "models": {"echo": {"backend": "echo", "options": {"delay": 0.01}}}}
    async with running_core(tmp_path, config) as core:
        asking = asyncio.create_task(ask(core, "generate", text="one two three four five"))
        await until(lambda: core.router.busy, "the call runs")
        draining = asyncio.create_task(core.router.drain(3600))
        assert (await asking).messages == ["one two three four five"]
        await draining
        assert "stopping" in (await ask(core, "generate", text="x")).refusals[0]


async def test_draining_tells_those_that_do_not_finish_in_time(tmp_path: Path):
    async with running_core(tmp_path, SLOW) as core:
        asking = asyncio.create_task(ask(core, "generate", text="x", model="slow"))
        await until(lambda: core.router.busy, "the call runs")
        await core.router.drain(0)
        assert "stopping" in (await asking).refusals[0]
