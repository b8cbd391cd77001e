"""/preferences: the values that count when a member leaves an option out."""

from collections.abc import Mapping

from msgspec.structs import replace

from bot.chat import buttons, render, wire
from bot.chat.client import EaselClient
from bot.chat.desk import Desk
from bot.chat.texts import Phrase, paired, say, tell_name
from bot.chat.translator import command
from bot.chat.wire import Interaction, Page
from bot.domain import policy
from bot.domain.preferences import Pings, Preferences
from bot.domain.requests import ASPECT_RATIOS, IMAGES_MAX, RESOLUTIONS

#: value of the choice to prefer no model
ANY = "any"
#: a resolution and a number of images, chosen together: a message has no room for a select of each
SIZES = {
    f"{resolution}/{count}": (resolution, count)
    for resolution in RESOLUTIONS
    for count in range(1, IMAGES_MAX + 1)
}


class PreferencesCommand:
    def __init__(self, desk: Desk) -> None:
        self._easel = desk.easel
        self._catalog = desk.offered
        self._routing = desk.shop.routing

    def add_to(self, client: EaselClient) -> None:
        client.tree.add_command(command("preferences")(self._show))
        client.begins["preferences"] = self._show
        client.presses[buttons.PREFER] = self._prefer

    async def _show(self, interaction: Interaction) -> None:
        await wire.answer(interaction, *self._panel(interaction))

    async def _prefer(self, interaction: Interaction, name: str) -> None:
        before = self._easel.preferences_of(interaction.user.id)
        after = self._changed(before, name, buttons.chosen(interaction) or "")
        await self._easel.prefer(interaction.user.id, after)
        await wire.update(interaction, *self._panel(interaction))

    def _panel(self, interaction: Interaction) -> Page:
        locale = str(interaction.locale)
        preferred = self._easel.preferences_of(interaction.user.id)
        embed = render.card(Phrase.PREFERENCES, locale, say(Phrase.PREFERENCES_HINT, locale))
        decided = self._easel.servers.known(interaction.guild_id or 0)
        ratios = {each: each for each in ASPECT_RATIOS} | {"auto": say(Phrase.RATIO_AUTO, locale)}
        sizes = {
            size: say(Phrase.SIZE_AND_COUNT, locale, resolution=resolution, images=count)
            for size, (resolution, count) in SIZES.items()
            if resolution in policy.resolutions_here(decided) and count <= decided.count_max
        }
        size = f"{preferred.resolution}/{preferred.count}"
        known = self._catalog.without(self._routing.ended() - {preferred.model}).models
        offered = [
            each
            for each in known
            if each == preferred.model or policy.is_model_allowed(decided, each)
        ][: buttons.OPTIONS_MAX - 1]
        models = {ANY: say(Phrase.ANY_MODEL, locale)} | {each: each for each in offered}
        model = preferred.model if preferred.model in offered else ANY
        pings = {each.value: tell_name("choices", f"pings_{each}", locale) for each in Pings}
        private = Phrase.PRIVATE_ON if preferred.private else Phrase.PRIVATE_OFF
        view = buttons.view(
            _select(Phrase.RATIO, "aspect_ratio", ratios, preferred.aspect_ratio, locale),
            _select(Phrase.PREFERRED_SIZE, "size", sizes, size, locale),
            _select(Phrase.MODEL, "model", models, model, locale),
            _select(Phrase.PREFERRED_PINGS, "pings", pings, preferred.pings, locale),
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
            case "pings" if chosen in set(Pings):
                return replace(before, pings=Pings(chosen))
            case "aspect_ratio" if chosen in ASPECT_RATIOS:
                return replace(before, aspect_ratio=chosen)
            case _:
                raise buttons.Outdated(name)


def _select(
    name: Phrase, what: str, labels: Mapping[str, str], chosen: str, locale: str
) -> buttons.Select:
    """A select with its name before each option, because a chosen one hides the placeholder."""
    title = say(name, locale)
    named = {value: paired(title, label, locale) for value, label in labels.items()}
    return buttons.select(title, buttons.options(named, {chosen}), buttons.PREFER, what)
