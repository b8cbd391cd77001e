"""/preferences: the values that count when a member leaves an option out."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import discord
from discord import SelectOption

from bot.chat import buttons, render, wire
from bot.chat.client import EaselClient
from bot.chat.desk import Desk
from bot.chat.texts import say
from bot.chat.texts.phrases import Phrase
from bot.chat.translator import label
from bot.chat.wire import Interaction, Page
from bot.domain import policy
from bot.domain.catalog import Catalog
from bot.domain.preferences import Pings, Preferences
from bot.domain.requests import ASPECT_RATIOS, IMAGES_MAX, RESOLUTIONS
from bot.domain.settings import ServerSettings

#: value of the choice to prefer no model
ANY = "any"
PINGS = {
    Pings.NEVER: Phrase.PINGS_NEVER,
    Pings.LONG: Phrase.PINGS_LONG,
    Pings.ALWAYS: Phrase.PINGS_ALWAYS,
}
#: a resolution and a number of images, chosen together: a message has no room for a select of each
SIZES = {
    f"{resolution}/{count}": (resolution, count)
    for resolution in RESOLUTIONS
    for count in range(1, IMAGES_MAX + 1)
}


class PreferencesCommand:
    """
    Args:
        catalog: the models that are offered here.
    """

    def __init__(self, desk: Desk, catalog: Catalog) -> None:
        self._easel = desk.easel
        self._catalog = catalog

    def add_to(self, client: EaselClient) -> None:
        description = label("commands.preferences")
        client.tree.command(name="preferences", description=description)(self.show)
        client.presses[buttons.PREFER] = self._prefer

    async def show(self, interaction: Interaction) -> None:
        await wire.show(interaction, *self._panel(interaction))

    async def _prefer(self, interaction: Interaction, name: str) -> None:
        before = self._easel.preferences_of(interaction.user.id)
        after = self._changed(before, name, buttons.chosen(interaction) or "")
        await self._easel.prefer(interaction.user.id, after)
        await wire.update(interaction, *self._panel(interaction))

    def _panel(self, interaction: Interaction) -> Page:
        locale = str(interaction.locale)
        preferred = self._easel.preferences_of(interaction.user.id)
        embed = discord.Embed(title=say(Phrase.PREFERENCES, locale), colour=render.WORKING)
        embed.description = say(Phrase.PREFERENCES_HINT, locale)
        decided = self._easel.servers.known(interaction.guild_id or 0)
        known = self._catalog.models
        models = [each for each in known if policy.is_model_allowed(decided, each)]
        models = models[: buttons.OPTIONS_MAX - 1]
        model = preferred.model if preferred.model in models else ANY
        private = Phrase.PRIVATE_ON if preferred.private else Phrase.PRIVATE_OFF
        view = buttons.view(
            _select(
                Phrase.PREFERRED_RATIO,
                locale,
                _options(ASPECT_RATIOS, preferred.aspect_ratio, locale, auto=Phrase.RATIO_AUTO),
                "aspect_ratio",
            ),
            _select(Phrase.PREFERRED_SIZE, locale, _sizes(preferred, decided, locale), "size"),
            _select(
                Phrase.PREFERRED_MODEL,
                locale,
                _options([ANY, *models], model, locale, auto=Phrase.ANY_MODEL),
                "model",
            ),
            _select(Phrase.PREFERRED_PINGS, locale, _pings(preferred, locale), "pings"),
            buttons.button(say(private, locale), buttons.PREFER, "private"),
            buttons.button(say(Phrase.RESET, locale), buttons.PREFER, "reset"),
        )
        return [embed], view

    def _changed(self, before: Preferences, name: str, chosen: str) -> Preferences:
        """
        Raises:
            Outdated: there is no such preference, or it cannot have that value.
        """
        match name:
            case "reset":
                return Preferences()
            case "private":
                return replace(before, private=not before.private)
            case "size" if chosen in SIZES:
                resolution, count = SIZES[chosen]
                return replace(before, resolution=resolution, count=count)
            case "model" if chosen == ANY or chosen in self._catalog.models:
                return replace(before, model="" if chosen == ANY else chosen)
            case "pings" if chosen in PINGS:
                return replace(before, pings=Pings(chosen))
            case "aspect_ratio" if chosen in ASPECT_RATIOS:
                return replace(before, aspect_ratio=chosen)
            case _:
                raise buttons.Outdated(name)


def _select(
    name: Phrase, locale: str, options: Sequence[SelectOption], what: str
) -> discord.ui.Select[Any]:
    """A select with its name before each option, because a chosen one hides the placeholder."""
    for option in options:
        option.label = f"{say(name, locale)}: {option.label}"
    return buttons.select(say(name, locale), options, buttons.PREFER, what)


def _options(words: Sequence[str], chosen: str, locale: str, *, auto: Phrase) -> list[SelectOption]:
    """
    Args:
        auto: the label of the first word.
    """
    return [
        SelectOption(
            label=say(auto, locale) if word == words[0] else word,
            value=word,
            default=word == chosen,
        )
        for word in words
    ]


def _sizes(preferred: Preferences, decided: ServerSettings, locale: str) -> list[SelectOption]:
    return [
        SelectOption(
            label=say(Phrase.SIZE_AND_COUNT, locale, resolution=resolution, images=count),
            value=size,
            default=(resolution, count) == (preferred.resolution, preferred.count),
        )
        for size, (resolution, count) in SIZES.items()
        if resolution in policy.resolutions_here(decided) and count <= decided.count_max
    ]


def _pings(preferred: Preferences, locale: str) -> list[SelectOption]:
    return [
        SelectOption(label=say(name, locale), value=pings, default=pings is preferred.pings)
        for pings, name in PINGS.items()
    ]
