"""Discord's own OpenAPI document as a judge of requests and answers."""

import json
import re
from functools import cached_property
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from tests.fakes.fake_discord.rest import Exchange
from tests.fakes.fake_discord.world import Json


class OpenApi:
    """The document, looked up by method and path."""

    def __init__(self, path: Path) -> None:
        self._document: Json = json.loads(path.read_text(encoding="utf-8"))
        # Ids in requests may be numbers too; discord.py sends some so, and Discord takes them.
        snowflake: Json = self._document["components"]["schemas"]["SnowflakeType"]
        self._lenient: Json = {
            **self._document["components"],
            "schemas": {
                **self._document["components"]["schemas"],
                "SnowflakeType": {"anyOf": [snowflake, {"type": "integer", "minimum": 0}]},
            },
        }

    def problems(self, exchange: Exchange) -> list[str]:
        """What is wrong with an exchange by the document, one sentence each; empty is right."""
        operation = self._operation(exchange.method, exchange.path)
        if operation is None:
            return [f"{exchange.method} {exchange.path} is not in the document"]
        where = f"{exchange.method} {exchange.path}"
        strict: Json = self._document["components"]
        answer = self._answer_schema(operation, exchange.status)
        asked = self._judge(self._request_schema(operation), exchange.request, self._lenient)
        given = self._judge(answer, exchange.answer, strict)
        return [f"request of {where}: {one}" for one in asked] + [
            f"answer {exchange.status} of {where}: {one}" for one in given
        ]

    @cached_property
    def _paths(self) -> list[tuple[re.Pattern[str], Json]]:
        """Patterns of all paths, those with fewer parameters first: `@original` is also an id."""
        paths = sorted(self._document["paths"].items(), key=lambda entry: entry[0].count("{"))
        return [(re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), item) for path, item in paths]

    def _operation(self, method: str, path: str) -> Json | None:
        items = (item for pattern, item in self._paths if pattern.fullmatch(path))
        return next((item[method.lower()] for item in items if method.lower() in item), None)

    def _request_schema(self, operation: Json) -> Json | None:
        content = operation.get("requestBody", {}).get("content", {})
        return content.get("application/json", {}).get("schema")

    def _answer_schema(self, operation: Json, status: int) -> Json | None:
        answers: Json = operation["responses"]
        if str(status) not in answers and not 400 <= status < 500:
            return {"not": {}, "description": "a status that this operation does not have"}
        answer = answers.get(str(status)) or answers["4XX"]
        if "$ref" in answer:
            answer = self._document["components"]["responses"][answer["$ref"].rpartition("/")[2]]
        return answer.get("content", {}).get("application/json", {}).get("schema")

    def _judge(self, schema: Json | None, body: Any, components: Json) -> list[str]:
        if schema is None:
            return [] if body is None else [f"there should be no body, not {body!r}"]
        whole: dict[str, Any] = {**schema, "components": components}
        problem = best_match(Draft202012Validator(whole).iter_errors(body))
        return [] if problem is None else [f"{problem.json_path}: {problem.message}"]
