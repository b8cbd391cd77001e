"""/preferences: what counts for a member where they leave an option out."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import discord
from discord import SelectOption, app_commands

from bot.chat import buttons, render, wire
from bot.chat.desk import Desk
from bot.chat.texts import say
from bot.chat.texts.phrases import Phrase
from bot.chat.translator import label
from bot.domain import policy
from bot.domain.catalog import Catalog
from bot.domain.preferences import Pings, Preferences
from bot.domain.requests import ASPECT_RATIOS
from bot.domain.settings import ServerSettings

Interaction = discord.Interaction[Any]

#: in the place of a model that none is preferred to
ANY = "any"
PINGS = {
    Pings.NEVER: Phrase.PINGS_NEVER,
    Pings.LONG: Phrase.PINGS_LONG,
    Pings.ALWAYS: Phrase.PINGS_ALWAYS,
}
OPTIONS_MAX = 25


class PreferencesCommand:
    """
    Args:
        catalog: what is offered here.
    """

    def __init__(self, desk: Desk, catalog: Catalog) -> None:
        self._easel = desk.easel
        self._catalog = catalog

    def add_to(
        self, tree: app_commands.CommandTree[Any], presses: dict[str, buttons.Press]
    ) -> None:
        tree.add_command(
            app_commands.Command(
                name="preferences", description=label("commands.preferences"), callback=self.show
            )
        )
        presses[buttons.PREFER] = self._prefer

    async def show(self, interaction: Interaction) -> None:
        embed, view = self._panel(interaction)
        await wire.answer(interaction, embed=embed, ephemeral=True, view=view)

    async def _prefer(self, interaction: Interaction, name: str) -> None:
        before = self._easel.preferences_of(interaction.user.id)
        await self._easel.prefer(interaction.user.id, _changed(before, name, _chosen(interaction)))
        embed, view = self._panel(interaction)
        await wire.update(interaction, embed=embed, view=view)

    def _panel(self, interaction: Interaction) -> tuple[discord.Embed, discord.ui.View]:
        locale = str(interaction.locale)
        preferred = self._easel.preferences_of(interaction.user.id)
        embed = discord.Embed(title=say(Phrase.PREFERENCES, locale), colour=render.WORKING)
        embed.description = say(Phrase.PREFERENCES_HINT, locale)
        decided = self._easel.servers.known(interaction.guild_id or 0)
        known = self._catalog.models
        models = [each for each in known if policy.is_model_allowed(decided, each)]
        models = models[: OPTIONS_MAX - 1]
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
        return embed, view


def _changed(before: Preferences, name: str, chosen: str) -> Preferences:
    match name:
        case "reset":
            return Preferences()
        case "private":
            return replace(before, private=not before.private)
        case "size":
            resolution, _, count = chosen.partition("/")
            return replace(before, resolution=resolution, count=int(count))
        case "model":
            return replace(before, model="" if chosen == ANY else chosen)
        case "pings":
            return replace(before, pings=Pings(chosen))
        case _:
            return replace(before, aspect_ratio=chosen)


def _chosen(interaction: Interaction) -> str:
    data: Any = interaction.data
    return str(data.get("values", [""])[0])


def _select(
    name: Phrase, locale: str, options: Sequence[SelectOption], what: str
) -> discord.ui.Select[Any]:
    return buttons.select(say(name, locale), options, buttons.PREFER, what)


def _options(words: Sequence[str], chosen: str, locale: str, *, auto: Phrase) -> list[SelectOption]:
    """
    Args:
        auto: what the first of the words is called.
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
            value=f"{resolution}/{count}",
            default=(resolution, count) == (preferred.resolution, preferred.count),
        )
        for resolution in policy.resolutions_here(decided)
        for count in range(1, decided.count_max + 1)
    ]


def _pings(preferred: Preferences, locale: str) -> list[SelectOption]:
    return [
        SelectOption(label=say(name, locale), value=pings, default=pings is preferred.pings)
        for pings, name in PINGS.items()
    ]
