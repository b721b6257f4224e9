"""The page in a real browser, before the real router."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from bot.config import WebConfig
from tests.bot.web.driver import driving
from tests.contract import CONFIG, numbered
from tests.core import running_core

pytestmark = pytest.mark.asyncio(loop_scope="module")  # one browser serves them all

CHANNELS = {"ask": {"topic": "short questions"}, "stage": {}, "lab": {"examples": ["try this"]}}


@asynccontextmanager
async def served(folder: Path, **more: object) -> AsyncIterator[str]:
    """The address of a bot whose data lies in `folder`."""
    web = WebConfig.model_validate({"port": 0, "channels": CHANNELS})
    async with (
        running_core(folder, {**CONFIG, **more}) as core,
        driving(core.router, core.settings.at, web) as driver,
    ):
        yield driver.address


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser, tmp_path: Path) -> AsyncIterator[Page]:
    async with served(tmp_path) as address:
        page = await browser.new_page()
        await page.goto(address)
        await expect(page.locator("#channel-name")).to_have_text("ask")
        yield page
        await page.close()


async def say(page: Page, line: str) -> None:
    """Type a line and send it, whatever is proposed meanwhile."""
    await page.fill("#input", line)
    await page.press("#input", "Escape")
    await page.press("#input", "Enter")


def texts(page: Page) -> Any:
    return page.locator(".message .text")


def chosen(page: Page) -> Any:
    """The proposal that Enter takes, once the list is that of the newest text."""
    return page.locator("#proposals[aria-busy=false] [aria-selected=true] b")


@pytest.mark.parametrize("channel", CHANNELS)
async def test_generate_answers_in_every_channel(page: Page, channel: str):
    await page.click(f"#channels >> text={channel}")
    await expect(page.locator("#channel-name")).to_have_text(channel)
    await say(page, "/generate one two three")
    await expect(texts(page)).to_have_text(["one two three"])


async def test_text_is_seen_to_stream_in(page: Page):
    text = numbered("w", 500)
    await say(page, f"/generate --model slow -- {text}")
    await expect(texts(page)).to_contain_text("w00001")
    assert await page.locator(".exchange").get_attribute("data-state") == "running"
    await expect(page.locator(".exchange")).to_have_attribute("data-state", "done")
    await expect(texts(page)).to_have_text([text])


async def test_one_who_waits_sees_the_place_in_the_line_until_the_text_comes(
    browser: Browser, tmp_path: Path
):
    async with served(tmp_path, limits={"concurrent": 1}) as address:
        first, page = await browser.new_page(), await browser.new_page()
        for one in (first, page):
            await one.goto(address)
        await say(first, f"/generate --model slow -- {numbered('w', 10_000)}")
        await expect(texts(first)).to_contain_text("w00001")
        await say(page, "/generate --model slow -- after it")
        notice = page.locator(".standing")
        await expect(notice).to_have_text("You are number 1 in the line.")
        await first.close()
        await expect(texts(page)).to_have_text(["after it"])
        await expect(notice).to_be_hidden()
        await page.close()


async def test_a_slash_lists_the_commands_and_escape_closes_the_list(page: Page):
    await page.locator("#input").press_sequentially("/")
    names = page.locator("#proposals [role=option] b")
    await expect(names.filter(has_text="generate")).to_be_visible()
    await expect(names.filter(has_text="settings set")).to_have_count(1)
    await expect(page.locator("#input")).to_have_attribute("aria-expanded", "true")
    await page.press("#input", "Escape")
    await expect(page.locator("#proposals")).to_be_hidden()


async def test_a_command_is_completed_and_shows_its_options_by_keyboard_alone(page: Page):
    await page.locator("#input").press_sequentially("/gen")
    await expect(chosen(page)).to_have_text("/generate")
    await page.press("#input", "Tab")
    await expect(page.locator("#input")).to_have_value("/generate ")
    options = page.locator("#proposals [role=option]")
    await expect(options.filter(has_text="temperature")).to_contain_text("0–5")


async def test_models_are_proposed_for_the_option_that_takes_one(page: Page):
    await page.locator("#input").press_sequentially("/generate model=s")
    await expect(page.locator("#proposals [role=option] b")).to_have_text(["slow"])


async def test_escape_stops_a_running_text_and_keeps_it(page: Page):
    await say(page, f"/generate --model slow -- {numbered('w', 1900)}")
    await expect(texts(page)).to_contain_text("w00003")
    await page.press("#input", "Escape")
    await expect(page.locator(".exchange")).to_have_attribute("data-state", "stopped")
    await expect(texts(page)).to_contain_text("w00003")


async def test_a_setting_shows_in_the_head_and_stays_after_a_restart(
    browser: Browser, tmp_path: Path
):
    for change in ("/settings set temperature 1.25", None):
        async with served(tmp_path) as address:
            page = await browser.new_page()
            await page.goto(address)
            if change:
                await say(page, change)
            await expect(page.locator("#settings")).to_contain_text("temperature 1.25")
            await page.close()


async def test_a_wrong_value_is_a_private_note(page: Page):
    await say(page, "/settings set temperature hot")
    await expect(page.locator(".refusal")).to_contain_text("between 0 and 5")
    await expect(page.locator(".refusal")).to_contain_text("Only you see this")


async def test_text_is_never_read_as_html(page: Page):
    hostile = "<img src=x onerror=alert(1)> <b>bold</b> @everyone"
    page.on("dialog", lambda _: pytest.fail("a script ran"))
    await say(page, hostile)
    await expect(texts(page)).to_have_text([hostile])
    assert await page.locator("#timeline img, #timeline .text b").count() == 0


async def test_several_texts_are_several_messages(page: Page):
    await say(page, "/generate n=3 again")
    await expect(texts(page)).to_have_text(["again"] * 3)


async def test_up_recalls_the_last_line(page: Page):
    await say(page, "the last line")
    await expect(texts(page)).to_have_count(1)
    await page.press("#input", "ArrowUp")
    await expect(page.locator("#input")).to_have_value("the last line")


async def test_a_conversation_stays_after_a_reload(page: Page):
    await say(page, "remember me")
    await expect(page.locator(".exchange")).to_have_attribute("data-state", "done")
    await page.reload()
    await expect(texts(page)).to_have_text(["remember me"])


async def test_an_example_of_an_empty_channel_goes_into_the_message_box(page: Page):
    await page.click("#channels >> text=lab")
    await page.click("text=try this")
    await expect(page.locator("#input")).to_have_value("try this")


async def test_a_phone_shows_it_all_without_scrolling_sideways(browser: Browser, tmp_path: Path):
    async with served(tmp_path) as address:
        page = await browser.new_page(viewport={"width": 360, "height": 640})
        await page.goto(address)
        await say(page, "/generate " + "averylongwordwithoutend" * 20)
        await expect(texts(page)).to_have_count(1)
        widths = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert widths == [360, 360]
        await expect(page.locator("#input")).to_be_in_viewport()
        await page.close()


async def test_the_theme_can_be_changed_and_is_kept(page: Page):
    before = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    await page.click("#theme")
    after = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    await page.reload()
    kept = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert before != after == kept


async def test_every_control_has_a_name_and_no_script_fails(page: Page):
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda one: problems.append(one.text) if one.type == "error" else None)
    await page.reload()
    await say(page, "/help")
    await expect(texts(page)).to_have_count(1)
    nameless = await page.evaluate(
        "[...document.querySelectorAll('button, a, input, textarea')].filter(one =>"
        " !(one.innerText.trim() || one.labels?.length || one.ariaLabel || one.hidden))"
        ".map(one => one.outerHTML)"
    )
    assert (problems, nameless) == ([], [])


async def test_what_is_too_much_for_messages_can_be_downloaded(page: Page):
    await say(page, "/generate n=30 again")
    await expect(texts(page)).to_have_count(20)
    async with page.expect_download() as download:
        await page.click("a.file")
    path = await (await download.value).path()
    assert path.read_text(encoding="utf-8").count("again") == 30


async def test_the_stop_button_is_there_while_a_text_is_written(page: Page):
    await say(page, f"/generate --model slow -- {numbered('w', 1900)}")
    await expect(page.locator("#send")).to_have_text("Stop")
    await expect(texts(page)).to_contain_text("w00001")
    await page.click("#send")
    await expect(page.locator(".exchange")).to_have_attribute("data-state", "stopped")
    await expect(page.locator("#send")).to_have_text("Send")


async def test_a_setting_is_changed_with_the_keyboard_alone(page: Page):
    box = page.locator("#input")
    await box.press_sequentially("/settings se")
    await expect(chosen(page)).to_have_text("/settings set")
    await box.press("Enter")
    await box.press_sequentially("temp")
    await expect(chosen(page)).to_have_text("temperature")
    await box.press("Enter")
    await expect(box).to_have_value("/settings set temperature ")
    await box.press_sequentially("1.5")
    await box.press("Enter")
    await expect(page.locator("#settings")).to_contain_text("temperature 1.5")


async def test_a_list_of_an_older_text_never_replaces_what_was_typed_since(page: Page):
    box = page.locator("#input")
    await box.press_sequentially("/settings set temp")
    await expect(chosen(page)).to_have_text("temperature")
    await page.route("**/api/complete", lambda _: None)  # further proposals never come
    await box.press_sequentially("erature 1.5")
    await box.press("Enter")
    await expect(page.locator("#settings")).to_contain_text("temperature 1.5")
    await page.unroute_all(behavior="ignoreErrors")
