"""/imagine and /edit: they read the options, or open a form if there is no prompt."""

from typing import Any

from msgspec.structs import replace

from bot.chat import options, wire
from bot.chat.client import EaselClient
from bot.chat.desk import Desk
from bot.chat.intake import Intake, prompt_back
from bot.chat.mentions import as_seen
from bot.chat.origin import place_of
from bot.chat.texts import Notice
from bot.chat.texts.markdown import inert_line
from bot.chat.translator import Choices
from bot.chat.wire import Interaction
from bot.domain.requests import REFERENCES_MAX, ImageRequest, Mode, Reference, Turn
from bot.errors import InvalidRequest, Reason


class ImageCommands:
    def __init__(self, desk: Desk, intake: Intake) -> None:
        self._easel = desk.easel
        self._intake = intake
        self._catalog = desk.offered
        self._routing = desk.shop.routing

    def add_to(self, client: EaselClient) -> None:
        for mode, callback in ((Mode.GENERATE, self.imagine), (Mode.EDIT, self.edit)):
            made = options.image_command(mode, self._catalog, callback)
            made.autocomplete("quality")(self._qualities)
            made.autocomplete("model")(self._models)
            client.tree.add_command(made)
        client.begins["imagine"] = self.imagine

    async def imagine(self, interaction: Interaction, **given: Any) -> None:
        await self._take(interaction, Mode.GENERATE, given)

    async def edit(self, interaction: Interaction, **given: Any) -> None:
        await self._take(interaction, Mode.EDIT, given)

    async def _qualities(self, interaction: Interaction, typed: str) -> Choices:
        given = dict(iter(interaction.namespace))
        command: Any = interaction.command
        mode = Mode.EDIT if command.name == Mode.EDIT else Mode.GENERATE
        base = await self._base(interaction, mode, given.get("model") or "")
        if base is None:
            return []
        gathered = await self._gathered(interaction, given)
        request = options.read_request(base, given, self._catalog, gathered)
        if request.mode is Mode.EDIT and not request.references:
            # An edit costs more than its words, also before its image is attached.
            request = replace(request, references=(options.NOT_DESCRIBED,))
        prices = await self._easel.by_quality(request, place_of(interaction))
        return options.quality_choices(prices, typed)

    async def _models(self, interaction: Interaction, typed: str) -> Choices:
        presets = await self._easel.presets(interaction.user.id)
        allowed = self._easel.servers.known(interaction.guild_id or 0).allowed_models
        models = allowed or self._catalog.models.keys()
        offered = self._catalog.only(models - self._routing.ended())
        place = place_of(interaction)
        cheapest = self._easel.cheapest(place, offered.models)
        return options.model_or_preset_choices(offered, list(presets), typed, cheapest)

    async def _take(self, interaction: Interaction, mode: Mode, given: options.Given) -> None:
        locale = str(interaction.locale)
        model = given.get("model") or ""
        base = await self._base(interaction, mode, model)
        if base is None:
            name = inert_line(options.preset_in(model))
            words = prompt_back(given.get("prompt") or "", locale)
            raise wire.Declined(Notice.NO_PRESET, beside=words, name=name)
        gathered = await self._gathered(interaction, given)
        request = options.read_request(base, given, self._catalog, gathered)
        if given.get("use_basket") and not gathered:
            words = prompt_back(request.prompt, locale)
            raise wire.Declined(Notice.BASKET_EMPTY, beside=words)
        if len(request.references) > REFERENCES_MAX:
            # Refused before a form opens, so that nobody writes in vain.
            too_many = InvalidRequest(Reason.TOO_MANY_REFERENCES, references_max=REFERENCES_MAX)
            await self._intake.refuse(interaction, request, too_many)
            return
        if given.get("prompt") is None and not request.prompt:
            await self._intake.open_form(interaction, request)
            return
        request = replace(request, prompt=as_seen(request.prompt, interaction))
        await self._intake.take(interaction, request)

    async def _gathered(self, interaction: Interaction, given: options.Given) -> list[Reference]:
        """The member's basket, if they take it."""
        return await self._easel.basket(interaction.user.id) if given.get("use_basket") else []

    async def _base(self, interaction: Interaction, mode: Mode, model: str) -> ImageRequest | None:
        """The values of options that are left out; None: there is no preset of that name."""
        if not options.is_preset(model):
            return self._easel.preferred(mode, interaction.guild_id or 0, interaction.user.id)
        presets = await self._easel.presets(interaction.user.id)
        name = options.preset_meant(options.preset_in(model), presets)
        if name is None:
            return None
        kept = presets[name]
        # The edited image comes first; the preset's references come after it.
        kind = Mode.EDIT if mode is Mode.EDIT else kept.mode
        return replace(kept, mode=kind, parent_id="", turn=Turn.PLAIN)
