"""Jobs as Discord shows them: pure functions from a job to text, embeds and file names."""

from collections.abc import Collection, Sequence
from datetime import datetime

import discord

from bot.about import short
from bot.chat.texts import Notice, explain, say
from bot.domain.credits import tell_cost, tell_left
from bot.domain.jobs import KEPT, Job, JobState, Task, TaskState, latest
from bot.domain.ledger import Statement
from bot.domain.ports import ImageFile
from bot.domain.queue import QueuePosition
from bot.domain.requests import ImageRequest, Mode
from bot.domain.words import set_apart

#: characters of the prompt in an embed; the whole of it is what the member typed above
PROMPT_SHOWN_CHARS = 1_000
#: characters; Discord docs, Attachment Object
ALT_TEXT_CHARS_MAX = 1_024
#: characters of a prompt in a line of /history
HISTORY_PROMPT_CHARS = 60
BAR_CELLS = 12
#: seconds; a job that was begun and is not sent by then waits for its route's turn
SENT_WITHIN_S = 3.0
#: of the bar, at most, while the provider still works: only the result fills it
BAR_FILL_MAX = 0.95

WORKING = discord.Colour(0x5865F2)
DONE = discord.Colour(0x3BA55D)
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
    The status message before there is a result.

    Args:
        typical_s: seconds the route usually takes.
        position: of a queued job.
        finished: ids of tasks whose images are finished and being fetched.
    """
    if job.state is JobState.CANCELLED:
        return cancelled(job)
    embed = discord.Embed(colour=WORKING, description=quote_prompt(job.request))
    images = latest(tasks)
    elapsed_s = max(0.0, (now - (job.started_at or now)).total_seconds())
    unsent = all(task.state is TaskState.PENDING for task in images)
    if job.state is JobState.QUEUED or (unsent and elapsed_s > SENT_WITHIN_S):
        embed.title = "Queued"
        embed.add_field(name="Place in the queue", value=queue_position(position))
    else:
        embed.title = "Editing" if job.request.mode is Mode.EDIT else "Drawing"
        stored = sum(task.state is TaskState.STORED for task in images)
        count = f" · {stored} of {len(images)} done" if len(images) > 1 else ""
        begun = f"`{bar(elapsed_s, typical_s)}` usually about {typical_s:.0f} s"
        fetching = any(task.id in finished for task in images)
        embed.add_field(
            name=f"{elapsed_s:.0f} s{count}", value="finished, fetching it" if fetching else begun
        )
    embed.set_footer(text=f"{knobs(job.request)} · up to {tell_cost(job.quote_ucr)} held")
    return embed


def cancelled(job: Job) -> discord.Embed:
    embed = discord.Embed(colour=FAILED, title="Cancelled", description=quote_prompt(job.request))
    embed.set_footer(text=say(Notice.NOTHING_CHARGED, job.locale))
    return embed


def queue_position(position: QueuePosition | None) -> str:
    if position is None or position.ahead == 0:
        return "next in line"
    minutes = round(position.wait_s / 60)
    wait = f"about {minutes} min" if minutes else "less than a minute"
    return f"{position.ahead} ahead of you, {wait}"


def result(
    job: Job, tasks: Sequence[Task], images: Sequence[ImageFile], balance_ucr: int, *, reduced: bool
) -> discord.Embed:
    """
    The finished job; its images are attachments beside the embed.

    Args:
        reduced: the files were made smaller to fit Discord's limit.
    """
    embed = discord.Embed(colour=DONE, description=quote_prompt(job.request))
    embed.title = "Edited" if job.request.mode is Mode.EDIT else "Here it is"
    embed.add_field(name="Model", value=f"{job.request.model}\n{made_by(tasks)}")
    embed.add_field(name="Cost", value=cost(job, tasks))
    if job.request.private:
        # In public, it is nobody else's business.
        embed.add_field(name="Balance left", value=tell_left(balance_ucr))
    notes = []
    images_asked = latest(tasks)
    problems = [task.problem for task in images_asked if task.problem]
    if problems:
        notes.append(
            f"{len(problems)} of {len(images_asked)} images could not be made:"
            f" {explain(problems[0], job.locale)}"
        )
    if job.request.instead_of:
        models = {"default": job.request.instead_of, "model": job.request.model}
        notes.append(say(Notice.DRAWN_INSTEAD, job.locale, **models))
    if reduced:
        limit_mb = job.reply.file_bytes_max / 1024**2
        notes.append(
            f"Discord takes files of up to {limit_mb:.0f} MiB here, so this is a smaller copy;"
            " the original is kept."
        )
    if job.spoiler:
        notes.append(
            "Covered, because the NSFW filter is off and this channel is not age-restricted."
        )
    if notes:
        embed.add_field(name="Note", value="\n".join(notes), inline=False)
    sizes = dict.fromkeys(
        f"{image.width_px}\N{MULTIPLICATION SIGN}{image.height_px}" for image in images
    )
    embed.set_footer(text=f"{knobs(job.request)} · {', '.join(sizes)}")
    return embed


def made_by(tasks: Sequence[Task]) -> str:
    """The providers whose routes made the images."""
    stored = [task for task in tasks if task.state is TaskState.STORED]
    return f"by {', '.join(dict.fromkeys(_route_name(task.route_id) for task in stored))}"


def _route_name(route_id: str) -> str:
    """The provider and, where it has several routes to a model, which of them."""
    route, _, mode = route_id.partition("@")
    provider = route.partition("/")[0]
    return f"{provider} ({mode})" if mode else provider


def cost(job: Job, tasks: Sequence[Task]) -> str:
    """What was charged; marked where the vendor did not say its part."""
    text = tell_cost(job.cost_ucr or 0)
    return text if all(task.cost_known for task in tasks) else f"{text} (as quoted)"


def failure(job: Job) -> discord.Embed:
    """A job that has no image. It must have a problem."""
    assert job.problem is not None
    embed = discord.Embed(colour=FAILED, title="No image this time")
    embed.description = explain(job.problem, job.locale)
    if job.problem.failure not in KEPT:
        # What Discord would not take may have been the words.
        embed.description += f"\n\n{quote_prompt(job.request)}"
    embed.set_footer(text=f"{knobs(job.request)} · {short(job.id)}")
    return embed


def account(told: Statement, price_ucr: int | None, now: datetime) -> discord.Embed:
    """
    Args:
        told: as a command given now would find it.
        price_ucr: of an image whose command names nothing but the prompt; None: there is none.
    """
    account, allowance = told.account, told.account.refilled_to
    assert allowance is not None
    embed = discord.Embed(colour=WORKING, title=f"{tell_left(account.available_ucr)} left")
    if price_ucr:
        pictures = account.available_ucr // price_ucr
        embed.description = (
            f"Enough for about {pictures:,} plain pictures at {tell_cost(price_ucr)} each."
        )
    refill = f"<t:{int(allowance.refills_at(now).timestamp())}:R>"
    embed.add_field(
        name="Allowance",
        value=f"{tell_left(account.allowance_ucr)} of {tell_left(allowance.amount_ucr)},"
        f" refills {refill}",
    )
    if account.grant_ucr:
        granted = f"{tell_left(account.grant_ucr)}, does not expire"
        embed.add_field(name="Granted", value=granted)
    if told.held_ucr:
        held = f"{tell_cost(told.held_ucr)} for images under way; what they do not cost comes back"
        embed.add_field(name="Held", value=held)
    if told.spendings:
        lines = [
            f"<t:{int(each.asked_at.timestamp())}:R> {tell_cost(each.cost_ucr)}"
            for each in told.spendings
        ]
        embed.add_field(name="Spent last", value="\n".join(lines), inline=False)
    return embed


def history(jobs: Sequence[Job], *, images: bool) -> discord.Embed:
    """
    A member's jobs, newest first.

    Args:
        images: some of them have images to give out.
    """
    embed = discord.Embed(colour=WORKING, title="Your latest images here")
    embed.description = "\n".join(map(_history_line, jobs)) or "None yet: try `/imagine`."
    if images:
        embed.set_footer(text="The buttons give images as large as Discord takes where you press.")
    return embed


def _history_line(job: Job) -> str:
    prompt = " ".join(job.request.prompt.split())
    if len(prompt) > HISTORY_PROMPT_CHARS:
        prompt = prompt[:HISTORY_PROMPT_CHARS] + "…"
    prompt = set_apart(discord.utils.escape_markdown(prompt))
    if job.message_id and job.state is JobState.DONE and not job.request.private:
        server = job.server_id or "@me"
        link = f"https://discord.com/channels/{server}/{job.channel_id}/{job.message_id}"
        prompt = f"[{prompt}]({link})"
    match job.state:
        case JobState.DONE:
            ending = tell_cost(job.cost_ucr or 0)
        case JobState.FAILED if job.problem:
            ending = explain(job.problem, job.locale)
        case JobState.CANCELLED:
            ending = "cancelled"
        case _:
            ending = "under way"
    return f"<t:{int(job.created_at.timestamp())}:R> {prompt} · {ending}"


def quote_prompt(request: ImageRequest) -> str:
    prompt = " ".join(request.prompt.split())
    if len(prompt) > PROMPT_SHOWN_CHARS:
        prompt = prompt[:PROMPT_SHOWN_CHARS] + "…"
    return f"> {discord.utils.escape_markdown(prompt)}"


def knobs(request: ImageRequest) -> str:
    """What was asked for besides the prompt."""
    parts = [request.model]
    if request.aspect_ratio != "auto":
        parts.append(request.aspect_ratio)
    parts.append(request.resolution)
    if request.quality != "auto":
        parts.append(f"{request.quality} quality")
    if request.background != "auto":
        parts.append(f"{request.background} background")
    if request.references:
        images = len(request.references)
        parts.append(f"{images} reference{'s' if images > 1 else ''}")
    return " · ".join(parts)


def bar(elapsed_s: float, typical_s: float) -> str:
    """Full at the typical time but for the last cell, which only the result fills."""
    fill = min(elapsed_s / typical_s, BAR_FILL_MAX)
    filled = int(fill * BAR_CELLS)
    return "█" * filled + "░" * (BAR_CELLS - filled)


def alt_text(request: ImageRequest) -> str:
    return request.prompt[:ALT_TEXT_CHARS_MAX]


def file_name(job: Job, index: int, suffix: str) -> str:
    return f"easel-{job.id[-8:]}-{index + 1}{suffix}"
