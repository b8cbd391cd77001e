"""/models: what can be chosen here, what it is good for and what it costs."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import discord
from discord import app_commands

from bot.chat import wire
from bot.chat.commands import place_of
from bot.chat.options import model_choices
from bot.domain.catalog import Catalog, Model, NsfwSwitch, Route
from bot.domain.credits import tell_cost
from bot.domain.policy import Place, nsfw_rule
from bot.domain.requests import QUALITIES, RESOLUTIONS
from bot.engine.easel import Easel

NO_FILTER = "Not here, for the NSFW filter is on and they have none"
NOT_NOW = "Not right now: its services are down."


class ModelCommands:
    """
    Args:
        catalog: what is offered here.
        providers: names of those that are switched on.
        default_model: its id.
        typical_s: of a route's id, the seconds that an image usually takes.
    """

    def __init__(
        self,
        catalog: Catalog,
        providers: Collection[str],
        easel: Easel,
        default_model: str,
        typical_s: Callable[[str], float],
    ) -> None:
        self._catalog = catalog
        self._providers = providers
        self._easel = easel
        self._default_model = default_model
        self._typical_s = typical_s

    def add_to(self, tree: app_commands.CommandTree[Any]) -> None:
        command: app_commands.Command[Any, ..., None] = app_commands.Command(
            name="models",
            description="The models, what they are good for, and what they cost",
            callback=self._models,
        )
        app_commands.describe(model="One model, with everything about it")(command)
        app_commands.choices(model=model_choices(self._catalog))(command)
        tree.add_command(command)

    async def _models(
        self, interaction: discord.Interaction[Any], model: str | None = None
    ) -> None:
        place = place_of(interaction)
        chosen = self._catalog.models.get(model or "")
        if chosen:
            embed = await self._in_full(chosen, place)
        else:
            embed = await self._all(place)
        await wire.answer(interaction, embed=embed, ephemeral=True)

    async def _all(self, place: Place) -> discord.Embed:
        embed = discord.Embed(title="Models, and prices of one image")
        unfiltered = []
        filtered = await self._is_filtered(place)
        for model in self._catalog.models.values():
            prices = await self._easel.prices(place, model.id)
            if filtered and not self._has_filter(model):
                unfiltered.append(model.id)
                continue
            mark = " (used if you name none)" if model.id == self._default_model else ""
            value = self._in_short(model, prices)
            embed.add_field(name=model.id + mark, value=value, inline=False)
        if unfiltered:
            embed.add_field(name=NO_FILTER, value=", ".join(unfiltered), inline=False)
        return embed

    def _in_short(self, model: Model, prices: Mapping[tuple[str, str], int]) -> str:
        if not prices:
            return f"{model.summary}\n{NOT_NOW}"
        told = " · ".join(
            f"{resolution} {tell_cost(price)}" for (resolution, _), price in prices.items()
        )
        seconds = min(self._typical_s(route.id) for route in self._routes(model))
        return "\n".join([model.summary, told, f"usually about {seconds:.0f} s{_ending(model)}"])

    async def _in_full(self, model: Model, place: Place) -> discord.Embed:
        embed = discord.Embed(title=model.id, description=model.summary + _ending(model))
        routes = self._routes(model)
        qualities = [each for each in QUALITIES if any(each in route.qualities for route in routes)]
        prices = await self._easel.prices(place, model.id, qualities or ["auto"])
        if not prices:
            unfiltered = await self._is_filtered(place) and not self._has_filter(model)
            why = f"{NO_FILTER}." if unfiltered else NOT_NOW
            embed.description = f"{embed.description}\n{why}"
            return embed
        for quality in qualities or ["auto"]:
            lines = [
                f"{resolution}: {tell_cost(prices[resolution, quality])}"
                for resolution in RESOLUTIONS
                if (resolution, quality) in prices
            ]
            name = f"{quality} quality" if qualities else "One image"
            embed.add_field(name=name, value="\n".join(lines) or "not here")
        about = [f"Up to {max(route.references_max for route in routes)} references"]
        if dearest := max(route.price.reference for route in routes):
            about[0] += f", each up to {tell_cost(dearest)} more"
        if any(route.mask for route in routes):
            about.append("A mask can confine an edit")
        if any(route.transparency for route in routes):
            about.append("The background can be transparent")
        ratios = dict.fromkeys(ratio for route in routes for ratio in route.sizes)
        about.append(f"Shapes: {', '.join(ratios)}")
        embed.add_field(name="What it can do", value="\n".join(about), inline=False)
        return embed

    async def _is_filtered(self, place: Place) -> bool:
        decided = await self._easel.settings(place.server_id)
        return nsfw_rule(decided.nsfw_checker, place).nsfw_checker

    def _has_filter(self, model: Model) -> bool:
        return any(route.nsfw_switch is not NsfwSwitch.NONE for route in self._routes(model))

    def _routes(self, model: Model) -> list[Route]:
        return [route for route in model.routes if route.provider in self._providers]


def _ending(model: Model) -> str:
    return f"; its makers end it on {model.retires:%d %B %Y}" if model.retires else ""
