"""Slack does what every platform must do, by websocket and by signed HTTP."""

from contextlib import AbstractAsyncContextManager

from bot.platform import Dispatcher
from tests.bot.slack_driver import SlackDriver, running_slack
from tests.contract import PlatformContract


class TestSlackOverSocketMode(PlatformContract):
    def start(self, dispatcher: Dispatcher) -> AbstractAsyncContextManager[SlackDriver]:
        return running_slack(dispatcher, "socket")


class TestSlackOverSignedHttp(PlatformContract):
    def start(self, dispatcher: Dispatcher) -> AbstractAsyncContextManager[SlackDriver]:
        return running_slack(dispatcher, "http")
