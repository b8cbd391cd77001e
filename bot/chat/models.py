"""/models: what can be chosen here, what it can do and what it costs."""

from collections.abc import Callable, Collection
from typing import Any

import discord
from discord import app_commands

from bot.chat import wire
from bot.domain.catalog import Catalog, Model
from bot.domain.credits import format_credits
from bot.domain.requests import RESOLUTIONS

#: fields of one embed (Discord docs, Embed Limits)
MODELS_MAX = 25


class ModelCommands:
    """
    Args:
        providers: names of those that are switched on.
        typical_s: of a route's id, the seconds that an image usually takes.
    """

    def __init__(
        self, catalog: Catalog, providers: Collection[str], typical_s: Callable[[str], float]
    ) -> None:
        self._catalog = catalog
        self._providers = providers
        self._typical_s = typical_s

    def add_to(self, tree: app_commands.CommandTree[Any]) -> None:
        tree.add_command(
            app_commands.Command(
                name="models",
                description="The models, what they can do, and what they cost",
                callback=self._models,
            )
        )

    async def _models(self, interaction: discord.Interaction[Any]) -> None:
        embed = discord.Embed(title="Models and prices of one image")
        for model in list(self._catalog.models.values())[:MODELS_MAX]:
            embed.add_field(name=model.id, value=self._describe(model), inline=False)
        await wire.answer(interaction, embed=embed, ephemeral=True)

    def _describe(self, model: Model) -> str:
        routes = [route for route in model.routes if route.provider in self._providers]
        if not routes:
            return f"{model.summary}\nNot available here."
        lines = [model.summary]
        for resolution in RESOLUTIONS:
            prices = [
                amount
                for route in routes
                for (offered, _), amount in route.price.images.items()
                if offered == resolution
            ]
            if prices:
                least, most = format_credits(min(prices)), format_credits(max(prices))
                lines.append(
                    f"{resolution}: {least}"
                    if least == most
                    else f"{resolution}: {least} to {most}"
                )
        references = max(route.references_max for route in routes)
        seconds = min(self._typical_s(route.id) for route in routes)
        lines.append(f"Up to {references} references, usually about {seconds:.0f} s")
        return "\n".join(lines)
