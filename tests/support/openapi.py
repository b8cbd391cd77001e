"""Checks requests against Discord's OpenAPI document, where there is a copy of it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from urllib.parse import quote

import pytest
from jsonschema_rs import Draft202012, Draft202012Validator, Registry

from bot.playground.discord import ApiRequest

#: Looked for in the folders beside the project; DISCORD_OPENAPI takes its place.
DOCUMENT = "*/discord/openapi.json"
ROOT = Path(__file__).parents[2]
#: Requests that were refused as wrong, or as leading nowhere, need not be right.
REFUSED_STATUS = (400, 404)
#: What Discord documents in prose only.
PROSE_ONLY = ("/attachments/refresh-urls",)
#: of one complaint, whose end says what is wrong with what it quotes
WORDS_MAX = 200


class DiscordSpec:
    """Discord's HTTP API as it describes it itself."""

    def __init__(self, path: Path) -> None:
        spec = json.loads(path.read_text(encoding="utf-8"))
        # Discord takes identifiers as numbers too; discord.py sends `attachments[].id` that way.
        spec["components"]["schemas"]["SnowflakeType"] = {
            "type": ["string", "integer"],
            "pattern": "^(0|[1-9][0-9]*)$",
            "minimum": 0,
        }
        self._paths = spec["paths"]
        self._registry = Registry([("urn:discord", spec)], draft=Draft202012)
        self._validators: dict[tuple[str, str], Draft202012Validator] = {}

    def complaints(self, method: str, template: str, body: object) -> list[str]:
        """Return what is wrong with a request; `body` is its JSON or its `payload_json`."""
        operation = self._paths.get(template, {}).get(method.lower())
        if operation is None:
            return [f"there is no {method} {template}"]
        if body is None:
            required = operation.get("requestBody", {}).get("required", False)
            return ["the body is missing"] if required else []
        content = operation.get("requestBody", {}).get("content", {})
        if "application/json" not in content:
            return ["there should be no JSON body"]
        key = (template, method.lower())
        if key not in self._validators:
            self._validators[key] = self._validator(*key)
        return [
            f"{'/'.join(map(str, error.instance_path))}: {error.message[-WORDS_MAX:]}"
            for error in self._validators[key].iter_errors(body)
        ]

    def _validator(self, template: str, method: str) -> Draft202012Validator:
        parts = ("paths", template, method, "requestBody", "content", "application/json", "schema")
        escaped = (part.replace("~", "~0").replace("/", "~1") for part in parts)
        pointer = "/".join(quote(part, safe="~") for part in escaped)
        return Draft202012Validator({"$ref": f"urn:discord#/{pointer}"}, registry=self._registry)


@cache
def discord_spec() -> DiscordSpec | None:
    """Return the document, or None where there is no copy."""
    named = os.environ.get("DISCORD_OPENAPI")
    path = Path(named) if named else next(ROOT.parent.glob(DOCUMENT), None)
    return DiscordSpec(path) if path and path.is_file() else None


def require_spec() -> DiscordSpec:
    """Return the document; without a copy, skip the test and say how to get one."""
    spec = discord_spec()
    if spec is None:
        pytest.skip("no copy of Discord's OpenAPI document; DISCORD_OPENAPI can name one")
    return spec


def violations(requests: Iterable[ApiRequest]) -> list[str]:
    """
    Return what Discord's document says against these requests; nothing without a copy of it.

    Refused requests are left out: tests send wrong ones on purpose.
    """
    spec = discord_spec()
    if spec is None:
        return []
    return [
        f"{request.method} {request.path}: {complaint}"
        for request in requests
        if request.status not in REFUSED_STATUS and request.template not in PROSE_ONLY
        for complaint in spec.complaints(request.method, request.template, request.body)
    ]
