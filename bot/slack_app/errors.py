"""Slack's errors that somebody can do something about, as sentences."""

from slack_sdk.errors import SlackApiError

from backends import UserError

_TOKEN_ERRORS = {
    "account_inactive",
    "invalid_auth",
    "not_allowed_token_type",
    "not_authed",
    "token_expired",
    "token_revoked",
}
_PLACE_ERRORS = {"channel_not_found", "not_in_channel", "user_not_in_channel"}


def slack_error(error: SlackApiError) -> str:
    """The short name of what went wrong, such as `missing_scope`."""
    return str(_answer(error, "error"))


def is_out_of_place(error: SlackApiError) -> bool:
    """Whether the bot may not write there because it is not a member."""
    return slack_error(error) in _PLACE_ERRORS


def refused_token(error: SlackApiError, kind: str, place: object) -> UserError | None:
    """The sentence for a token that Slack does not take; `None` for any other error.

    `place` is where the token is kept, never the token.
    """
    if slack_error(error) not in _TOKEN_ERRORS:
        return None
    return UserError(
        f"Slack refuses the {kind} in {place} ({slack_error(error)}). "
        "Copy it again from the app's page at api.slack.com/apps and start again."
    )


def sentence(error: SlackApiError) -> UserError | None:
    """What a user or an admin can do about it; `None` where nobody can."""
    if slack_error(error) == "missing_scope":
        return missing_scopes([str(_answer(error, "needed"))])
    if is_out_of_place(error):
        return UserError("I am not in this channel. Type /invite @ and my name, then ask again.")
    return None


def missing_scopes(scopes: list[str]) -> UserError:
    """The sentence for scopes that the app was not given."""
    return UserError(
        f"The Slack app lacks {'the scope' if len(scopes) == 1 else 'the scopes'} "
        f"{', '.join(scopes)}. Add what is missing under OAuth & Permissions at "
        "api.slack.com/apps, and install the app to the workspace again."
    )


def _answer(error: SlackApiError, key: str) -> object:
    return error.response.get(key, "")  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType] - the SDK leaves it untyped
