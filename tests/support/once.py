"""What each start of the bot works out anew, with the same outcome: done once in a test run."""

import hashlib
import io
import json
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

import pytest
from discord import app_commands
from PIL import Image

from bot import app
from bot.domain.catalog import Catalog
from bot.pictures.decoder import Decoder
from bot.playground.discord import commands
from bot.playground.discord.errors import Form
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


def share_checks(patch: pytest.MonkeyPatch) -> None:
    """A command that is as Discord's rules want it stays so."""
    known: set[str] = set()
    check = commands.check_command

    def checked(form: Form, path: commands.Path, body: Payload) -> None:
        key = repr(body)
        if key not in known:
            check(form, path, body)
            if not form._errors:
                known.add(key)

    patch.setattr(commands, "check_command", checked)


def paint_plainly(picture: Picture) -> bytes:
    """What the playground draws, but a landscape only where a mask says what is kept of one."""
    return draw(picture) if picture.mask else _plain(picture)


@cache
def _plain(picture: Picture) -> bytes:
    """A colour of its own for each picture: a tenth of a landscape's time."""
    colour = hashlib.sha256(repr(picture).encode()).digest()[:3]
    png = io.BytesIO()
    Image.new("RGB", (picture.width_px, picture.height_px), tuple(colour)).save(
        png, "PNG", compress_level=1
    )
    return png.getvalue()
