"""Checks requests against Discord's OpenAPI document, where there is a copy of it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from bot.playground.discord import ApiRequest

#: Looked for in the folders beside the project; DISCORD_OPENAPI takes its place.
DOCUMENT = "*/discord/openapi.json"
ROOT = Path(__file__).parents[2]
#: Requests that were refused as wrong, or as leading nowhere, need not be right.
REFUSED_STATUS = (400, 404)
#: What Discord documents in prose only.
PROSE_ONLY = ("/attachments/refresh-urls",)


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
        resource = Resource.from_contents(spec, default_specification=DRAFT202012)
        self._registry: Registry[Any] = Registry().with_resource("urn:discord", resource)

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
        parts = ("paths", template, method.lower(), "requestBody")
        parts += ("content", "application/json", "schema")
        escaped = (part.replace("~", "~0").replace("/", "~1") for part in parts)
        pointer = "/".join(quote(part, safe="~") for part in escaped)
        schema = {"$ref": f"urn:discord#/{pointer}"}
        validator = Draft202012Validator(schema, registry=self._registry)
        return [_describe(error) for error in validator.iter_errors(body)]


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
        for complaint in _complaints(request.method, request.template, json.dumps(request.body))
    ]


@lru_cache(maxsize=1_000)
def _complaints(method: str, template: str, body: str) -> list[str]:
    """Each bot of each test writes the same commands, and they take long to check."""
    spec = discord_spec()
    return spec.complaints(method, template, json.loads(body)) if spec else []


def _describe(error: ValidationError) -> str:
    best = best_match([error])
    return f"{best.json_path}: {best.message[:200]}"
