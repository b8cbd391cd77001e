"""Shows jobs on Discord: pure functions from a job to text, embeds and file names."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import discord

from bot.about import short
from bot.chat.texts import Notice, Phrase, explain, listed, say, tell_cost, tell_name, why
from bot.chat.texts.markdown import LINE_BYTES, LINE_CHARS, inert, shortened
from bot.domain.jobs import KEPT, OPEN_TASK_STATES, Failure, Job, JobState, Task, TaskState, latest
from bot.domain.ports import ImageFile
from bot.domain.queue import QueuePosition
from bot.domain.requests import ImageRequest, Mode, Turn, denied

#: characters and bytes of the prompt in an embed; Details shows all of it
PROMPT_SHOWN_CHARS = 600
PROMPT_SHOWN_BYTES = 1_500
#: lines of the prompt in an embed, because short lines hardly count as characters
PROMPT_SHOWN_LINES = 6
#: characters (Discord docs, Attachment Object)
ALT_TEXT_CHARS_MAX = 1_024
#: cells of the progress bar
BAR_CELLS = 12
#: seconds; a job that has begun and sent nothing by then is waiting for its route's turn
SENT_WITHIN_S = 3.0
#: share of the bar that is filled at most while the provider works: only the result fills it
BAR_FILL_MAX = 0.95
#: times the usual time, after which an image counts as taking longer than usual
LONG_TIMES = 1.5
#: share by which a ratio may differ from the one asked for, because sizes are whole multiples
RATIO_TOLERANCE = 0.06
#: pixels of the longer side at least, by resolution
SIDE_MIN_PX = {"1K": 768, "2K": 1_536, "4K": 3_000}
#: name of the file in which an embed shows small pictures, such as references
SHEET_NAME = "references.webp"

WORKING = discord.Colour(0x5865F2)
FAILED = discord.Colour(0xED4245)


def status(
    job: Job,
    tasks: Sequence[Task],
    now: datetime,
    *,
    typical_s: float,
    position: QueuePosition | None = None,
    finished: Collection[str] = (),
) -> discord.Embed:
    """
    The status message of a job that is waiting or under way.

    Args:
        typical_s: seconds that an image usually takes on the job's route.
        position: the job's place in the queue, if it is queued.
        finished: ids of tasks whose images are finished and being fetched.
    """
    embed = discord.Embed(colour=WORKING, description=quote_prompt(job.request))
    images = latest(tasks)
    elapsed_s = max(0.0, (now - (job.started_at or now)).total_seconds())
    unsent = all(task.state is TaskState.PENDING for task in images)
    if job.state is JobState.QUEUED or (unsent and elapsed_s > SENT_WITHIN_S):
        embed.title = say(Phrase.QUEUED, job.locale)
        place = say(Phrase.PLACE, job.locale)
        embed.add_field(name=place, value=queue_position(position, job.locale))
    else:
        editing = job.request.mode is Mode.EDIT
        embed.title = say(Phrase.EDITING if editing else Phrase.DRAWING, job.locale)
        name = say(
            Phrase.BEGUN_OF if len(images) > 1 else Phrase.BEGUN,
            job.locale,
            begun=stamp(job.started_at or now),
            done=sum(task.state is TaskState.STORED for task in images),
            images=len(images),
        )
        under_way = [task for task in images if task.state in OPEN_TASK_STATES]
        fetching = under_way and all(task.id in finished for task in under_way)
        if fetching:
            line = say(Notice.FETCHING if len(images) == 1 else Notice.FETCHING_REST, job.locale)
        else:
            pace = Phrase.TAKES_LONGER if elapsed_s > LONG_TIMES * typical_s else Phrase.USUALLY
            usual = say(pace, job.locale, seconds=round(typical_s))
            line = f"`{bar(elapsed_s, typical_s)}` {usual}"
        embed.description = f"{embed.description}\n\n{name}\n{line}"
    held = say(Phrase.HELD, job.locale, held_ucr=job.quote_ucr)
    embed.set_footer(text=f"{knobs(job.request, job.locale)} · {held}")
    return embed


def cancelled(job: Job) -> discord.Embed:
    embed = discord.Embed(colour=FAILED, description=quote_prompt(job.request))
    embed.title = kind(Failure.CANCELLED, job.locale)
    facts = job.problem.facts if job.problem else {}
    if "by_id" in facts:
        embed.description = f"{embed.description}\n{say(Notice.CANCELLED_BY, job.locale, **facts)}"
    elif job.problem and job.problem.failure is not Failure.CANCELLED:
        embed.description = f"{embed.description}\n{why(job.problem, job.locale)}"
    embed.set_footer(text=say(Notice.NOTHING_CHARGED, job.locale))
    return embed


def unwatched(job: Job) -> discord.Embed:
    embed = discord.Embed(colour=FAILED, description=quote_prompt(job.request))
    embed.title = say(Phrase.NOT_AWAITED_ANY_MORE, job.locale)
    if job.problem:
        # A footer would show a time as it is written.
        embed.description = f"{explain(job.problem, job.locale)}\n\n{embed.description}"
        return embed
    if job.state is JobState.DELIVERING:
        text = say(Notice.MADE_UNAWAITED, job.locale, cost_ucr=job.cost_ucr or 0)
    else:
        text = say(Notice.NOT_AWAITED, job.locale, cost_ucr=job.quote_ucr)
    embed.set_footer(text=text)
    return embed


def queue_position(position: QueuePosition | None, locale: str) -> str:
    if position is None or position.ahead == 0:
        return say(Phrase.NEXT_IN_LINE, locale)
    parts = [say(Phrase.AHEAD, locale, ahead=position.ahead)]
    if position.own:
        parts.append(say(Phrase.OWN_AHEAD, locale, own=position.own))
    minutes = round(position.wait_s / 60)
    wait = say(Phrase.WAIT_MINUTES, locale, minutes=minutes) if minutes else ""
    return listed([*parts, wait or say(Phrase.WAIT_SHORT, locale)], locale)


def result(
    job: Job,
    tasks: Sequence[Task],
    images: Sequence[ImageFile],
    balance_ucr: int | None,
    now: datetime,
    reduced: Notice | None,
) -> discord.Embed:
    """
    What is said beneath the images, which are attachments of the same message.

    Args:
        balance_ucr: what the member has left; None: it is not told.
        now: when it is delivered, which counts as the end of a job that has not ended.
        reduced: says that the files were made smaller to fit Discord's limit, if they were.
    """
    request = job.request
    lines = [quote_prompt(request), f"-# {_about(job, tasks, images, now)}"]
    if request.private and balance_ucr is not None:
        # In public, the balance is nobody else's business.
        lines.append(f"-# {say(Phrase.BALANCE_LEFT, job.locale, left_ucr=balance_ucr)}")
    lines += [f"-# {note}" for note in _notes(job, tasks, images, reduced=reduced)]
    return discord.Embed(description="\n".join(line for line in lines if line))


def _about(job: Job, tasks: Sequence[Task], images: Sequence[ImageFile], now: datetime) -> str:
    sizes = dict.fromkeys(
        f"{each.width_px}\N{MULTIPLICATION SIGN}{each.height_px}" for each in images
    )
    took_s = ((job.finished_at or now) - job.created_at).total_seconds()
    parts = [mention(job.user_id, job.locale), knobs(job.request, job.locale)]
    took = say(Phrase.TOOK, job.locale, seconds=max(1, round(took_s)))
    parts += [listed(sizes, job.locale), took, cost(job, tasks)]
    return " · ".join(filter(None, parts))


def mention(user_id: int, locale: str) -> str:
    """
    Args:
        user_id: negative: the member's data was erased.
    """
    return f"<@{user_id}>" if user_id > 0 else say(Phrase.NOBODY_ANY_MORE, locale)


def asked(job: Job, locale: str) -> str:
    """Who gave the job's command, and when."""
    return f"{mention(job.user_id, locale)} {stamp(job.created_at, 'f')}"


