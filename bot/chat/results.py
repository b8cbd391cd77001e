"""What members do with a result: go on from it, see its details, publish it, delete it."""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import discord
from msgspec.structs import replace

from bot.about import about
from bot.chat import buttons, lists, log_channel, offers, originals, render, wire
from bot.chat.client import EaselClient
from bot.chat.desk import Desk
from bot.chat.files import open_files, open_sheet, send_fitting, show_sheet
from bot.chat.intake import Intake, prompt_back
from bot.chat.mentions import sees
from bot.chat.origin import check_permissions, place_of, spoken
from bot.chat.pictures import author_of, links_of
from bot.chat.shown import among_latest
from bot.chat.texts import Notice, Phrase, say
from bot.chat.wire import Interaction
from bot.domain import iterate, policy
from bot.domain.jobs import Job, Task, fields_of
from bot.domain.policy import nsfw_rule
from bot.domain.ports import ImageFile
from bot.domain.requests import ImageRequest, Reference
from bot.errors import UnusableImage
from bot.pictures.fit import Fitted
from bot.pictures.folder import images_of, sheet_of

log = logging.getLogger(__name__)

#: buttons that go on from one image: what makes the next request; None: there is no such request
GO_ON: Mapping[str, Callable[[Job, Reference], ImageRequest | None]] = {
    buttons.VARY: iterate.vary,
    buttons.LARGER: iterate.larger,
}


