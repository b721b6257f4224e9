"""The methods of the fake's Web API that a bot calls, with Slack's errors."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.fake_slack.world import BOT_ID, BOT_USER, TEAM, Message, Workspace

BOT_TOKEN = "xoxb-fake-bot-token"  # noqa: S105 - the fake's own, worth nothing elsewhere
APP_TOKEN = "xapp-fake-app-token"  # noqa: S105 - the fake's own, worth nothing elsewhere
UPDATE_LIMIT = 4_000
POST_LIMIT = 40_000

NEEDED = {
    "users.info": "users:read",
    "chat.postMessage": "chat:write",
    "chat.update": "chat:write",
    "chat.delete": "chat:write",
    "chat.postEphemeral": "chat:write",
    "conversations.open": "im:write",
    "files.getUploadURLExternal": "files:write",
    "files.completeUploadExternal": "files:write",
}
"""The scope that a method needs; the others need none."""


class ApiError(Exception):
    """An answer with `ok: false`."""

    def __init__(self, error: str, **details: str) -> None:
        super().__init__(error)
        self.answer = {"ok": False, "error": error, **details}


@dataclass
class WebApi:
    """Answers calls on a workspace. `asked` keeps every call, refused ones included."""

    world: Workspace
    base_url: str = ""
    scopes: set[str] = field(
        default_factory=lambda: {
            "app_mentions:read", "chat:write", "commands", "files:write", "im:history",
            "im:write", "users:read",
        }
    )  # fmt: skip
    revoked: set[str] = field(default_factory=set[str])
    """Tokens that are no longer taken."""
    limited: Counter[str] = field(default_factory=Counter[str])
    """How many of a method's next calls are answered with 429."""
    asked: list[tuple[str, Mapping[str, Any]]] = field(
        default_factory=list[tuple[str, Mapping[str, Any]]]
    )
    uploads: dict[str, str] = field(default_factory=dict[str, str])

    def answer(self, method: str, token: str, args: Mapping[str, Any]) -> dict[str, Any]:
        """Run a method. Raises `ApiError`."""
        self.asked.append((method, args))
        expected = APP_TOKEN if method == "apps.connections.open" else BOT_TOKEN
        if token in self.revoked:
            raise ApiError("token_revoked")
        if token != expected:
            raise ApiError("invalid_auth")
        if (scope := NEEDED.get(method)) and scope not in self.scopes:
            raise ApiError("missing_scope", needed=scope, provided=",".join(sorted(self.scopes)))
        if (handler := self._methods().get(method)) is None:
            raise ApiError("unknown_method")
        return {"ok": True, **handler(args)}

    def _methods(self) -> Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]]:
        return {
            "auth.test": self._auth_test,
            "apps.connections.open": self._connections_open,
            "users.info": self._users_info,
            "chat.postMessage": self._post,
            "chat.update": self._update,
            "chat.delete": self._delete,
            "chat.postEphemeral": self._post_ephemeral,
            "conversations.open": self._open,
            "files.getUploadURLExternal": self._upload_url,
            "files.completeUploadExternal": self._complete_upload,
        }

    def _auth_test(self, _: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "url": "https://fake.slack.com/",
            "team": "Fake",
            "user": "chinwag",
            "team_id": TEAM,
            "user_id": BOT_USER,
            "bot_id": BOT_ID,
            "is_enterprise_install": False,
        }

    def _connections_open(self, _: Mapping[str, Any]) -> dict[str, Any]:
        return {"url": self.base_url.replace("http:", "ws:") + "/link?ticket=1"}

    def _users_info(self, args: Mapping[str, Any]) -> dict[str, Any]:
        person = self.world.people.get(args["user"])
        if person is None:
            raise ApiError("user_not_found")
        profile = {"display_name": person.name, "real_name": person.name.title()}
        return {
            "user": {
                "id": person.id,
                "team_id": TEAM,
                "name": person.name,
                "profile": profile,
                "is_admin": person.is_admin,
                "is_owner": False,
                "is_bot": False,
            }
        }

    def _post(self, args: Mapping[str, Any]) -> dict[str, Any]:
        self._check_place(args["channel"])
        message = self._show(args, private_to=None)
        return {"channel": message.channel, "ts": message.ts, "message": {"text": message.raw}}

    def _post_ephemeral(self, args: Mapping[str, Any]) -> dict[str, Any]:
        self._check_place(args["channel"])
        return {"message_ts": self._show(args, private_to=args["user"]).ts}

    def _update(self, args: Mapping[str, Any]) -> dict[str, Any]:
        message = self.world.find(args["channel"], args["ts"])
        if message is None:
            raise ApiError("message_not_found")
        text = self._checked_text(args, UPDATE_LIMIT, "msg_too_long")
        message.write(text, **_parsing(args))
        return {"channel": message.channel, "ts": message.ts, "text": text}

    def _delete(self, args: Mapping[str, Any]) -> dict[str, Any]:
        message = self.world.find(args["channel"], args["ts"])
        if message is None:
            raise ApiError("message_not_found")
        self.world.messages.remove(message)
        return {"channel": message.channel, "ts": message.ts}

    def _open(self, args: Mapping[str, Any]) -> dict[str, Any]:
        return {"channel": {"id": "D" + args["users"]}}

    def _upload_url(self, args: Mapping[str, Any]) -> dict[str, Any]:
        file_id = f"F{len(self.uploads)}"
        self.uploads[file_id] = ""
        return {"upload_url": f"{self.base_url}/upload/{file_id}", "file_id": file_id}

    def _complete_upload(self, args: Mapping[str, Any]) -> dict[str, Any]:
        files = json.loads(args["files"])
        self._check_place(args["channel_id"])
        for file in files:
            message = Message(
                args["channel_id"],
                self.world.next_ts(),
                "",
                thread_ts=args.get("thread_ts"),
                file=self.uploads.pop(file["id"]),
            )
            self.world.messages.append(message)
        return {"files": [{"id": file["id"], "title": file["title"]} for file in files]}

    def _check_place(self, channel: str) -> None:
        if channel not in self.world.joined and not channel.startswith("D"):
            raise ApiError("not_in_channel" if channel.startswith("C") else "channel_not_found")

    def _checked_text(self, args: Mapping[str, Any], limit: int, error: str) -> str:
        text = args.get("text") or ""
        if not text.strip():
            raise ApiError("no_text")
        if len(text) > limit:
            raise ApiError(error)
        return text

    def _show(self, args: Mapping[str, Any], private_to: str | None) -> Message:
        text = self._checked_text(args, POST_LIMIT, "msg_too_long")
        message = Message(
            args["channel"],
            self.world.next_ts(),
            text,
            thread_ts=args.get("thread_ts"),
            private_to=private_to,
        )
        message.write(text, **_parsing(args))
        self.world.messages.append(message)
        return message


def _parsing(args: Mapping[str, Any]) -> dict[str, Any]:
    """What decides whether plain names are linked; arguments come as JSON, form or query."""
    link_names = str(args.get("link_names", "")).lower() in {"true", "1"}
    return {"link_names": link_names, "parse": args.get("parse", "none")}
