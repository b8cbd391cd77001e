"""/models: which models can be chosen here, what they are good for and what they cost."""

from collections.abc import Sequence

import discord

from bot.chat import buttons, wire
from bot.chat.client import EaselClient
from bot.chat.desk import Desk
from bot.chat.options import model_named, model_or_preset_choices
from bot.chat.origin import place_of
from bot.chat.render import add_fields
from bot.chat.texts import Phrase, listed, paired, say, tell_cost, tell_name, tell_summary
from bot.chat.texts.markdown import shortened
from bot.chat.translator import Choices, command
from bot.chat.wire import Interaction
from bot.domain.catalog import Model, Route
from bot.domain.policy import Place, is_model_allowed, models_here, nsfw_rule
from bot.domain.requests import QUALITIES, RESOLUTIONS
from bot.errors import Reason

#: argument of the button that shows all models; the select has none
ALL = "all"
#: characters and bytes of a summary in the list of all models, which takes 25 of them
SUMMARY_CHARS, SUMMARY_BYTES = 100, 300


class ModelCommands:
    def __init__(self, desk: Desk) -> None:
        self._easel = desk.easel
        self._catalog = desk.offered
        self._routing = desk.shop.routing

    def add_to(self, client: EaselClient) -> None:
        models = command("models")(self._models)
        models.autocomplete("model")(self._choices)
        client.tree.add_command(models)
        client.presses[buttons.MODEL] = self._press

    async def _models(self, interaction: Interaction, model: str | None = None) -> None:
        await self._show(interaction, model_named(model or "", self._catalog))

    async def _choices(self, _: Interaction, typed: str) -> Choices:
        offered = self._catalog.without(self._routing.ended())
        return model_or_preset_choices(offered, (), typed, {})

    async def _press(self, interaction: Interaction, which: str = "") -> None:
        if which not in ("", ALL):
            raise buttons.Outdated(which)
        await self._show(interaction, buttons.chosen(interaction) or "")

    async def _show(self, interaction: Interaction, model_id: str) -> None:
        """
        Args:
            model_id: the model to show; all are shown if it is empty or no longer in the catalog.
        """
        place, locale = place_of(interaction), str(interaction.locale)
        decided = self._easel.servers.known(place.server_id)
        filtered = nsfw_rule(decided.nsfw_checker, place).nsfw_checker
        there = self._catalog.without(self._routing.ended()).models
        offered = models_here(decided, there, self._routing.default_model)
        options = [
            discord.SelectOption(
                label=each,
                description=self._summary(each, locale)[: buttons.OPTION_CHARS_MAX] or None,
                value=each,
                default=each == model_id,
            )
            for each in offered[: buttons.OPTIONS_MAX]
        ]
        items: list[buttons.Item] = []
        if options:
            about = say(Phrase.MORE_ABOUT_MODEL, locale)
            items.append(buttons.select(about, options, buttons.MODEL))
        chosen = self._catalog.models.get(model_id)
        if chosen is None:
            embed = self._all(place, offered, locale, filtered=filtered)
        else:
            allowed = is_model_allowed(decided, model_id)
            embed = self._in_full(chosen, place, locale, filtered=filtered, allowed=allowed)
            items.append(buttons.button(say(Phrase.ALL_MODELS, locale), buttons.MODEL, ALL))
        await wire.show(interaction, [embed], buttons.view(*items))

    def _all(
        self, place: Place, offered: Sequence[str], locale: str, *, filtered: bool
    ) -> discord.Embed:
        """
        Args:
            offered: ids of the models that the server allows and that have not ended, the default
                first.
            filtered: the NSFW filter is on here.
        """
        embed = discord.Embed(title=say(Phrase.MODELS_TITLE, locale))
        unfiltered = []
        for model in (self._catalog.models[each] for each in offered):
            routes = self._routes(model, filtered=filtered)
            if filtered and not routes:
                unfiltered.append(model.id)
                continue
            name = model.id
            if model.id == offered[0]:
                name = say(Phrase.USED_BY_DEFAULT, locale, model=model.id)
            value = self._in_short(model, routes, place, locale)
            embed.add_field(name=name, value=value, inline=False)
        rest = {Phrase.UNFILTERED_MODELS: listed(unfiltered, locale)}
        add_fields(embed, rest, locale, inline=False)
        return embed

    def _in_short(self, model: Model, routes: Sequence[Route], place: Place, locale: str) -> str:
        summary = shortened(self._summary(model.id, locale), SUMMARY_CHARS, SUMMARY_BYTES)
        prices = self._easel.prices(place, model.id)
        if not prices:
            return f"{summary}\n{say(Phrase.NOT_RIGHT_NOW, locale)}"
        told = " · ".join(
            f"{resolution} {tell_cost(price, locale)}" for (resolution, _), price in prices.items()
        )
        seconds = min(self._routing.typical_s(route.id) for route in routes)
        usual = say(Phrase.USUALLY, locale, seconds=round(seconds))
        return "\n".join([summary, told, _with_end(usual, model, locale)])

    def _in_full(
        self, model: Model, place: Place, locale: str, *, filtered: bool, allowed: bool
    ) -> discord.Embed:
        """
        Args:
            filtered: the NSFW filter is on here.
            allowed: the server allows the model.
        """
        embed = discord.Embed(title=model.id)
        if model.id in self._routing.ended():
            facts = {"model": model.id, "since": str(model.retires)}
            embed.description = tell_name("refusals", Reason.RETIRED, locale, **facts)
            return embed
        embed.description = _with_end(self._summary(model.id, locale), model, locale)
        routes = self._routes(model, filtered=filtered)
        qualities = [each for each in QUALITIES if any(each in route.qualities for route in routes)]
        prices = self._easel.prices(place, model.id, ["auto", *qualities])
        if not allowed or not prices:
            lacks = Phrase.UNFILTERED_MODEL if filtered and not routes else Phrase.NOT_RIGHT_NOW
            why = lacks if allowed else Phrase.NOT_ALLOWED_HERE
            embed.description += f"\n{say(why, locale)}"
            return embed
        if not any(quality in qualities for _, quality in prices):
            # No route that is ready has them.
            qualities = []
        for quality in qualities or ["auto"]:
            lines = [
                paired(resolution, tell_cost(prices[resolution, quality], locale), locale)
                for resolution in RESOLUTIONS
                if (resolution, quality) in prices
            ]
            name = say(Phrase.QUALITY if qualities else Phrase.ONE_IMAGE, locale, quality=quality)
            embed.add_field(name=name, value="\n".join(lines) or say(Phrase.NOT_HERE, locale))
        abilities = "\n".join(_abilities(routes, locale))
        add_fields(embed, {Phrase.WHAT_IT_CAN_DO: abilities}, locale, inline=False)
        return embed

    def _summary(self, model_id: str, locale: str) -> str:
        return tell_summary(model_id, self._catalog.models[model_id].summary, locale)

    def _routes(self, model: Model, *, filtered: bool) -> list[Route]:
        """
        Args:
            filtered: only those with an NSFW filter.
        """
        return [
            route
            for route in model.routes
            if route.provider in self._routing.providers
            and route.nsfw_switch.serves(nsfw_checker=filtered)
        ]


def _abilities(routes: Sequence[Route], locale: str) -> list[str]:
    references = max(route.references_max for route in routes)
    about = [say(Phrase.TAKES_REFERENCES, locale, references=references)]
    if dearest_ucr := max(route.price.reference for route in routes):
        facts = {"references": references, "each_ucr": dearest_ucr}
        about = [say(Phrase.TAKES_PRICED_REFERENCES, locale, **facts)]
    if any(route.mask for route in routes):
        about.append(say(Phrase.TAKES_MASKS, locale))
    if any(route.transparency for route in routes):
        about.append(say(Phrase.MAKES_TRANSPARENCY, locale))
    ratios = dict.fromkeys(ratio for route in routes for ratio in route.sizes)
    return [*about, say(Phrase.SHAPES, locale, ratios=list(ratios))]


def _with_end(text: str, model: Model, locale: str) -> str:
    if not model.retires:
        return text
    return say(Phrase.MODEL_ENDS, locale, text=text, day=model.retires.isoformat())
