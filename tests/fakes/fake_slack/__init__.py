"""A Slack on the loopback address: Web API, Socket Mode, signed HTTP, people who type and look.

`FakeSlack` is the service, `Message` what its users see. It keeps Slack's rules that matter to a
bot: tokens and scopes, 4,000 characters an update, no posting where the bot is not a member, five
answers to a `response_url`, rate limits on demand, redelivered events, and what notifies people.
"""

from tests.fakes.fake_slack.service import FakeSlack
from tests.fakes.fake_slack.world import BOT_USER, Message

__all__ = ["BOT_USER", "FakeSlack", "Message"]