class Results:
    def __init__(self, desk: Desk, intake: Intake) -> None:
        self._easel = desk.easel
        self._intake = intake
        self._shop = desk.shop
        self._oversight = desk.oversight
        #: ids of channels and jobs that are being published there
        self._publishing: set[tuple[int, str]] = set()

    def add_to(self, client: EaselClient) -> None:
        client.presses |= {
            buttons.AGAIN: self._again,
            **{action: partial(self._go_on_from, action) for action in GO_ON},
            buttons.EDIT: self._edit,
            buttons.DETAILS: self._details,
            buttons.PUBLISH: self._publish,
            buttons.DELETE: self._delete,
            buttons.IMAGES: self._images,
            buttons.WORDS: self._words,
        }

    async def _again(self, interaction: Interaction, job_id: str, told: str = "0") -> None:
        job = await self._worded(interaction, job_id)
        await self._intake.offer(interaction, iterate.again(job), buttons.number(told))

    async def _go_on_from(
        self, action: str, interaction: Interaction, job_id: str, told: str, draft_id: str = ""
    ) -> None:
        """
        Args:
            draft_id: of the draft that has the images to choose from; empty: none was asked for.
        """
        if draft_id:
            job, _ = await self._job(interaction, job_id)
            draft = await self._intake.draft(interaction, draft_id)
            # The job as it was when its images were offered, and these, in their order.
            job, sources = replace(job, request=draft), draft.references
        else:
            job, sources = await self._sources(interaction, job_id)
        _check_words(job)
        chosen = buttons.chosen(interaction)
        if len(sources) > 1 and chosen is None:
            draft = replace(job.request, references=sources)
            # Refused before the question, so that nobody chooses in vain.
            await self._easel.check_draft(draft, place_of(interaction), interaction.user.id)
            locale = str(interaction.locale)
            labels = {
                str(index): say(Phrase.IMAGE_NUMBER, locale, number=index + 1)
                for index in range(len(sources))
            }
            # The question shows no images, so a draft keeps the links to those of the result.
            draft_id = await self._easel.keep_draft(interaction.user.id, draft)
            which = say(Phrase.WHICH_IMAGE, locale)
            options = buttons.options(labels, ())
            choice = buttons.select(which, options, action, job_id, told, draft_id)
            await wire.tell(interaction, which, view=buttons.view(choice))
            return
        index = buttons.number(chosen or "0")
        request = GO_ON[action](job, sources[index]) if index < len(sources) else None
        if request is None:
            # The button is not offered if there is no such request.
            raise buttons.Outdated(action)
        await self._intake.offer(interaction, request, buttons.number(told))

    async def _edit(self, interaction: Interaction, job_id: str, _told: str = "") -> None:
        job, sources = await self._sources(interaction, job_id)
        draft = replace(iterate.edit(job, sources[0]), references=sources)
        await self._intake.open_form(interaction, draft, which=len(sources) > 1)

    async def _words(self, interaction: Interaction, job_id: str) -> None:
        job = await self._worded(interaction, job_id)
        facts = job.problem.facts if job.problem else {}
        draft = iterate.reworded(iterate.again(job), facts)
        await self._intake.open_form(interaction, draft)

    async def _details(self, interaction: Interaction, job_id: str) -> None:
        job, tasks = await self._job(interaction, job_id)
        locale = str(interaction.locale)
        job = replace(job, locale=locale)
        embed = discord.Embed(title=say(Phrase.DETAILS, locale))
        parent = await self._easel.find(job.request.parent_id) if job.request.parent_id else None
        used = len(await self._easel.children(job.id))
        about_it = {
            Phrase.MODEL: render.knobs(job.request, locale),
            Phrase.BY_ROUTE: render.made_by(tasks, locale),
            Phrase.COST: render.cost(job, tasks),
            Phrase.ASKED: render.asked(job, locale),
            Phrase.FILTER: say(Phrase.ON if job.nsfw_checker else Phrase.OFF, locale),
            Phrase.FROM: lists.named(parent) if parent and _is_open(parent, interaction) else "",
            Phrase.USED_AGAIN: say(Phrase.TIMES, locale, times=used) if used else "",
        }
        render.add_fields(embed, about_it, locale)
        embed.set_footer(text=job.id)
        sheet = sheet_of(self._shop.folder, job)
        spoiler = policy.covers(place_of(interaction), job)
        show_sheet(embed, sheet, spoiler=spoiler)
        prompt = prompt_back(job.request.prompt, locale, Phrase.PROMPT)
        embeds = [embed, prompt] if prompt else [embed]
        await wire.answer(interaction, embeds, files=lambda: open_sheet(sheet, spoiler=spoiler))

    async def _delete(self, interaction: Interaction, job_id: str) -> None:
        job = await self._easel.find(job_id)
        if job is None or not buttons.offers(interaction.message, buttons.DELETE, job_id):
            raise wire.Declined(Notice.UNKNOWN_BUTTON)
        own = interaction.user.id == job.user_id or (job.user_id < 0 and _is_answer_to(interaction))
        if not own and not interaction.permissions.manage_messages:
            raise wire.Declined(Notice.NOT_YOURS)
        with about(**fields_of(job)):
            try:
                await wire.defer_update(interaction)
                await wire.delete(interaction.delete_original_response)
            except wire.CallFailed as error:
                log.warning("not deleted: %s", error, extra={"action": "not_deleted"})
                text = say(Notice.NOT_DELETED, str(interaction.locale))
                await wire.tell_beside(interaction, text)
                return
            log.info("result deleted", extra={"action": "result_deleted"})
            if not own:
                by = (interaction.guild_id or 0, job.id, interaction.user.id)
                await log_channel.tell(interaction, await self._oversight.note_deleted(*by))
            if interaction.message:
                await self._easel.forget_message(job.id, interaction.message.id)

    async def _publish(self, interaction: Interaction, job_id: str) -> None:
        job, tasks = await self._job(interaction, job_id)
        place = place_of(interaction)
        if interaction.user.id != job.user_id:
            raise wire.Declined(Notice.ONLY_THEIRS)
        if job.server_id != place.server_id:
            # The moderators here could not act on it.
            raise wire.Declined(Notice.NOT_OF_THIS_SERVER)
        decided = await self._easel.check_place(place, interaction.user.id)
        rule = nsfw_rule(decided.nsfw_checker, place)
        if rule.nsfw_checker and not job.nsfw_checker:
            raise wire.Declined(Notice.UNFILTERED)
        check_permissions(interaction)
        public = replace(
            job,
            request=replace(job.request, private=False),
            locale=spoken(interaction, decided, private=False),
        )
        spot = (place.channel_id, job.id)
        if spot in self._publishing:
            # It was pressed a moment ago, and is on its way.
            await wire.defer_update(interaction)
            return
        self._publishing.add(spot)
        try:
            await self.show(interaction, public, tasks, ephemeral=False)
        finally:
            self._publishing.remove(spot)

    async def _images(self, interaction: Interaction, job_id: str) -> None:
        """Show a job's images to its member alone. The action's name is from older versions."""
        job, tasks = await self._job(interaction, job_id)
        if interaction.user.id != job.user_id:
            raise wire.Declined(Notice.ONLY_THEIRS)
        await self.show(interaction, job, tasks, ephemeral=True)

    async def show(
        self, interaction: Interaction, job: Job, tasks: Sequence[Task], *, ephemeral: bool
    ) -> None:
        """Show a result with its buttons, in any place and at any time while its files are kept."""
        locale = str(interaction.locale)
        images = await originals.kept(self._shop.folder, tasks)
        if not images:
            raise self._gone(interaction, job)
        await wire.defer(interaction, ephemeral=ephemeral)
        if not wire.has_answer(interaction):
            return
        place = place_of(interaction)
        here = (place.channel_id, place.server_id)
        if not ephemeral and (found := await among_latest(interaction.client, job, *here)):
            link = found[0].jump_url
            await wire.tell_instead(interaction, say(Phrase.PUBLISHED_BEFORE, locale, link=link))
            return
        prices = offers.prices_here(self._easel, job, place)
        job = replace(job, spoiler=policy.covers(place, job))
        if ephemeral:
            job = replace(job, locale=locale, request=replace(job.request, private=True))
        publishable = job.server_id == place.server_id
        view = offers.beneath_result(job, images, prices, publishable=publishable)
        with about(**fields_of(job)):
            try:
                await self._attach(interaction, job, tasks, images, view)
            except (wire.CallFailed, UnusableImage, OSError) as error:
                log.warning("not given out: %s", error, extra={"action": "images_not_given_out"})
                notice = _why_not_shown(error)
                # Why a private image cannot be published is nobody else's business.
                tell = wire.tell if ephemeral else wire.tell_instead
                await tell(interaction, say(notice, locale))

    def _gone(self, interaction: Interaction, job: Job) -> wire.Declined:
        """What is said where no image of the job is kept, with buttons to begin anew."""
        link = render.jump_link(job)
        notice = Phrase.IMAGES_GONE_BUT if link else Notice.IMAGES_GONE
        shown = replace(job, locale=str(interaction.locale), problem=None)
        prices = offers.prices_here(self._easel, job, place_of(interaction))
        view = offers.beneath_failure(shown, prices)
        return wire.Declined(notice, view=view, link=link or "")

    async def _attach(
        self,
        interaction: Interaction,
        job: Job,
        tasks: Sequence[Task],
        images: Sequence[ImageFile],
        view: discord.ui.View,
    ) -> None:
        """
        Raises:
            CallFailed: Discord does not take the images here.
            UnusableImage: a kept file is damaged, and is to be made smaller.
        """
        now = self._shop.clock.now()
        sheet = sheet_of(self._shop.folder, job)
        made = images_of(self._shop.folder, tasks)
        places = [made.index(image) for image in images]
        file_bytes_max = interaction.filesize_limit
        # The result says what Discord takes here, not what it took where it was ordered.
        job = replace(job, reply=replace(job.reply, file_bytes_max=file_bytes_max))

        async def fill(fitted: Fitted) -> None:
            reduced = Notice.REDUCED if fitted.reduced else None
            embed = render.result(job, tasks, images, None, now, reduced)
            show_sheet(embed, sheet, spoiler=job.spoiler)
            files = partial(open_files, job, fitted, sheet, places)
            await wire.fill(interaction, embed, view, files)

        await send_fitting(images, file_bytes_max, self._shop.decoder, fill)

    async def _job(self, interaction: Interaction, job_id: str) -> tuple[Job, list[Task]]:
        """
        The job and its tasks.

        Raises:
            Declined: this member may not go on from it.
        """
        job = await self.find(job_id)
        # Only a member who was shown the job can have a message that names it.
        if not _is_open(job, interaction) and not buttons.names(interaction.message, job_id):
            raise wire.Declined(Notice.ONLY_THEIRS)
        if _is_public(interaction):
            # A private job was published here, so what goes on from it here is public, too.
            job = replace(job, request=replace(job.request, private=False))
        elif job.server_id != (interaction.guild_id or 0):
            # Its member looks at it alone in another place than it was shown in.
            job = replace(job, request=replace(job.request, private=True))
        return iterate.taken(job, interaction.user.id), await self._easel.tasks(job_id)

    async def find(self, job_id: str, unknown: Notice = Notice.UNKNOWN_BUTTON) -> Job:
        """
        Args:
            unknown: what is said if there is no such job.
        Raises:
            Declined: there is none, or moderators have removed its result.
        """
        job = await self._easel.find(job_id)
        if job is None:
            raise wire.Declined(unknown)
        if job.removed:
            raise wire.Declined(Notice.REMOVED)
        return job

    async def _worded(self, interaction: Interaction, job_id: str) -> Job:
        """
        Raises:
            Declined: this member may not go on from the job, or its words are kept no longer.
        """
        job, _ = await self._job(interaction, job_id)
        _check_words(job)
        return job

    async def _sources(
        self, interaction: Interaction, job_id: str
    ) -> tuple[Job, tuple[Reference, ...]]:
        """
        The job, and its images that can still be used: by the file on disk or, if that is gone, by
        the link in the message that was pressed.

        Raises:
            Declined: there are none, or this member may not go on from the job.
        """
        job, tasks = await self._job(interaction, job_id)
        links = links_of(interaction.message)
        usable = await originals.usable(self._shop.folder, job, tasks, links)
        if not usable:
            raise self._gone(interaction, job)
        return job, tuple(iterate.owned(each, job, interaction.user.id) for each in usable)


