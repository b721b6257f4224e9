"""Slack's markup: what people typed out of what Slack hands over, and text safe to send.

Only `&`, `<` and `>` are control characters, and the only ones to be escaped
(docs.slack.dev/messaging/formatting-message-text).
"""

import re

# Only what Slack itself makes: brackets that a person typed are escaped, where Slack escapes.
_CONTROL = re.compile(r"<((?:@[UW]|#[CG]|![a-z]|[a-z][a-z0-9+.-]*:)[^<>]*)>")


def to_slack(text: str) -> str:
    """Escape a text so that Slack shows it as it is: no links, no mentions, nobody notified."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def from_slack(raw: str) -> str:
    """Read what Slack hands over: links and mentions as people see them, escapes undone."""
    text = _CONTROL.sub(_as_seen, raw)
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def after_mention(raw: str, bot_user: str) -> str:
    """The raw text behind the mention of the bot, or before it where nothing follows."""
    mention = re.search(rf"<@{re.escape(bot_user)}(?:\|[^<>]*)?>[:,]?", raw)
    if mention is None:
        return raw
    return raw[mention.end() :].strip() or raw[: mention.start()].strip()


def length(text: str) -> int:
    """UTF-16 units once escaped: Slack does not say how it counts, and this is the longest way."""
    return len(to_slack(text).encode("utf-16-le", "surrogatepass")) // 2


def _as_seen(control: re.Match[str]) -> str:
    """`<@U1|ada>` is seen as `@ada`, `<!here>` as `@here`, `<https://a.example|a>` as `a`."""
    target, _, label = control[1].partition("|")
    if target[0] in "@#":
        return target[0] + (label.removeprefix(target[0]) or target[1:])
    if target[0] == "!":
        return label or "@" + target[1:]
    return label or target
