import asyncio
import signal
import sqlite3
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backends import UserError, Value
from bot.store import SCHEMA, Place, Store, Stored, open_store

PLACE = Place("web", "channel", "guild/lab")

WRITER = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from bot.store import Place, Stored, open_store

async def main():
    async with open_store(Path(sys.argv[1])) as store:
        for number in range(10**9):
            place = Place("web", "channel", "guild/lab")
            await store.set(Stored(place, "n", number, "Ada", datetime.now(UTC)))
            print(number, flush=True)

asyncio.run(main())
"""

SCHEMA_1 = """
CREATE TABLE claims (
    event TEXT NOT NULL,
    claimed_at DATETIME NOT NULL,
    PRIMARY KEY (event)
);
CREATE INDEX ix_claims_claimed_at ON claims (claimed_at);
CREATE TABLE settings (
    platform TEXT NOT NULL,
    scope TEXT NOT NULL,
    place TEXT NOT NULL,
    "key" TEXT NOT NULL,
    value TEXT NOT NULL,
    set_by TEXT NOT NULL,
    set_at DATETIME NOT NULL,
    PRIMARY KEY (platform, scope, place, "key")
);
INSERT INTO claims VALUES ('web:1', strftime('%Y-%m-%d %H:%M:%S', 'now') || '.000000');
INSERT INTO settings
VALUES ('web', 'channel', 'guild/lab', 'temperature', '0.5', 'Ada', '2026-01-02 03:04:00.000000');
PRAGMA journal_mode = WAL;
PRAGMA user_version = 1;
"""
"""A database as the bot wrote it before it knew /optout, with a setting and a claim."""


def stored(key: str, value: Value, place: Place = PLACE) -> Stored:
    return Stored(place, key, value, "Ada", datetime(2026, 1, 2, 3, 4, tzinfo=UTC))


async def values(store: Store, *places: Place) -> dict[str, Value]:
    return {row.key: row.value for row in await store.settings(places or (PLACE,))}


@pytest.mark.parametrize("value", ["text\n☕", "", 3, 0.25, True, False])
async def test_a_value_comes_back_as_it_was_with_who_and_when(tmp_path: Path, value: Value):
    async with open_store(tmp_path / "db") as store:
        await store.set(stored("key", value))
    async with open_store(tmp_path / "db") as store:
        (found,) = await store.settings([PLACE])
    assert found == stored("key", value)
    assert type(found.value) is type(value)


async def test_a_new_value_replaces_the_old_and_reset_forgets_it(tmp_path: Path):
    async with open_store(tmp_path / "db") as store:
        await store.set(stored("n", 1))
        await store.set(stored("n", 2))
        assert await values(store) == {"n": 2}
        await store.reset(PLACE, "n")
        await store.reset(PLACE, "n")
        assert await values(store) == {}


async def test_places_do_not_mix(tmp_path: Path):
    others = [
        Place("discord", "channel", "guild/lab"),
        Place("web", "thread", "guild/lab"),
        Place("web", "channel", "guild/ask"),
    ]
    async with open_store(tmp_path / "db") as store:
        for number, place in enumerate(others):
            await store.set(stored("n", number, place))
        assert await values(store) == {}
        assert await values(store, others[1]) == {"n": 1}


async def test_an_event_is_won_by_exactly_one_of_many_who_claim_it(tmp_path: Path):
    async with open_store(tmp_path / "db") as store:
        claims = await asyncio.gather(*(store.claim("web:1") for _ in range(20)))
        assert sorted(claims) == [False] * 19 + [True]
        assert await store.claim("web:2")


async def test_an_event_stays_claimed_after_a_restart(tmp_path: Path):
    async with open_store(tmp_path / "db") as store:
        assert await store.claim("web:1")
    async with open_store(tmp_path / "db") as store:
        assert not await store.claim("web:1")


async def test_claims_are_forgotten_when_no_platform_delivers_again(tmp_path: Path):
    async with open_store(tmp_path / "db") as store:
        await store.claim("old")
    with sqlite3.connect(tmp_path / "db") as connection:
        connection.execute("UPDATE claims SET claimed_at = '2020-01-01 00:00:00.000000'")
    async with open_store(tmp_path / "db") as store:
        await store.claim("new")
    with sqlite3.connect(tmp_path / "db") as connection:
        assert connection.execute("SELECT event FROM claims").fetchall() == [("new",)]


async def test_what_was_acknowledged_survives_kill_9(tmp_path: Path):
    path = tmp_path / "db"
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, str(path), stdout=asyncio.subprocess.PIPE
    )
    assert writer.stdout is not None
    for _ in range(25):
        await writer.stdout.readline()
    writer.send_signal(signal.SIGKILL)
    rest = (await writer.stdout.read()).split()
    await writer.wait()
    acknowledged = int(rest[-1]) if rest else 24
    async with open_store(path) as store:
        assert (await values(store))["n"] in (acknowledged, acknowledged + 1)


async def test_a_database_of_a_newer_version_is_refused(tmp_path: Path):
    with sqlite3.connect(tmp_path / "db") as connection:
        connection.execute("PRAGMA user_version=99")
    with pytest.raises(UserError, match=r"newer chinwag \(schema 99"):
        async with open_store(tmp_path / "db"):
            pass


async def test_a_database_from_before_opt_outs_keeps_its_rows_and_takes_opt_outs(tmp_path: Path):
    connection = sqlite3.connect(tmp_path / "db")
    connection.executescript(SCHEMA_1)
    connection.close()
    async with open_store(tmp_path / "db") as store:
        assert await store.settings([PLACE]) == [stored("temperature", 0.5)]
        assert not await store.claim("web:1")
        assert await store.opted_out() == []
        await store.opt_out("slack", "U1", "Ada")
    async with open_store(tmp_path / "db") as store:
        assert await store.opted_out() == [("slack", "U1", "Ada")]
        assert await values(store) == {"temperature": 0.5}
    with sqlite3.connect(tmp_path / "db") as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA,)


async def test_a_file_that_is_no_database_is_refused_in_a_sentence(tmp_path: Path):
    (tmp_path / "db").write_text("no database " * 100)
    with pytest.raises(UserError, match="cannot be used"):
        async with open_store(tmp_path / "db"):
            pass


async def test_a_cancelled_writer_neither_locks_the_database_nor_undoes_another(tmp_path: Path):
    async with open_store(tmp_path / "db") as store:
        writing = [
            asyncio.create_task(
                store.set(stored("n", number, Place("web", "channel", str(number))))
            )
            for number in range(20)
        ]
        await asyncio.sleep(0)
        for number, task in enumerate(writing):
            if number % 2:
                task.cancel()
        await asyncio.gather(*writing, return_exceptions=True)
        kept = [Place("web", "channel", str(number)) for number in range(0, 20, 2)]
        assert len(await store.settings(kept)) == 10
        assert await store.claim("web:1")
