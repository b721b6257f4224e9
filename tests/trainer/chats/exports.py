"""Write chat exports in the platforms' own forms."""

import json
import zipfile
from pathlib import Path
from typing import Any

ADA = {"id": "1", "name": "ada", "nickname": "Ada L", "isBot": False}
BOB = {"id": "2", "name": "bob", "nickname": "Bob", "isBot": False}
BOT = {"id": "3", "name": "beep", "nickname": "beep", "isBot": True}


def said(author: dict[str, Any], content: str, minute: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "id": "9", "type": "Default", "timestamp": f"2024-01-02T03:{minute:02}:00.123+00:00",
        "timestampEdited": None, "isPinned": False, "content": content, "author": author,
        "attachments": [], "embeds": [], "reactions": [], "mentions": [],
    } | more  # fmt: skip


def discord(path: Path, *messages: Any) -> Path:
    export = {
        "guild": {"id": "7", "name": "Lab"},
        "channel": {"id": "8", "type": "GuildTextChat", "name": "talk", "topic": None},
        "dateRange": {"after": None, "before": None},
        "messages": messages,
        "messageCount": len(messages),
    }
    path.write_text(json.dumps(export, indent=2), encoding="utf-8")
    return path


def slack(path: Path, users: Any, days: dict[str, Any]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("users.json", json.dumps(users))
        archive.writestr("channels.json", "[]")
        for name, messages in days.items():
            archive.writestr(name, json.dumps(messages))
    return path
