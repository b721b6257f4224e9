"""What Slack tells an app: a slash command, a mention, a direct message (docs.slack.dev)."""

from typing import Any

from tests.fakes.fake_slack.world import BOT_USER, TEAM, Person


def slash_command(
    text: str, *, by: Person, channel: str, trigger: str, response_url: str
) -> dict[str, str]:
    """The form fields of a slash command."""
    return {
        "token": "legacy-verification-token",
        "team_id": TEAM,
        "team_domain": "fake",
        "channel_id": channel,
        "channel_name": "directmessage" if channel.startswith("D") else channel[2:].lower(),
        "user_id": by.id,
        "user_name": by.name,
        "command": "/chinwag",
        "text": text,
        "api_app_id": "A0FAKE",
        "is_enterprise_install": "false",
        "response_url": response_url,
        "trigger_id": trigger,
    }


def mention(
    raw: str, *, by: Person, channel: str, ts: str, thread_ts: str | None = None
) -> dict[str, Any]:
    """The inner event of a message that names the bot. `raw` holds `<@U0BOT>`."""
    event = {
        "type": "app_mention",
        "user": by.id,
        "text": raw,
        "ts": ts,
        "team": TEAM,
        "channel": channel,
        "event_ts": ts,
    }
    return event | ({"thread_ts": thread_ts} if thread_ts else {})


def message(
    raw: str, *, by: Person, channel: str, ts: str, thread_ts: str | None = None, **more: Any
) -> dict[str, Any]:
    """The inner event of any message, in a direct conversation or a channel."""
    kind = "im" if channel.startswith("D") else "channel"
    event = mention(raw, by=by, channel=channel, ts=ts, thread_ts=thread_ts)
    return event | {"type": "message", "channel_type": kind} | more


def event_callback(event: dict[str, Any], event_id: str) -> dict[str, Any]:
    """The envelope of the Events API around an inner event."""
    return {
        "token": "legacy-verification-token",
        "team_id": TEAM,
        "api_app_id": "A0FAKE",
        "event": event,
        "type": "event_callback",
        "event_id": event_id,
        "event_time": 1_700_000_000,
        "authorizations": [
            {
                "enterprise_id": None,
                "team_id": TEAM,
                "user_id": BOT_USER,
                "is_bot": True,
                "is_enterprise_install": False,
            }
        ],
    }
