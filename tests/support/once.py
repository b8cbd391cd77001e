"""What each start of the bot works out anew, with the same outcome: done once in a test run."""

import json
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

import pytest
from discord import app_commands

from bot import app
from bot.domain.catalog import Catalog
from bot.pictures.decoder import Decoder
from bot.playground.drawing import Picture, draw
from bot.settings import Settings

Payload = dict[str, Any]
Translated = Callable[..., Awaitable[Payload]]


def share_payloads(patch: pytest.MonkeyPatch) -> None:
    """A command's payload in all languages follows from the one in English."""
    known: dict[str, Payload] = {}

    def sharing(translated: Translated) -> Translated:
        async def get(command: Any, tree: Any, translator: Any) -> Payload:
            key = json.dumps([type(command).__name__, command.to_dict(tree)])
            if key not in known:
                known[key] = await translated(command, tree, translator)
            return known[key]

        return get

    for kind in (app_commands.Command, app_commands.Group, app_commands.ContextMenu):
        patch.setattr(kind, "get_translated_payload", sharing(kind.get_translated_payload))


def share_catalogs(patch: pytest.MonkeyPatch) -> None:
    """A catalog is a frozen value of its file."""
    known: dict[tuple[str | None, bytes], Catalog] = {}
    load = app.load_catalog

    def shared(settings: Settings) -> Catalog:
        try:
            text = (settings.catalog_file or app.SHIPPED_CATALOG).read_bytes()
        except OSError:
            return load(settings)
        key = (settings.default_model, text)
        if key not in known:
            known[key] = load(settings)
        return known[key]

    patch.setattr(app, "load_catalog", shared)


class SharedDecoder(Decoder):
    """Its process takes as long to start as a test does."""

    def close(self) -> None:
        """It goes on for the next test."""

    def end(self) -> None:
        super().close()


def share_decoder(patch: pytest.MonkeyPatch, decoder: SharedDecoder) -> None:
    patch.setattr(app, "Decoder", lambda: decoder)


def paint(picture: Picture) -> bytes:
    """What the playground draws."""
    # The files of references may change under the same names.
    return draw(picture) if picture.references or picture.mask else _drawn(picture)


_drawn = cache(draw)
