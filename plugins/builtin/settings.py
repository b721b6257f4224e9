"""The values that every channel has. Declared here once; commands, checks and docs read them."""

from collections.abc import Callable

from backends import MAX_TEXTS, SAMPLING_BOUNDS, Sampling
from plugins.hookspecs import hookimpl
from plugins.vocabulary import Kind, Setting

_SAMPLING = Sampling()


def _number(name: str, kind: Kind, sentence: str, *, per_request: bool = True) -> Setting:
    """One of the numbers in `Sampling`, with its bounds and its default."""
    low, high = SAMPLING_BOUNDS[name]
    return Setting(
        name=name,
        kind=kind,
        help=sentence,
        default=getattr(_SAMPLING, name),
        minimum=low,
        maximum=high,
        per_request=per_request,
    )


SETTINGS = (
    Setting(
        name="model",
        kind="text",
        help="The model that writes here; /model list shows them. Empty: the only one there is.",
        default="",
        maximum=64,
        per_request=True,
        complete="model",
    ),
    Setting(
        name="prefix",
        kind="text",
        help="A constant beginning put before every text, such as ROMEO: for a play.",
        default="",
        maximum=1000,
        per_request=True,
    ),
    Setting(
        name="include_prefix",
        kind="boolean",
        help="Whether the answer shows the prefix and the given text before what was written.",
        default=True,
        per_request=True,
    ),
    Setting(
        name="truncate",
        kind="text",
        help="Writing stops before this text first appears; \\n is a line break, empty is never.",
        default="",
        maximum=100,
        per_request=True,
    ),
    _number("temperature", "number", "Higher is wilder; 0 always takes the likeliest word."),
    _number("max_tokens", "integer", "The most tokens (about 3/4 of a word each) of one text."),
    Setting(
        name="n",
        kind="integer",
        help="How many texts to write at once.",
        default=1,
        minimum=1,
        maximum=MAX_TEXTS,
        per_request=True,
    ),
    _number("top_k", "integer", "Choose among this many likeliest tokens; 0 is all of them."),
    _number("top_p", "number", "Choose among the likeliest tokens reaching this share; 1 is all."),
    _number("min_p", "number", "Drop tokens below this share of the likeliest one; 0 keeps all."),
    _number("repetition_penalty", "number", "Above 1 avoids what was said already; 1 is off."),
    _number("presence_penalty", "number", "Above 0 avoids what the text itself has; 0 is off."),
    Setting(
        name="banned_words",
        kind="text",
        help="What no text here may hold, in upper or lower case: words with commas between them.",
        default="",
        maximum=1000,
    ),
    _number(
        "max_copied_words",
        "integer",
        "The most words in a row that a text may have from the training texts; 0 is any number.",
        per_request=False,
    ),
    Setting(
        name="footer",
        kind="text",
        help="A line put under every text, such as: written by a machine.",
        default="",
        maximum=200,
    ),
    Setting(
        name="cooldown",
        kind="integer",
        help="Seconds that each user waits between two texts here; 0 is none.",
        default=0,
        minimum=0,
        maximum=86_400,
    ),
)


@hookimpl
def register_settings(register: Callable[[Setting], None]) -> None:
    """Declare them all."""
    for setting in SETTINGS:
        register(setting)
