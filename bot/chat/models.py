"""/models: what can be chosen here, what it can do and what it costs."""

from collections.abc import Callable, Collection
from typing import Any

import discord
from discord import app_commands

from bot.chat import wire
from bot.chat.commands import place_of
from bot.domain.catalog import Catalog, Model, NsfwSwitch
from bot.domain.credits import format_credits
from bot.domain.policy import nsfw_rule
from bot.domain.requests import RESOLUTIONS
from bot.engine.easel import Easel


class ModelCommands:
    """
    Args:
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
        tree.add_command(
            app_commands.Command(
                name="models",
                description="The models, what they can do, and what they cost",
                callback=self._models,
            )
        )

    async def _models(self, interaction: discord.Interaction[Any]) -> None:
        decided = await self._easel.settings(interaction.guild_id or 0)
        rule = nsfw_rule(decided.nsfw_checker, place_of(interaction))
        embed = discord.Embed(title="Models and prices of one image")
        for model in self._catalog.models.values():
            mark = " (used if you name none)" if model.id == self._default_model else ""
            value = self._describe(model, nsfw_checker=rule.nsfw_checker)
            if model.retires:
                value += f"\nIts makers end it on {model.retires:%d %B %Y}."
            embed.add_field(name=model.id + mark, value=value, inline=False)
        await wire.answer(interaction, embed=embed, ephemeral=True)

    def _describe(self, model: Model, *, nsfw_checker: bool) -> str:
        routes = [route for route in model.routes if route.provider in self._providers]
        if not routes:
            return f"{model.summary}\nNot available here."
        if nsfw_checker:
            routes = [route for route in routes if route.nsfw_switch is not NsfwSwitch.NONE]
        if not routes:
            return f"{model.summary}\nNot here: the NSFW filter is on, and it has none."
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
        if dearest := max(route.price.reference for route in routes):
            lines.append(f"Each reference: up to {format_credits(dearest)} more")
        references = max(route.references_max for route in routes)
        seconds = min(self._typical_s(route.id) for route in routes)
        lines.append(f"Up to {references} references, usually about {seconds:.0f} s")
        return "\n".join(lines)
