"""The Slack platform alone: the real Bolt against the fake Slack, a recording dispatcher behind."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from backends import UserError
from bot.platform import Call, Surface
from bot.slack_app import SlackPlatform, connection
from bot.slack_app.service import SCOPES
from plugins.vocabulary import Command, Context, Option, Piece
from tests.bot.slack_driver import SECRETS, Mode, SlackDriver, running_slack, slack_config
from tests.fakes.dispatcher import FakeDispatcher
from tests.fakes.fake_slack import BOT_USER, FakeSlack, payloads
from tests.fakes.fake_slack.delivery import SignedHttp, signature
from tests.fakes.fake_slack.world import BOT_ID
from tests.waiting import until


async def unused(_: Context) -> AsyncIterator[Piece]:
    yield Piece("")


COMMANDS = (
    Command(
        name="generate",
        help="Carry on a text.",
        run=unused,
        options=(
            Option(name="text", kind="text", help="What to carry on."),
            Option(name="n", kind="integer", help="How many texts."),
        ),
    ),
    Command(name="help", help="List the commands.", run=unused, private=True),
    Command(
        name="settings set",
        help="Change a value.",
        run=unused,
        options=(
            Option(name="key", kind="text", help="Which.", required=True),
            Option(name="value", kind="text", help="The value.", required=True),
        ),
        admin=True,
    ),
)


@pytest.fixture
def dispatcher() -> FakeDispatcher:
    return FakeDispatcher(COMMANDS)


@pytest.fixture
async def driver(dispatcher: FakeDispatcher) -> AsyncIterator[SlackDriver]:
    async with running_slack(dispatcher) as driver:
        yield driver


@pytest.fixture
async def over_http(dispatcher: FakeDispatcher) -> AsyncIterator[SlackDriver]:
    async with running_slack(dispatcher, "http") as driver:
        yield driver


async def nth_call(dispatcher: FakeDispatcher, number: int = 1) -> Call:
    await until(lambda: len(dispatcher.calls) >= number, f"call {number}")
    return dispatcher.calls[number - 1]


def asked(slack: FakeSlack, method: str) -> list[Mapping[str, Any]]:
    return [args for name, args in slack.api.asked if name == method]


# What is handed over.


async def test_a_slash_command_says_who_asked_what_and_where(
    driver: SlackDriver, dispatcher: FakeDispatcher
):
    await driver.slack.slash("generate --n 2 Once", admin=True, trigger="T77")
    call = await nth_call(dispatcher)
    assert (call.command, call.options) == ("generate", {"n": "2", "text": "Once"})
    request = call.request
    assert (request.id, request.platform, request.guild) == ("T77", "slack", "T0FAKE")
    assert (request.channel, request.channel_name) == ("C0GENERAL", "general")
    assert (request.user, request.user_name, request.is_admin) == ("U0ADA", "ada", True)
    assert request.thread is None


@pytest.mark.parametrize("mode", ["socket", "http"])
async def test_a_text_arrives_as_it_was_typed(dispatcher: FakeDispatcher, mode: Mode):
    text = 'a  "b" <c> & &amp; payload={1} @channel 🦉'
    async with running_slack(dispatcher, mode) as driver:
        await driver.slack.slash(f"generate {text}")
        assert (await nth_call(dispatcher)).options == {"text": text}
        await driver.slack.mention(text)
        assert (await nth_call(dispatcher, 2)).options == {"text": text}


async def test_a_slash_command_without_a_word_asks_for_help(
    driver: SlackDriver, dispatcher: FakeDispatcher
):
    await driver.slack.slash("")
    assert (await nth_call(dispatcher)).command == "help"


async def test_a_mention_belongs_to_its_thread(driver: SlackDriver, dispatcher: FakeDispatcher):
    await driver.slack.mention("Once", thread_ts="1700000000.000099")
    call = await nth_call(dispatcher)
    assert (call.command, call.options) == ("generate", {"text": "Once"})
    assert (call.request.channel, call.request.thread) == ("C0GENERAL", "1700000000.000099")
    assert call.request.guild == "T0FAKE"


async def test_a_mention_can_give_commands_where_slack_has_no_slash_commands(
    driver: SlackDriver, dispatcher: FakeDispatcher
):
    await driver.slack.mention("/settings set temperature 0.9", thread_ts="1700000000.000099")
    call = await nth_call(dispatcher)
    assert (call.command, call.options) == (
        "settings set",
        {"key": "temperature", "value": "0.9"},
    )


async def test_an_event_has_the_same_id_however_often_and_in_whatever_way_it_comes(
    driver: SlackDriver, dispatcher: FakeDispatcher
):
    person = driver.slack.world.person("ada")
    said = {"raw": f"<@{BOT_USER}> hi", "by": person, "channel": "DU0ADA", "ts": "17.1"}
    await driver.slack.event(payloads.mention(**said), event_id="Ev1")
    await driver.slack.event(payloads.mention(**said), event_id="Ev1", retry=1)
    await driver.slack.event(payloads.message(**said), event_id="Ev2")
    await nth_call(dispatcher, 3)
    assert {call.request.id for call in dispatcher.calls} == {"DU0ADA:17.1"}


async def test_in_a_direct_conversation_users_rule_over_their_own_settings(
    driver: SlackDriver, dispatcher: FakeDispatcher
):
    await driver.slack.direct("hello")
    call = await nth_call(dispatcher)
    assert call.options == {"text": "hello"}
    assert (call.request.guild, call.request.channel) == (None, "DU0ADA")
    assert call.request.is_admin


async def test_what_is_not_said_to_the_bot_by_a_person_is_left_alone(
    driver: SlackDriver, dispatcher: FakeDispatcher
):
    slack, person = driver.slack, driver.slack.world.person("ada")
    chatter = {"raw": "hi", "by": person, "ts": "17.1"}
    await slack.event(payloads.message(**chatter, channel="C0GENERAL"))
    await slack.direct("edited", subtype="message_changed")
    await slack.direct("another bot", bot_id="B0OTHER")
    await slack.direct("an old bot", bot_id="B0OTHER", subtype="bot_message")
    await slack.direct("itself", user="bot", bot_id=BOT_ID)
    await slack.direct("at last")
    await nth_call(dispatcher)
    assert [call.options["text"] for call in dispatcher.calls] == ["at last"]


async def test_admin_rights_are_asked_for_once_in_a_while(
    driver: SlackDriver, dispatcher: FakeDispatcher
):
    await driver.slack.slash("generate a", admin=True)
    await nth_call(dispatcher)
    await driver.slack.slash("generate b", admin=True)
    assert (await nth_call(dispatcher, 2)).request.is_admin
    assert len(asked(driver.slack, "users.info")) == 1


async def test_whom_slack_does_not_tell_about_is_served_as_no_admin(
    driver: SlackDriver, dispatcher: FakeDispatcher
):
    driver.slack.api.scopes.discard("users:read")
    await driver.slack.slash("generate a", admin=True)
    assert not (await nth_call(dispatcher)).request.is_admin


# What users see.


async def test_a_call_is_acknowledged_at_once_however_long_it_takes(
    driver: SlackDriver, dispatcher: FakeDispatcher
):
    release = asyncio.Event()

    async def answer(_: Call, surface: Surface) -> None:
        await release.wait()
        await surface.post("at last")

    dispatcher.answer = answer
    await driver.slack.slash("generate a")  # is back only when acknowledged
    assert driver.seen() == []
    release.set()
    await until(driver.seen, "the answer")


async def test_everybody_sees_the_command_behind_a_public_answer_only(driver: SlackDriver):
    await driver.slack.slash("generate a")
    await driver.slack.slash("help")
    await driver.slack.slash("genrate a")
    assert driver.slack.echoed == [{"response_type": "in_channel"}, None, None]


async def test_a_typing_error_is_told_to_its_author_alone(
    driver: SlackDriver, dispatcher: FakeDispatcher
):
    await driver.slack.slash("genrate a")
    await until(driver.seen, "the sentence")
    await driver.slack.mention("/genrate a")
    await until(lambda: len(driver.seen()) == 2, "the second sentence")
    assert all(message.private for message in driver.seen())
    assert all("Did you mean `generate`?" in message.text for message in driver.seen())
    assert dispatcher.calls == []


async def test_a_mention_is_answered_in_its_thread(driver: SlackDriver, dispatcher: FakeDispatcher):
    async def answer(_: Call, surface: Surface) -> None:
        await surface.edit(await surface.post("Once"), "Once upon")
        await surface.attach("long.txt", "a time")

    dispatcher.answer = answer
    ts = await driver.slack.mention("hi")
    messages = driver.slack.world.messages
    await until(lambda: len(messages) == 2, "the answer and the file")
    assert [message.thread_ts for message in messages] == [ts, ts]
    assert (messages[0].text, messages[1].file) == ("Once upon", "a time")


async def test_a_direct_message_is_answered_without_a_thread(
    driver: SlackDriver, dispatcher: FakeDispatcher
):
    async def answer(_: Call, surface: Surface) -> None:
        await surface.refuse("no")

    dispatcher.answer = answer
    await driver.slack.direct("hi")
    await until(driver.seen, "the answer")
    (message,) = driver.slack.world.messages
    assert (message.channel, message.thread_ts, message.private_to) == ("DU0ADA", None, None)


async def test_a_private_answer_is_shown_once_it_is_complete(
    driver: SlackDriver, dispatcher: FakeDispatcher
):
    async def answer(_: Call, surface: Surface) -> None:
        await surface.edit(await surface.post("one"), "one two")
        await surface.attach("long.txt", "all of it")
        await surface.refuse("then an error")
        await surface.done()

    dispatcher.answer = answer
    await driver.slack.mention("/help")
    await until(lambda: len(driver.seen()) == 3, "file, text and error")
    file, text, error = driver.slack.world.messages
    assert (file.channel, file.file) == ("DU0ADA", "all of it")
    assert (text.versions, text.private_to) == (["one two"], "U0ADA")
    assert (error.text, error.private_to) == ("then an error", "U0ADA")


async def test_posts_and_edits_say_that_nothing_is_to_be_linked_or_unfurled(
    driver: SlackDriver, dispatcher: FakeDispatcher
):
    async def answer(_: Call, surface: Surface) -> None:
        await surface.edit(await surface.post("<!here> @channel"), "<@U0ADA> @channel")

    dispatcher.answer = answer
    await driver.slack.slash("generate a")
    await until(lambda: asked(driver.slack, "chat.update"), "an edit")
    (post,), (edit,) = asked(driver.slack, "chat.postMessage"), asked(driver.slack, "chat.update")
    for args in (post, edit):
        assert (str(args["link_names"]).lower(), args["parse"]) in {
            ("false", "none"),
            ("0", "none"),
        }
    assert not post["unfurl_links"]
    assert not post["unfurl_media"]
    await until(lambda: driver.seen()[0].text == "<@U0ADA> @channel", "the edit")
    assert not driver.seen()[0].pings


async def test_a_notice_is_a_message_in_whose_place_the_answer_comes(
    driver: SlackDriver, dispatcher: FakeDispatcher
):
    async def answer(call: Call, surface: Surface) -> None:
        await surface.notice("You are number 2.")
        await surface.notice("You are number 1.")
        await surface.post("text")
        await surface.done()

    dispatcher.answer = answer
    await driver.call("generate", {"text": "x"})
    await until(lambda: [one.text for one in driver.seen()] == ["text"], "the text alone")
    (message,) = driver.seen()
    assert message.versions == ("You are number 2.", "You are number 1.", "text")


async def test_a_rate_limit_is_waited_for(driver: SlackDriver, dispatcher: FakeDispatcher):
    async def answer(_: Call, surface: Surface) -> None:
        await surface.edit(await surface.post("one"), "two")

    dispatcher.answer = answer
    driver.slack.api.limited.update({"chat.postMessage": 1, "chat.update": 1})
    await driver.slack.slash("generate a")
    await until(lambda: [m.versions for m in driver.seen()] == [("one", "two")], "both texts")


@pytest.mark.parametrize(
    ("channel", "scope", "sentence"),
    [
        ("C0OTHER", "", "Type /invite"),
        ("G0PRIVATE", "", "Type /invite"),
        ("C0GENERAL", "chat:write", "lacks the scope chat:write"),
    ],
)
async def test_where_the_bot_may_not_write_it_says_what_to_do(
    driver: SlackDriver, dispatcher: FakeDispatcher, channel: str, scope: str, sentence: str
):
    async def answer(_: Call, surface: Surface) -> None:
        with pytest.raises(UserError) as caught:
            await surface.post("text")
        await surface.refuse(str(caught.value))

    dispatcher.answer = answer
    driver.slack.api.scopes.discard(scope)
    await driver.slack.slash("generate a", channel=channel)
    await until(driver.seen, "the sentence")
    (message,) = driver.seen()
    assert sentence in message.text
    assert message.private


# The connection.


async def test_slack_may_ask_to_connect_anew(driver: SlackDriver, dispatcher: FakeDispatcher):
    (first,) = driver.slack.socket_mode.sockets
    await driver.slack.socket_mode.refresh()
    await until(lambda: driver.slack.socket_mode.sockets not in ([], [first]), "a new connection")
    await driver.slack.slash("generate a")
    await nth_call(dispatcher)
    assert driver.platform.ready


async def test_a_connection_lost_for_good_ends_serving_so_that_it_is_begun_anew(
    dispatcher: FakeDispatcher, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(connection, "_CHECK", 0.01)
    monkeypatch.setattr(connection, "_LOST", 0.1)
    async with running_slack(dispatcher) as driver:
        driver.slack.api.revoked.update(SECRETS.values())
        await driver.slack.socket_mode.close()
        with pytest.raises(ConnectionError, match="no connection to Slack"):
            await driver.serving
        assert not driver.platform.ready


async def test_stopping_ends_what_runs_and_leaves_nothing_behind(
    driver: SlackDriver, dispatcher: FakeDispatcher
):
    ended = asyncio.Event()

    async def answer(_: Call, surface: Surface) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await surface.post("cut short")
            ended.set()

    dispatcher.answer = answer
    await driver.slack.slash("generate a")
    await nth_call(dispatcher)
    await driver.stop()
    assert ended.is_set()
    assert [message.text for message in driver.seen()] == ["cut short"]
    assert not driver.platform.ready
    await until(lambda: not driver.slack.socket_mode.sockets, "the end of the connection")


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)


@pytest.mark.usefixtures("secrets")
@pytest.mark.parametrize("name", ["TEST_SLACK_BOT_TOKEN", "TEST_SLACK_APP_TOKEN"])
async def test_a_refused_token_is_a_sentence_that_names_its_place_and_not_the_token(
    dispatcher: FakeDispatcher, name: str
):
    async with FakeSlack() as slack:
        slack.api.revoked.add(SECRETS[name])
        with pytest.raises(UserError) as caught:
            await SlackPlatform(slack_config(slack), dispatcher).serve()
    assert name in str(caught.value)
    assert SECRETS[name] not in str(caught.value)


@pytest.mark.usefixtures("secrets")
async def test_missing_scopes_are_named_at_the_start(dispatcher: FakeDispatcher):
    async with FakeSlack() as slack:
        slack.api.scopes -= {"users:read", "files:write"}
        with pytest.raises(UserError, match="lacks the scopes files:write, users:read"):
            await SlackPlatform(slack_config(slack), dispatcher).serve()


@pytest.mark.usefixtures("secrets")
async def test_a_taken_port_is_a_sentence(dispatcher: FakeDispatcher, over_http: SlackDriver):
    taken = int(str(over_http.platform.url).split(":")[2].split("/")[0])
    config = slack_config(over_http.slack, "http", taken)
    with pytest.raises(UserError, match=rf"port {taken}"):
        await SlackPlatform(config, dispatcher).serve()


async def test_no_secret_is_ever_logged(
    dispatcher: FakeDispatcher, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    for mode in ("socket", "http"):
        async with running_slack(dispatcher, mode) as driver:
            await driver.slack.slash("generate a")
    await nth_call(dispatcher, 2)
    assert "slack" in caplog.text
    assert not [secret for secret in SECRETS.values() if secret in caplog.text]


# Signed HTTP.


COMMAND = "text=generate+x&channel_id=C0GENERAL&user_id=U0ADA&team_id=T0FAKE&trigger_id=T1"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (COMMAND, {}),
        (COMMAND, signature("something else")),
        (COMMAND, signature(COMMAND, str(int(time.time()) - 600))),
        (COMMAND, signature(COMMAND) | {"X-Slack-Request-Timestamp": "yesterday"}),
        (COMMAND, signature(COMMAND, "²")),
        (COMMAND, signature(COMMAND) | {"X-Slack-Signature": "v0=é"}),
        (b"\xff\xfe", signature("")),
    ],
    ids=["unsigned", "wrong", "stale", "no-number", "odd-digit", "not-ascii", "not-utf-8"],
)
async def test_a_request_that_slack_did_not_sign_is_refused(
    over_http: SlackDriver,
    dispatcher: FakeDispatcher,
    body: str | bytes,
    headers: dict[str, str],
):
    post = SignedHttp(str(over_http.platform.url)).post
    assert (await post(body, FORM | headers))[0] == 401
    await over_http.slack.slash("generate still here")
    await nth_call(dispatcher)
    assert [call.options["text"] for call in dispatcher.calls] == ["still here"]


@pytest.mark.parametrize("body", ["{", "[1]", "null", '"x"'])
async def test_signed_nonsense_is_refused(over_http: SlackDriver, body: str):
    post = SignedHttp(str(over_http.platform.url)).post
    assert (await post(body, JSON | signature(body)))[0] == 400


async def test_slack_can_verify_the_request_url(over_http: SlackDriver):
    body = json.dumps({"type": "url_verification", "challenge": "3eZbrw1aB", "token": "x"})
    post = SignedHttp(str(over_http.platform.url)).post
    status, answer = await post(body, JSON | signature(body))
    assert status == 200
    assert "3eZbrw1aB" in answer


def test_the_manifest_for_admins_asks_for_the_scopes_that_the_bot_needs():
    manual = Path(__file__).parents[2] / "docs" / "admins" / "slack.md"
    manifest = manual.read_text(encoding="utf-8").partition("```yaml")[2].partition("```")[0]
    listed = manifest.partition("    bot:\n")[2].partition("settings:")[0]
    assert [line.strip(" -") for line in listed.splitlines()] == sorted(SCOPES)
