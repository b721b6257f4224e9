"""What must survive a restart: admins' settings, opt-outs, and which events were handled.

SQLite in WAL with synchronous=FULL: what was acknowledged is on the disk. One process uses a
database at a time (`bot.data_dir` sees to that), through one connection.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import DatabaseError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from backends import UserError, Value
from plugins.vocabulary import Scope

SCHEMA = 2
"""The version of the tables below, kept in SQLite's `user_version`."""

_REDELIVERY = timedelta(hours=2)
"""How long an event is remembered: longer than Slack, the most patient one, delivers it again."""

_PATIENCE = 30
"""Seconds to wait for the one connection; a transaction takes milliseconds."""

_tables = sa.MetaData()

_settings = sa.Table(
    "settings",
    _tables,
    sa.Column("platform", sa.Text, primary_key=True),
    sa.Column("scope", sa.Text, primary_key=True),
    sa.Column("place", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False, comment="JSON, so that a type stays what it is"),
    sa.Column("set_by", sa.Text, nullable=False),
    sa.Column("set_at", sa.DateTime, nullable=False, comment="UTC"),
)

_claims = sa.Table(
    "claims",
    _tables,
    sa.Column("event", sa.Text, primary_key=True),
    sa.Column("claimed_at", sa.DateTime, nullable=False, index=True, comment="UTC"),
)

_optouts = sa.Table(
    "optouts",
    _tables,
    sa.Column("platform", sa.Text, primary_key=True),
    sa.Column("user", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
)
"""Since schema 2; `create_all` adds it to a database of schema 1."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stored value counts."""

    platform: str
    scope: Scope
    id: str


@dataclass(frozen=True, slots=True)
class Stored:
    """A value that an admin set for a place."""

    place: Place
    key: str
    value: Value
    set_by: str
    set_at: datetime
    """In UTC."""


class Store:
    """The database, open."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._under_way: set[asyncio.Task[Sequence[Any]]] = set()

    async def settings(self, places: Sequence[Place]) -> list[Stored]:
        """All values stored for any of these places."""
        columns = sa.tuple_(_settings.c.platform, _settings.c.scope, _settings.c.place)
        wanted = columns.in_([(place.platform, place.scope, place.id) for place in places])
        rows = await self._transaction(sa.select(_settings).where(wanted))
        return [_stored(row) for row in rows]

    async def set(self, stored: Stored) -> None:
        """Store a value; on the disk when this returns."""
        place = stored.place
        row = {
            "platform": place.platform,
            "scope": place.scope,
            "place": place.id,
            "key": stored.key,
            "value": json.dumps(stored.value),
            "set_by": stored.set_by,
            "set_at": stored.set_at.astimezone(UTC).replace(tzinfo=None),
        }
        await self._transaction(
            insert(_settings)
            .values(row)
            .on_conflict_do_update(
                index_elements=list(_settings.primary_key),
                set_={name: row[name] for name in ("value", "set_by", "set_at")},
            )
        )

    async def reset(self, place: Place, key: str) -> None:
        """Forget a value, if there is one; on the disk when this returns."""
        await self._transaction(
            sa.delete(_settings).where(
                _settings.c.platform == place.platform,
                _settings.c.scope == place.scope,
                _settings.c.place == place.id,
                _settings.c.key == key,
            )
        )

    async def opt_out(self, platform: str, user: str, name: str) -> None:
        """Note that a user is to be left out of training; on the disk when this returns."""
        row = {"platform": platform, "user": user, "name": name}
        await self._transaction(
            insert(_optouts)
            .values(row)
            .on_conflict_do_update(index_elements=list(_optouts.primary_key), set_={"name": name})
        )

    async def opt_in(self, platform: str, user: str) -> None:
        """Forget that a user opted out, if so; on the disk when this returns."""
        await self._transaction(
            sa.delete(_optouts).where(_optouts.c.platform == platform, _optouts.c.user == user)
        )

    async def is_opted_out(self, platform: str, user: str) -> bool:
        """Whether a user is to be left out of training."""
        whose = (_optouts.c.platform == platform, _optouts.c.user == user)
        return bool(await self._transaction(sa.select(_optouts).where(*whose)))

    async def opted_out(self) -> list[tuple[str, str, str]]:
        """Platform, user and name of all who opted out, sorted."""
        columns = (_optouts.c.platform, _optouts.c.user, _optouts.c.name)
        rows = await self._transaction(sa.select(*columns).order_by(*columns))
        return [(platform, user, name) for platform, user, name in rows]

    async def claim(self, event_id: str) -> bool:
        """Take an event to handle it: true for the first who asks, false for every other."""
        now = datetime.now(UTC).replace(tzinfo=None)
        claim = insert(_claims).values(event=event_id, claimed_at=now).on_conflict_do_nothing()
        won = await self._transaction(
            sa.delete(_claims).where(_claims.c.claimed_at < now - _REDELIVERY),
            claim.returning(_claims.c.event),
        )
        return bool(won)

    async def finish(self) -> None:
        """Wait for what is under way, also where nobody else waits for it any more."""
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _transaction(self, *statements: sa.Executable) -> Sequence[Any]:
        """Execute all or nothing; the rows of the last statement are returned.

        It goes on when whoever asked is cancelled: a connection left in the middle of a
        transaction would keep the database locked.
        """
        task = asyncio.create_task(self._execute(statements))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    async def _execute(self, statements: Sequence[sa.Executable]) -> Sequence[Any]:
        rows: Sequence[Any] = ()
        async with self._engine.begin() as connection:
            for statement in statements:
                result = await connection.execute(statement)
                rows = result.all() if result.returns_rows else ()
        return rows


@asynccontextmanager
async def open_store(path: Path) -> AsyncGenerator[Store]:
    """Open the database, made if it is not there.

    Raises `UserError` where the file is no database of ours, or one of a newer chinwag.
    """
    # A pool of one: tasks take turns. A StaticPool would let them share a transaction.
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{path}",
        poolclass=AsyncAdaptedQueuePool,
        pool_size=1,
        max_overflow=0,
    )
    event.listen(engine.sync_engine, "connect", _make_durable)
    try:
        await _prepare(engine, path)
        store = Store(engine)
        try:
            yield store
        finally:
            await store.finish()
    finally:
        await engine.dispose()


def _make_durable(connection: sa.engine.interfaces.DBAPIConnection, _: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


async def _prepare(engine: AsyncEngine, path: Path) -> None:
    try:
        async with engine.begin() as connection:
            version = (await connection.execute(sa.text("PRAGMA user_version"))).scalar_one()
            if version > SCHEMA:
                raise UserError(
                    f"The database {path} was made by a newer chinwag (schema {version}; this one "
                    f"knows {SCHEMA}). Upgrade chinwag, or choose another data_dir."
                )
            await connection.run_sync(_tables.create_all)
            await connection.execute(sa.text(f"PRAGMA user_version={SCHEMA}"))
    except DatabaseError as error:
        raise UserError(
            f"The database {path} cannot be used: {error.orig}. Restore it from a backup, or move "
            "it away to begin with an empty one."
        ) from error


def _stored(row: sa.Row[tuple[str, Scope, str, str, str, str, datetime]]) -> Stored:
    platform, scope, place, key, value, set_by, set_at = row
    return Stored(
        Place(platform, scope, place), key, json.loads(value), set_by, set_at.replace(tzinfo=UTC)
    )
