"""A Discord on the loopback address: REST and gateway, with people who type and look.

`FakeDiscord` is the service, `Message` what its users see. It keeps Discord's rules that matter to
a bot: 2,000 characters a message, one first response to an interaction, the first follow-up takes
the place of a deferred answer, an edit without allowed mentions pings, and what a bot without the
Message Content intent gets to read.
"""

from tests.fakes.fake_discord.service import FakeDiscord
from tests.fakes.fake_discord.world import Interaction, Message, Person

__all__ = ["FakeDiscord", "Interaction", "Message", "Person"]
