"""The bot's configuration: every key, its type, its default and a sentence about it.

Values of channels (`[settings]`, `[channels]`) are checked against the settings that the plugins
declare, in `bot.config_file`.
"""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    StrictBool,
    StrictInt,
)

from backends import ModelSpec, Value
from bot.secret import Secret

Port = Annotated[StrictInt, Field(ge=0, le=65535)]


def _option_value(value: object) -> Value:
    if not isinstance(value, Value):
        raise ValueError("must be text, a number, true or false")  # noqa: TRY004 - for pydantic
    return value


OptionValue = Annotated[Value, PlainValidator(_option_value)]


class Section(BaseModel):
    """A table of the config file: unknown keys are refused, types are not guessed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelConfig(Section):
    """`[models.NAME]`: a model that is not in the models folder, or needs options."""

    backend: str = Field(description="The backend that opens it, such as onnx or echo.")
    path: Path | None = Field(
        default=None, description="The model directory; onnx takes models_dir/NAME without it."
    )
    options: dict[str, OptionValue] = Field(
        default_factory=dict[str, OptionValue],
        description="The backend's own options, such as slots and threads of onnx.",
    )

    def spec(self, name: str, models_dir: Path) -> ModelSpec:
        """What the backend is told."""
        folder = models_dir / name
        path = self.path or (folder if folder.is_dir() else None)
        return ModelSpec(name=name, backend=self.backend, path=path, options=self.options)


class WebChannelConfig(Section):
    """`[web.channels.NAME]`: one channel of the page."""

    topic: str = Field(default="", description="A few words beside the channel's name.")
    examples: tuple[str, ...] = Field(
        default=("Once upon a time", "/help"),
        description="Lines that an empty channel proposes to try.",
    )


def _channel_name(name: str) -> str:
    if not _CHANNEL_NAME.fullmatch(name):
        raise ValueError(
            "a channel's name has at most 32 lower-case letters, digits, - and _, and begins with "
            "a letter or digit"
        )
    return name


_CHANNEL_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
WebChannelName = Annotated[str, AfterValidator(_channel_name)]


class WebConfig(Section):
    """`[web]`: the page on which one chats in a browser."""

    enabled: StrictBool = Field(default=False, description="Whether to serve the page.")
    host: str = Field(default="127.0.0.1", description="The address to listen on.")
    port: Port = Field(default=8080, description="The port to listen on; 0 takes any free one.")
    token: Secret | None = Field(
        default=None,
        description="A secret of 16 characters or more that visitors must give; "
        "needed where host is not this machine.",
    )
    channels: dict[WebChannelName, WebChannelConfig] = Field(
        default={"lab": WebChannelConfig()},
        min_length=1,
        description="The page's channels by name, in their order.",
    )


class DiscordConfig(Section):
    """`[discord]`: the bot on Discord."""

    enabled: StrictBool = Field(default=False, description="Whether to serve Discord.")
    token: Secret = Field(default=Secret(env="DISCORD_TOKEN"), description="The bot's token.")
    guilds: tuple[int, ...] = Field(
        default=(),
        description="Guilds that get the commands at once; empty makes them global.",
    )


class SlackConfig(Section):
    """`[slack]`: the bot on Slack."""

    enabled: StrictBool = Field(default=False, description="Whether to serve Slack.")
    mode: Literal["socket", "http"] = Field(
        default="socket",
        description="socket needs no public address; http has Slack call the address below.",
    )
    bot_token: Secret = Field(
        default=Secret(env="SLACK_BOT_TOKEN"), description="The bot token (xoxb-…)."
    )
    app_token: Secret = Field(
        default=Secret(env="SLACK_APP_TOKEN"),
        description="The app-level token (xapp-…); needed in socket mode.",
    )
    signing_secret: Secret = Field(
        default=Secret(env="SLACK_SIGNING_SECRET"),
        description="The signing secret; needed in http mode.",
    )
    host: str = Field(default="127.0.0.1", description="The address to listen on in http mode.")
    port: Port = Field(default=3000, description="The port to listen on in http mode.")
    api_url: str = Field(
        default="https://slack.com/api/",
        description="Slack's Web API; GovSlack has its own, https://slack-gov.com/api/.",
    )


class LimitsConfig(Section):
    """`[limits]`: what the bot does at once, and for how long."""

    concurrent: Annotated[StrictInt, Field(ge=1)] = Field(
        default=8, description="How many prompts each model writes at the same time."
    )
    waiting: Annotated[StrictInt, Field(ge=0)] = Field(
        default=64,
        description="How many more may wait for each model; beyond that the bot says it is busy.",
    )
    deadline: Annotated[float, Field(strict=True, gt=0)] = Field(
        default=300,
        description="Seconds after which an unfinished answer is stopped, waiting included.",
    )
    memory_mb: Annotated[StrictInt, Field(ge=0)] = Field(
        default=0,
        description="The most megabytes that open models hold together; 0 is no limit. "
        "Models that nobody uses are closed for others, the least recently used first.",
    )
    unload_after: Annotated[float, Field(strict=True, ge=0)] = Field(
        default=0, description="Seconds after which a model that nobody uses is closed; 0 is never."
    )
    shutdown: Annotated[float, Field(strict=True, ge=0)] = Field(
        default=25, description="Seconds that running answers get to finish when the bot stops."
    )


class HealthConfig(Section):
    """`[health]`: how the bot is, for supervisors, Prometheus and `python -m bot status`."""

    enabled: StrictBool = Field(
        default=True, description="Whether to tell how the bot is: /livez, /readyz, /metrics."
    )
    host: str = Field(
        default="127.0.0.1",
        description="The address to listen on; it needs no token, so keep it to this machine.",
    )
    port: Port = Field(
        default=9464,
        description="The port to listen on; each bot on a machine needs one of its own.",
    )


class LogConfig(Section):
    """`[log]`: what is written to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least important kind of line to write."
    )
    format: Literal["auto", "text", "json"] = Field(
        default="auto", description="auto writes text to a terminal and JSON elsewhere."
    )


class Config(Section):
    """The whole configuration. Relative paths start from the config file's folder."""

    data_dir: Path = Field(
        default=Path("data"), description="The folder of the database; one bot at a time uses it."
    )
    models_dir: Path = Field(
        default=Path("models"), description="The folder in which models are found by their names."
    )
    plugins_dir: Path = Field(
        default=Path("plugins.d"), description="The folder whose .py files are loaded as plugins."
    )
    settings: dict[str, Value] = Field(
        default_factory=dict[str, Value],
        description="What counts in every channel until an admin changes it.",
    )
    channels: dict[str, dict[str, Value]] = Field(
        default_factory=dict[str, dict[str, Value]],
        description='The same for one channel, named as "platform:channel".',
    )
    models: dict[str, ModelConfig] = Field(
        default_factory=dict[str, ModelConfig],
        description="Models beside those in the models folder.",
    )
    web: WebConfig = Field(default=WebConfig(), description="The page to chat in a browser.")
    discord: DiscordConfig = Field(default=DiscordConfig(), description="Discord.")
    slack: SlackConfig = Field(default=SlackConfig(), description="Slack.")
    limits: LimitsConfig = Field(default=LimitsConfig(), description="How much at once.")
    health: HealthConfig = Field(default=HealthConfig(), description="How the bot is.")
    log: LogConfig = Field(default=LogConfig(), description="The log.")