def _check_words(job: Job) -> None:
    """
    Raises:
        Declined: the job's words are kept no longer.
    """
    if not job.request.prompt:
        raise wire.Declined(Notice.WORDS_GONE)


def _why_not_shown(error: wire.CallFailed | UnusableImage | OSError) -> Notice:
    match error:
        case UnusableImage() | FileNotFoundError():
            # A kept file was damaged, so no smaller copy can be made of it; or it is gone by now.
            return Notice.IMAGES_GONE
        case OSError():
            # There is no room for a copy.
            return Notice.TRY_AGAIN_SOON
        case _:
            explicit = error.trouble is wire.Trouble.NOT_SHOWN
            return Notice.NOT_SHOWN_HERE if explicit else Notice.NOT_TAKEN_HERE


def _is_open(job: Job, interaction: Interaction) -> bool:
    """Whether the member may know of the job from its id alone: it is theirs, or they see it."""
    if job.removed:
        return False
    here = bool(job.server_id) and job.server_id == interaction.guild_id
    public = here and not job.request.private and sees(interaction, job.channel_id)
    return interaction.user.id == job.user_id or public


def _is_answer_to(interaction: Interaction) -> bool:
    """Whether the pressed message answers this member, who alone can have erased its job's data."""
    message, user = interaction.message, interaction.user
    # What was posted after the command's own answer was gone begins with a mention.
    return message is not None and (
        author_of(message) == user.id or message.content == user.mention
    )


def _is_public(interaction: Interaction) -> bool:
    message = interaction.message
    return message is not None and not message.flags.ephemeral
