"""/privacy: what is stored of a member and for how long, with buttons to export or erase it."""

import asyncio
import logging

import discord

from bot.chat import buttons, render, wire
from bot.chat.client import EaselClient
from bot.chat.desk import Desk
from bot.chat.files import opening
from bot.chat.texts import Notice, Phrase, paragraph, say
from bot.chat.translator import command
from bot.chat.wire import Interaction
from bot.engine.export import Parcel

log = logging.getLogger(__name__)

#: files of one export, each in its own message, because a message takes little more than one
PARTS_MAX = 10
#: the same where a member alone has installed the bot, and Discord takes five messages after the
#: answer (Discord docs, Create Followup Message)
GUEST_PARTS_MAX = 6


class PrivacyCommand:
    def __init__(self, desk: Desk) -> None:
        self._easel = desk.easel
        self._desk = desk
        self._exporting = asyncio.Lock()

    def add_to(self, client: EaselClient) -> None:
        client.tree.add_command(command("privacy")(self._show))
        client.presses[buttons.PRIVACY] = self._press

    async def _show(self, interaction: Interaction) -> None:
        locale = str(interaction.locale)
        kept, lines = self._desk.shop.house.keep, [say(Notice.STORED, locale)]
        for days, told, otherwise in (
            (kept.prompts_days, Notice.PROMPTS_KEPT, Notice.PROMPTS_KEPT_FOR_EVER),
            (kept.results_days, Notice.RESULTS_KEPT, Notice.RESULTS_NOT_KEPT),
            (kept.jobs_days, Notice.JOBS_KEPT, Notice.JOBS_KEPT_FOR_EVER),
        ):
            lines.append(say(told if days else otherwise, locale, days=days))
        lines += [say(each, locale) for each in (Notice.LEDGER_KEPT, Notice.VENDORS_GET)]
        if (await self._easel.servers.settings(interaction.guild_id or 0)).private_seen:
            lines.append(say(Notice.PRIVATE_SEEN, locale))
        embed = render.card(Phrase.PRIVACY, locale, "\n".join(f"- {line}" for line in lines))
        view = buttons.view(
            buttons.button(say(Phrase.EXPORT_MINE, locale), buttons.PRIVACY, "export"),
            buttons.button(say(Phrase.ERASE_MINE, locale), buttons.PRIVACY, "erase"),
        )
        await wire.answer(interaction, [embed], view)

    async def _press(self, interaction: Interaction, what: str) -> None:
        does = {"export": self._export, "erase": self._ask, "now": self._erase}.get(what)
        if does is None:
            raise buttons.Outdated(what)
        await does(interaction)

    async def _ask(self, interaction: Interaction) -> None:
        locale = str(interaction.locale)
        words = say(Phrase.ERASE_NOW, locale)
        sure = buttons.button(words, buttons.PRIVACY, "now", style=buttons.DANGER)
        await wire.tell(interaction, say(Notice.ERASE_ASKED, locale), view=buttons.view(sure))

    async def _erase(self, interaction: Interaction) -> None:
        await wire.defer(interaction, ephemeral=True)
        begun = await self._desk.privacy.erase(interaction.user.id)
        locale = str(interaction.locale)
        told = []
        if begun.cancelled:
            told.append(say(Notice.CANCELLED_FIRST, locale, jobs=begun.cancelled))
        if begun.finishing:
            told.append(say(Notice.ERASED_AFTER, locale, jobs=begun.finishing))
        else:
            told.append(say(Notice.ERASED, locale))
        await wire.tell(interaction, paragraph(*told))

    async def _export(self, interaction: Interaction) -> None:
        """Write the export to disk, send it from there, and remove it; one after the other."""
        await wire.defer(interaction, ephemeral=True)
        name, bytes_max = f"{interaction.id}-export", interaction.filesize_limit
        # Zero stands for a server, and for the bot's own direct messages.
        guest = 0 not in interaction._integration_owners
        parts_max = GUEST_PARTS_MAX if guest else PARTS_MAX
        async with self._exporting:
            parcel = Parcel(self._desk.shop.folder, name, bytes_max, parts_max)
            try:
                await self._desk.export.of_member(interaction.user.id, parcel)
                await self._send(interaction, parcel)
            except OSError as error:
                # There is no room for it.
                log.warning("not exported: %s", error, extra={"action": "export_not_written"})
                raise wire.Declined(Notice.TRY_AGAIN_SOON) from error
            finally:
                parcel.remove()

    async def _send(self, interaction: Interaction, parcel: Parcel) -> None:
        locale = str(interaction.locale)
        if any(not name.startswith("images/") for name in parcel.left_out):
            raise wire.Declined(Notice.TOO_LARGE_TO_EXPORT)
        told = [say(Notice.EXPORTED, locale, parts=len(parcel.paths))]
        if parcel.left_out:
            told.append(say(Notice.NOT_EXPORTED, locale, files=len(parcel.left_out)))
        embed = discord.Embed(description=paragraph(*told))
        first, *others = (
            opening(path, f"easel-export-{number}.zip")
            for number, path in enumerate(parcel.paths, start=1)
        )
        try:
            await wire.fill(interaction, embed, buttons.view(), first)
            for each in others:
                await wire.send_beside(interaction, each)
        except wire.CallFailed as error:
            log.warning("not exported: %s", error, extra={"action": "export_not_sent"})
            notice = Notice.TRY_AGAIN_SOON
            if error.trouble is wire.Trouble.TOO_LARGE:
                notice = Notice.TOO_LARGE_TO_EXPORT
            await wire.tell_beside(interaction, say(notice, locale))
