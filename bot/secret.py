"""Secrets: named in the config, kept in the environment or in a file, read when needed."""

import os
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from backends import UserError


class Secret(BaseModel):
    """Where a secret is kept; never the secret itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    env: str | None = Field(default=None, description="The environment variable that holds it.")
    file: Path | None = Field(default=None, description="The file whose first line it is.")

    @model_validator(mode="before")
    @classmethod
    def _refuse_plain(cls, raw: object) -> object:
        if isinstance(raw, str):
            # The value itself must not be repeated: it may well be the secret.
            raise ValueError(  # noqa: TRY004 - pydantic collects only ValueError and AssertionError
                'do not write a secret into the config: use { env = "NAME" } or { file = "PATH" }'
            )
        return raw

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError('name one place: { env = "NAME" } or { file = "PATH" }')
        return self

    def __str__(self) -> str:
        return f"the environment variable {self.env}" if self.env else f"the file {self.file}"

    def read(self) -> SecretStr:
        """Return the secret. Raises `UserError`, naming the place, where there is none."""
        value = os.environ.get(self.env, "").strip() if self.env else self._first_line()
        if not value:
            raise UserError(f"No secret is in {self}. Put it there, or name another place.")
        return SecretStr(value)

    def _first_line(self) -> str:
        try:
            text = Path(self.file or "").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise UserError(f"The secret in {self} cannot be read: {reason}.") from error
        return next(iter(text.splitlines()), "").strip()