def author(by_id: int, locale: str) -> str:
    """
    Whoever did something to members, jobs or settings.

    Args:
        by_id: a moderator's id; 0: the operator.
    """
    return mention(by_id, locale) if by_id else say(Phrase.HOST, locale)


def _notes(
    job: Job, tasks: Sequence[Task], images: Sequence[ImageFile], *, reduced: Notice | None
) -> list[str]:
    """Notes on what differs from what was asked for, and on covers and pictures by others."""
    locale, request = job.locale, job.request
    notes = []
    images_asked = latest(tasks)
    problems = [task.problem for task in images_asked if task.problem]
    if problems:
        missing, reason = len(problems), why(problems[0], locale)
        facts = {"missing": missing, "images": len(images_asked)}
        notes.append(say(Notice.SOME_MISSING, locale, why=reason, **facts))
    if request.instead_of:
        preferred = request.instead_of == request.prefers
        notice = Notice.DRAWN_AGAINST_PREFERENCE if preferred else Notice.DRAWN_INSTEAD
        models = {"default": request.instead_of, "model": request.model}
        notes.append(say(notice, locale, **models))
    if wishes := denied(request):
        notes.append(say(Notice.WITHOUT_WISHES, locale, wishes=wishes))
    odd = next((each for each in images if not _has_ratio(each, request.aspect_ratio)), None)
    if odd:
        notes.append(_drawn(Notice.OTHER_RATIO, locale, request.aspect_ratio, odd))
    least_px = SIDE_MIN_PX.get(request.resolution, 0)
    small = next((each for each in images if max(each.width_px, each.height_px) < least_px), None)
    if small:
        notes.append(_drawn(Notice.OTHER_SIZE, locale, request.resolution, small))
    if reduced:
        notes.append(say(reduced, locale, bytes_max=job.reply.file_bytes_max))
    if job.covered:
        notes.append(say(Notice.COVERED_BY_MODERATOR, locale))
    elif job.spoiler:
        notes.append(say(Notice.COVERED, locale))
    authors = dict.fromkeys(each.author_id for each in request.references if each.author_id)
    if named := [mention(each, locale) for each in authors]:
        notes.append(say(Notice.PICTURE_BY, locale, authors=named))
    return notes


