import pytest

from bot.fair_queue import Whose
from bot.notices import notices, standing
from bot.waiting_line import WaitingLine
from tests.waiting import until

ADA = Whose("guild", "ada")


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.notices.PATIENCE", 0.0)
    monkeypatch.setattr("bot.notices.PAUSE", 0.0)


async def test_only_what_is_new_is_told_and_nothing_after_the_wait():
    told, asked = list[str](), list[str]()
    says = iter(["third", "third", "second", "second", "next"])

    def sentence() -> str:
        asked.append(next(says, "next"))
        return asked[-1]

    async with notices(told.append, sentence):
        await until(lambda: len(asked) >= 8, "it looked several times")
    assert told == ["third", "second", "next"]


@pytest.mark.parametrize(
    ("turn", "sentence"),
    [
        (None, "You are number 2 in the line."),
        (0.1, "You are number 2 in the line: about 5 s to go."),
        (12, "You are number 2 in the line: about 25 s to go."),
        (40, "You are number 2 in the line: about 2 min to go."),
    ],
)
async def test_position_and_estimate_are_said_as_one_would_say_them(
    turn: float | None, sentence: str
):
    now = 0.0
    line = WaitingLine(1, 5, lambda: now)
    for _ in range(0 if turn is None else 3):
        with line.join(ADA):
            now += turn or 0
    with line.join(ADA) as first, line.join(ADA), line.join(ADA) as ticket:
        assert standing(ticket, "ask") == sentence
        assert standing(first, "ask") == "The model ask is being opened."
