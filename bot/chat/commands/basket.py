"""
*Edit image* and *Use as reference* in a message's menu, and /basket, in which a member gathers
pictures to work from.
"""

import hashlib
from collections.abc import Collection, Sequence

import discord
from msgspec.structs import replace

from bot.chat import buttons, originals, wire
from bot.chat.client import EaselClient
from bot.chat.desk import Desk
from bot.chat.intake import Intake
from bot.chat.origin import place_of
from bot.chat.pictures import author_of, job_shown, picture_options, pictures_of
from bot.chat.texts import Notice, Phrase, say
from bot.chat.texts.markdown import inert_line
from bot.chat.translator import command, label
from bot.chat.wire import Interaction, Page
from bot.domain.jobs import Job
from bot.domain.policy import covers, may_take_pictures
from bot.domain.requests import REFERENCES_MAX, Mode, Reference
from bot.errors import NotAllowed, Reason

#: embeds of one message (Discord docs, Message)
EMBEDS_MAX = 10
#: characters of a link in an embed (Discord docs, Embed Limits)
URL_CHARS_MAX = 2_048
#: characters of the digest by which a picture is chosen
MARK_CHARS = 16


class BasketCommands:
    def __init__(self, desk: Desk, intake: Intake) -> None:
        self._easel = desk.easel
        self._intake = intake
        self._folder = desk.shop.folder

    def add_to(self, client: EaselClient) -> None:
        tree = client.tree
        tree.context_menu(name=label("menus.edit_image"))(self._edit_image)
        tree.context_menu(name=label("menus.use_as_reference"))(self._use_as_reference)
        tree.add_command(command("basket")(self._basket))
        client.presses |= {
            buttons.TAKE_OUT: self._take_out,
            buttons.EMPTY: self._empty,
            buttons.FROM_BASKET: self._from_basket,
        }

    async def _edit_image(self, interaction: Interaction, message: discord.Message) -> None:
        pictures, job = await self._pictures(interaction, message)
        server_id, user_id = interaction.guild_id or 0, interaction.user.id
        draft = self._easel.preferred(Mode.EDIT, server_id, user_id)
        parent_id = job.id if job else ""
        draft = replace(draft, references=tuple(pictures), count=1, parent_id=parent_id)
        await self._intake.open_form(interaction, draft, which=len(pictures) > 1)

    async def _use_as_reference(self, interaction: Interaction, message: discord.Message) -> None:
        pictures, _ = await self._pictures(interaction, message)
        gathered = await self._easel.add_to_basket(interaction.user.id, pictures)
        await self._show(interaction, gathered)

    async def _pictures(
        self, interaction: Interaction, message: discord.Message
    ) -> tuple[list[Reference], Job | None]:
        """
        The message's pictures, and the job whose result they are, if any.

        Raises:
            Declined: there are none.
            NotAllowed: this member may not take them.
        """
        # Another bot's buttons may say anything.
        job_id = job_shown(message) if message.author == interaction.client.user else None
        job = await self._easel.find(job_id) if job_id else None
        pictures = pictures_of(message)
        if job and job.removed:
            raise wire.Declined(Notice.REMOVED)
        if job:
            tasks = await self._easel.tasks(job.id)
            pictures = await originals.as_kept(self._folder, job, tasks, pictures)
        if not pictures:
            raise wire.Declined(Notice.NO_PICTURE_THERE)
        author_id = job.user_id if job else author_of(message)
        decided = await self._easel.servers.settings(interaction.guild_id or 0)
        own = author_id == interaction.user.id
        if interaction.guild_id and not may_take_pictures(decided.picture_menus, own=own):
            raise NotAllowed(Reason.PICTURE_NOT_ALLOWED)
        named = 0 if own else author_id
        return [replace(each, author_id=named) for each in pictures[:REFERENCES_MAX]], job

    async def _basket(self, interaction: Interaction) -> None:
        await self._show(interaction, await self._easel.basket(interaction.user.id))

    async def _show(self, interaction: Interaction, gathered: Sequence[Reference]) -> None:
        makers, place = await self._easel.makers(gathered), place_of(interaction)

        def is_hidden(picture: Reference) -> bool:
            maker = makers.get(picture.kept_as)
            return picture.covered if maker is None else maker.removed or covers(place, maker)

        hidden = [picture for picture in gathered if is_hidden(picture)]
        await wire.show(interaction, *_shown(gathered, hidden, str(interaction.locale)))

    async def _take_out(self, interaction: Interaction) -> None:
        chosen = buttons.must_choose(interaction)
        gathered = await self._easel.basket(interaction.user.id)
        for index, picture in enumerate(gathered):
            if _mark(picture) == chosen:
                await self._easel.take_from_basket(interaction.user.id, index)
        await self._basket(interaction)

    async def _empty(self, interaction: Interaction) -> None:
        await self._easel.take_from_basket(interaction.user.id, None)
        await self._basket(interaction)

    async def _from_basket(self, interaction: Interaction, mode: str) -> None:
        if mode not in set(Mode):
            raise buttons.Outdated(mode)
        gathered = await self._easel.basket(interaction.user.id)
        if not gathered:
            raise wire.Declined(Notice.BASKET_EMPTY)
        server_id, user_id = interaction.guild_id or 0, interaction.user.id
        draft = self._easel.preferred(Mode(mode), server_id, user_id)
        await self._intake.open_form(interaction, replace(draft, references=tuple(gathered)))


def _mark(picture: Reference) -> str:
    """A mark of a picture that stays the same while others are added or taken out."""
    of_it = picture.kept_as or picture.address
    return hashlib.sha256(of_it.encode(errors="replace")).hexdigest()[:MARK_CHARS]


def _shown(gathered: Sequence[Reference], hidden: Collection[Reference], locale: str) -> Page:
    """
    The pictures, small, with the numbers by which a prompt can name them, and the buttons.

    Args:
        hidden: pictures that are named only, for an embed has no cover.
    """
    if not gathered:
        empty = discord.Embed(description=say(Notice.BASKET_EMPTY, locale))
        return [empty], buttons.view()
    embeds = []
    for number, picture in enumerate(gathered[:EMBEDS_MAX], start=1):
        name = say(Phrase.IMAGE_NUMBER, locale, number=number)
        embed = discord.Embed(description=f"**{name}**\n{inert_line(picture.filename)}")
        if 0 < len(picture.url) <= URL_CHARS_MAX and picture not in hidden:
            embed.set_thumbnail(url=picture.url)
        embeds.append(embed)
    rest = len(gathered) - len(embeds)
    kept = say(Phrase.BASKET_KEPT, locale, images=len(gathered), images_max=REFERENCES_MAX)
    more = say(Phrase.BASKET_MORE, locale, images=rest) if rest else ""
    embeds[-1].set_footer(text=f"{more} {kept}".strip())
    choices = picture_options({_mark(picture): picture for picture in gathered}, locale)
    return embeds, buttons.view(
        buttons.button(say(Phrase.DRAW_WITH_THEM, locale), buttons.FROM_BASKET, Mode.GENERATE),
        buttons.button(say(Phrase.EDIT_THE_FIRST, locale), buttons.FROM_BASKET, Mode.EDIT),
        buttons.button(say(Phrase.EMPTY_BASKET, locale), buttons.EMPTY),
        buttons.select(say(Phrase.TAKE_OUT, locale), choices, buttons.TAKE_OUT),
    )