def _drawn(notice: Notice, locale: str, asked: str, image: ImageFile) -> str:
    return say(notice, locale, asked=asked, width=image.width_px, height=image.height_px)


def _has_ratio(image: ImageFile, asked: str) -> bool:
    if asked == "auto" or not image.height_px:
        return True
    across, down = map(int, asked.split(":"))
    return abs(image.width_px / image.height_px * down / across - 1) <= RATIO_TOLERANCE


def made_by(tasks: Sequence[Task], locale: str) -> str:
    """The routes that made the images, as `route_name` has them."""
    stored = [task for task in tasks if task.state is TaskState.STORED]
    return listed(dict.fromkeys(route_name(task.route_id) for task in stored), locale)


def route_name(route_id: str) -> str:
    """The provider and, if it has several routes to the model, which of them."""
    route, _, mode = route_id.partition("@")
    provider = route.partition("/")[0]
    return f"{provider} ({mode})" if mode else provider


def cost(job: Job, tasks: Sequence[Task]) -> str:
    """What was charged; marked as quoted if a vendor did not say its cost."""
    text = tell_cost(job.cost_ucr or 0, job.locale)
    if all(task.cost_known for task in tasks):
        return text
    return say(Phrase.AS_QUOTED, job.locale, cost=text)


def failure(job: Job) -> discord.Embed:
    """The message on a job that has no image to show. The job must have a problem."""
    assert job.problem is not None
    embed = discord.Embed(colour=FAILED, title=say(Phrase.NO_IMAGE, job.locale))
    named = kind(job.problem.failure, job.locale)
    embed.description = f"**{named}**\n{explain(job.problem, job.locale)}"
    if job.problem.failure not in KEPT:
        # If Discord did not take the message, the prompt may be the reason.
        embed.description += f"\n\n{quote_prompt(job.request)}"
    embed.set_footer(text=f"{knobs(job.request, job.locale)} · {short(job.id)}")
    return embed


#: failures that are of the same kind as another
ALIKE = {
    Failure.PROVIDER_MISCONFIGURED: Failure.PROVIDER_DOWN,
    Failure.BAD_RESULT: Failure.PROVIDER_FAILED,
    Failure.RESULT_LOST: Failure.PROVIDER_FAILED,
    Failure.NO_IMAGE: Failure.PROVIDER_FAILED,
    Failure.NOT_SHOWN: Failure.UNDELIVERABLE,
    Failure.WAITED_TOO_LONG: Failure.TIMED_OUT,
    Failure.UNANSWERED: Failure.CANCELLED,
    Failure.REMOVED: Failure.CANCELLED,
}


