"""The JSON objects that Discord sends, with every field that its OpenAPI document requires."""

from datetime import UTC, datetime

from tests.fakes.fake_discord.world import EPHEMERAL, LOADING, Channel, Json, Message, Person, World

MANAGE_GUILD = 1 << 5
TALK = (1 << 10) | (1 << 11) | (1 << 31)
"""View channels, send messages, use application commands."""


def now() -> str:
    return datetime.now(UTC).isoformat()


def permissions(person: Person) -> str:
    return str(TALK | (MANAGE_GUILD if person.admin else 0))


def user(person: Person) -> Json:
    return {
        "id": person.id,
        "username": person.name,
        "global_name": None,
        "discriminator": "0",
        "avatar": None,
        "public_flags": 0,
        "flags": 0,
        "primary_guild": None,
        "bot": person.bot,
    }


def own_user(world: World) -> Json:
    return {**user(world.bot), "mfa_enabled": False, "locale": "en-US", "verified": True}


def member(person: Person) -> Json:
    return {
        "roles": [],
        "joined_at": now(),
        "deaf": False,
        "mute": False,
        "flags": 0,
        "nick": None,
        "avatar": None,
        "premium_since": None,
        "pending": False,
        "communication_disabled_until": None,
    }


def application(world: World) -> Json:
    return {
        "id": world.application,
        "name": "chinwag",
        "icon": None,
        "description": "",
        "type": None,
        "verify_key": "0" * 64,
        "flags": 0,
        "flags_new": "0",
        "bot_public": True,
        "bot_require_code_grant": False,
        "redirect_uris": [],
        "interactions_endpoint_url": None,
        "role_connections_verification_url": None,
        "owner": user(world.owner),
        "approximate_guild_count": 1,
        "approximate_user_install_count": 0,
        "approximate_user_authorization_count": 0,
        "explicit_content_filter": 0,
        "team": None,
        "eligible_oauth2_scopes": [],
    }


def channel(world: World, one: Channel) -> Json:
    payload: Json = {"id": one.id, "type": one.type, "name": one.name, "parent_id": one.parent}
    if one.type == 1:
        return {"id": one.id, "type": 1, "recipients": [], "last_message_id": None}
    payload |= {"guild_id": world.guild, "position": 0, "permission_overwrites": [], "nsfw": False}
    if one.type == 11:
        payload |= {
            "owner_id": world.bot.id,
            "message_count": 0,
            "member_count": 1,
            "rate_limit_per_user": 0,
            "thread_metadata": {
                "archived": False,
                "auto_archive_duration": 1440,
                "archive_timestamp": now(),
                "locked": False,
            },
        }
    return payload


def guild(world: World) -> Json:
    everyone = {
        "id": world.guild,
        "name": "@everyone",
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "position": 0,
        "permissions": str(TALK),
        "managed": False,
        "mentionable": False,
        "flags": 0,
    }
    inside = [one for one in world.channels.values() if one.type != 1]
    return {
        "id": world.guild,
        "name": "The Common Room",
        "owner_id": world.owner.id,
        "roles": [everyone],
        "emojis": [],
        "features": [],
        "member_count": 4,
        "members": [{**member(world.bot), "user": user(world.bot)}],
        "channels": [channel(world, one) for one in inside if one.type != 11],
        "threads": [channel(world, one) for one in inside if one.type == 11],
        "unavailable": False,
    }


def message(world: World, one: Message) -> Json:
    flags = (EPHEMERAL if one.ephemeral else 0) | (LOADING if one.loading else 0)
    payload: Json = {
        "id": one.id,
        "type": 19 if one.reply_to else 0,
        "channel_id": one.channel,
        "author": user(one.author),
        "content": one.content,
        "timestamp": now(),
        "edited_timestamp": now() if len(one.versions) > 1 else None,
        "tts": False,
        "mention_everyone": False,
        "mentions": [user(p) for p in mentioned(world, one)],
        "mention_roles": [],
        "attachments": [],
        "embeds": [],
        "components": [],
        "pinned": False,
        "flags": flags,
    }
    if one.file_name is not None and one.file is not None:
        url = f"https://cdn.example/{one.id}/{one.file_name}"
        payload["attachments"] = [
            {
                "id": one.id,
                "filename": one.file_name,
                "size": len(one.file.encode()),
                "url": url,
                "proxy_url": url,
            }
        ]
    if one.reply_to:
        payload["message_reference"] = {
            "type": 0,
            "channel_id": one.channel,
            "message_id": one.reply_to,
        }
    return payload


def mentioned(world: World, one: Message) -> list[Person]:
    people = [*world.people.values(), world.bot]
    named = [p for p in people if f"<@{p.id}>" in one.content or f"<@!{p.id}>" in one.content]
    replied = world.message(one.reply_to) if one.reply_to else None
    return named + ([replied.author] if replied and replied.author not in named else [])


def command(world: World, registered: Json, version: str) -> Json:
    """A registered command as Discord returns it."""
    allowed = registered.get("default_member_permissions")
    return {
        **registered,
        "id": registered["id"],
        "type": registered.get("type", 1),
        "application_id": world.application,
        "version": version,
        "description": registered.get("description", ""),
        "default_member_permissions": None if allowed is None else str(allowed),
    }
