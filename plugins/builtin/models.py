"""`/model`: see which models there are, and choose one."""

from collections.abc import AsyncIterator, Callable

from backends import ModelInfo, UserError
from plugins.builtin.configure import SCOPE, given_scope
from plugins.hookspecs import hookimpl
from plugins.vocabulary import Command, Context, Option, Piece

_NAME = "The model's name; /model list shows them."


def describe_model(info: ModelInfo) -> str:
    """What is known of a model, a line for each fact."""
    lines = [f"{info.name} ({info.backend})"]
    if info.context:
        lines.append(f"Context: {info.context:,} tokens")
    return "\n".join(lines + [f"{label}: {fact}" for label, fact in info.details.items()])


def current_model(context: Context) -> str:
    """The name of the channel's model. Raises `UserError` where none is chosen."""
    if chosen := str(context.settings.value("model")):
        return chosen
    raise UserError("No model is chosen here. An admin can choose one with /model use.")


async def _list(context: Context) -> AsyncIterator[Piece]:
    names = await context.models.names()
    if not names:
        raise UserError("There is no model yet. The operator can add one to the models folder.")
    here = str(context.settings.value("model"))
    yield Piece("\n".join(f"{name} (writes here)" if name == here else name for name in names))


async def _use(context: Context) -> AsyncIterator[Piece]:
    scope = given_scope(context)
    decision = await context.settings.set("model", context.options["name"], scope)
    yield Piece(f"The model {decision.value} now writes for this {scope}.")


async def _info(context: Context) -> AsyncIterator[Piece]:
    name = str(context.options.get("name") or current_model(context))
    yield Piece(describe_model(await context.models.info(name)))


COMMANDS = (
    Command(
        name="model list",
        help="List the models that can write here.",
        run=_list,
        example="/model list",
        private=True,
    ),
    Command(
        name="model use",
        help="Choose the model that writes in this channel (admins).",
        run=_use,
        options=(
            Option(name="name", kind="text", help=_NAME, required=True, complete="model"),
            SCOPE,
        ),
        example="/model use shakespeare",
        admin=True,
    ),
    Command(
        name="model info",
        help="Tell what is known of a model: size, data, licence, losses.",
        run=_info,
        options=(Option(name="name", kind="text", help=_NAME, complete="model"),),
        example="/model info",
        private=True,
    ),
)


@hookimpl
def register_commands(register: Callable[[Command], None]) -> None:
    """Offer the three."""
    for command in COMMANDS:
        register(command)