def kind(failure: Failure, locale: str) -> str:
    """The kind of a failure, in a few words; its card begins with it."""
    return tell_name("kinds", ALIKE.get(failure, failure), locale)


def card(title: Phrase, locale: str, text: str = "") -> discord.Embed:
    """What one reader is shown beneath a title."""
    return discord.Embed(colour=WORKING, title=say(title, locale), description=text)


def add_fields(
    embed: discord.Embed, fields: Mapping[Phrase, str], locale: str, *, inline: bool = True
) -> None:
    """Add a field to the embed for each name that has a value."""
    for name, value in fields.items():
        if value:
            embed.add_field(name=say(name, locale), value=value, inline=inline)


def quote_prompt(request: ImageRequest) -> str:
    """The prompt as a quote, with inert markup, shortened by lines, characters and bytes."""
    lines = [" ".join(line.split()) for line in request.prompt.splitlines()]
    lines = [line for line in lines if line]
    text = "\n".join(lines[:PROMPT_SHOWN_LINES])
    shown = shortened(text, PROMPT_SHOWN_CHARS, PROMPT_SHOWN_BYTES)
    if shown == text and len(lines) > PROMPT_SHOWN_LINES:
        shown += "…"
    return "\n".join(f"> {inert(line)}" for line in shown.splitlines())


def knobs(request: ImageRequest, locale: str) -> str:
    """The request's options besides the prompt, in one line."""
    parts = [request.model] if request.model else []
    if request.turn is Turn.VARY:
        parts.append(say(Phrase.VARIATION, locale))
    if request.turn is Turn.LARGER:
        parts.append(say(Phrase.LARGER_COPY, locale))
    if request.aspect_ratio != "auto":
        parts.append(request.aspect_ratio)
    parts.append(request.resolution)
    if request.quality != "auto":
        parts.append(say(Phrase.QUALITY, locale, quality=request.quality))
    if request.background != "auto":
        parts.append(say(Phrase.BACKGROUND, locale, background=request.background))
    if request.references:
        parts.append(say(Phrase.REFERENCES, locale, references=len(request.references)))
    return " · ".join(parts)


def stamp(moment: datetime, style: str = "R") -> str:
    """A time that Discord shows in the reader's own zone and language, and keeps up to date."""
    return f"<t:{int(moment.timestamp())}:{style}>"


def first_words(job: Job) -> str:
    """As much of the job's prompt as a line takes."""
    return shortened(" ".join(job.request.prompt.split()), LINE_CHARS, LINE_BYTES) or "…"


def jump_link(job: Job) -> str | None:
    """A link to the result's message; None: there is none that others can see, or none known."""
    unposted = job.request.private or (job.unwatched and job.keeps_images)
    if not job.message_id or job.state is not JobState.DONE or unposted:
        return None
    return link_to(job, job.message_id)


def link_to(job: Job, message_id: int) -> str:
    """A link to a message in the job's channel; a partial message's own one names no server."""
    return f"https://discord.com/channels/{job.server_id or '@me'}/{job.channel_id}/{message_id}"


def bar(elapsed_s: float, typical_s: float) -> str:
    """The progress bar: full at the typical time, except for the last cell."""
    filled = int(min(elapsed_s / typical_s, BAR_FILL_MAX) * BAR_CELLS)
    return "█" * filled + "░" * (BAR_CELLS - filled)


def alt_text(request: ImageRequest, locale: str) -> str:
    """What a screen reader says of an image: how it was made, and from which prompt."""
    notice = Phrase.ALT_EDITED if request.mode is Mode.EDIT else Phrase.ALT_DRAWN
    prompt = " ".join(request.prompt.split())
    return shortened(say(notice, locale, prompt=prompt), ALT_TEXT_CHARS_MAX, 4 * ALT_TEXT_CHARS_MAX)


def file_stem(job: Job, index: int) -> str:
    """
    The name of an image's file, without its ending.

    Args:
        index: 0-3, counted among the images that the job has.
    """
    return f"easel-{job.id[-8:]}-{index + 1}"
