"""From a channel's settings to a prompt, and from its chunks to pieces for the reader."""

from collections.abc import AsyncIterator

from backends import Chunk, Prompt, Sampling, UserError
from backends.presentation import presented
from plugins.closing import closing
from plugins.vocabulary import Context, Piece, Settings


def build_prompt(settings: Settings, text: str, seed: int | None = None) -> Prompt:
    """Put a text behind the channel's prefix, with the channel's way of writing.

    One space joins the two where neither side brings white space and both have something to say.
    Raises `UserError` where a value is out of bounds.
    """
    prefix = str(settings.value("prefix"))
    if prefix and text and not prefix[-1].isspace() and not text[0].isspace():
        text = f" {text}"
    return Prompt(
        text=text,
        sampling=build_sampling(settings, seed),
        n=int(settings.value("n")),
        prefix=prefix,
        include_prefix=bool(settings.value("include_prefix")),
    )


def build_sampling(settings: Settings, seed: int | None = None) -> Sampling:
    """Take the numbers of `Sampling` from the settings; `truncate` becomes a stop string."""
    truncate = str(settings.value("truncate"))
    banned = [word.strip() for word in str(settings.value("banned_words")).split(",")]
    return Sampling(
        temperature=float(settings.value("temperature")),
        top_k=int(settings.value("top_k")),
        top_p=float(settings.value("top_p")),
        min_p=float(settings.value("min_p")),
        repetition_penalty=float(settings.value("repetition_penalty")),
        presence_penalty=float(settings.value("presence_penalty")),
        bad_words=tuple(word for word in banned if word),
        max_copied_words=int(settings.value("max_copied_words")),
        max_tokens=int(settings.value("max_tokens")),
        stop=(truncate,) if truncate else (),
        seed=seed,
    )


async def write(context: Context, prompt: Prompt) -> AsyncIterator[Piece]:
    """Generate and show the prompt's texts, each as a part of its own, one after the other."""
    async with closing(presented(context, prompt)) as chunks:
        async for chunk in in_order(chunks):
            yield Piece(chunk.text, part=chunk.index)


async def in_order(chunks: AsyncIterator[Chunk]) -> AsyncIterator[Chunk]:
    """Stream the lowest text that has not ended as it comes, and keep the later ones till then.

    Where a text fails, what others have written is passed on before the error.
    """
    kept: dict[int, list[Chunk]] = {}
    now = 0
    try:
        async for chunk in chunks:
            kept.setdefault(chunk.index, []).append(chunk)
            while now in kept:
                ended = False
                for one in kept.pop(now):
                    ended = ended or one.finish_reason is not None
                    yield one
                if not ended:
                    break
                now += 1
    except UserError:
        for index in sorted(kept):
            for one in kept[index]:
                yield one
        raise
