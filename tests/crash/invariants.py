"""What must hold once a healthy process has finished everything, whatever died before."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from bot.chat.render import SHEET_NAME
from bot.domain.jobs import Failure
from bot.pictures.folder import sheet_name
from bot.playground.discord import Call, Message
from bot.playground.discord.interactions import TOKEN_LIFE_S
from bot.playground.studio import Completes
from bot.store.database import open_database
from bot.store.ledger import audit
from tests.crash.matrix import Matrix, rows
from tests.crash.plan import Command, Kind

JOB_KINDS = ("hold", "settle", "release", "refund")
ENDED = ("done", "failed", "cancelled")
RESULT, FAILURE, CANCELLED, STATUS, OTHER = "result", "failure", "cancelled", "status", "other"


class Case(Struct):
    """A command, its job if it was accepted, and all that was ever shown of it."""

    command: Command
    call: Call
    job: Any
    tasks: list[Any]
    entries: list[Any]
    messages: list[Message]
    token_died: bool

    @property
    def name(self) -> str:
        job = f"job {self.job['id']} ({self.job['state']})" if self.job else "no job"
        return f"{self.command.kind} {self.command.prompt!r}, {job}"

    @property
    def stored(self) -> list[Any]:
        return [task for task in self.tasks if task["state"] == "stored"]

    @property
    def answered(self) -> bool:
        return self.call.interaction.answered_with is not None

    @property
    def reachable(self) -> bool:
        """Whether Discord takes an ending at all: a private one goes by the token or not."""
        if not self.command.private:
            return True
        return self.answered and not self.token_died and self.command.kind is not Kind.UNDELIVERABLE

    @property
    def doubtful(self) -> bool:
        """
        Edited in for one member alone, and its token dead before that was committed: nobody can
        ask Discord what stands there, so it is decided in the member's favour.
        """
        undeliverable = bool(self.job) and self.job["failure"] == Failure.UNDELIVERABLE
        return self.command.private and self.token_died and undeliverable

    def shown(self, *kinds: str) -> list[Message]:
        return [message for message in self.messages if kind_of(message) in kinds]


def kind_of(message: Message) -> str:
    if message.attachments:
        return RESULT
    title = message.embeds[0].get("title", "") if message.embeds else ""
    footer = message.embeds[0].get("footer", {}).get("text", "") if message.embeds else ""
    if title == "No image this time":
        return FAILURE
    if title == "Cancelled":
        return CANCELLED
    return STATUS if "held" in footer else OTHER


async def check(matrix: Matrix) -> list[str]:
    """Every violation, as a sentence."""
    async with open_database(f"sqlite:///{matrix.database}") as database:
        found = list(await database.read(audit))
    cases = list(cases_of(matrix))
    for case in cases:
        complaints = [*_ledger(case), *_told(case, matrix), *_provider(case, matrix)]
        found += [f"{complaint}: {case.name}" for complaint in complaints]
    found += _files(matrix, cases)
    found += matrix.troubles
    if b"Traceback" in matrix.log.read_bytes():
        found.append(f"a traceback in {matrix.log}")
    return found


def cases_of(matrix: Matrix) -> Iterator[Case]:
    jobs = rows(matrix.database, "SELECT * FROM jobs")
    tasks, entries = defaultdict(list), defaultdict(list)
    for task in rows(matrix.database, "SELECT * FROM tasks ORDER BY image_index, id"):
        tasks[task["job_id"]].append(task)
    for entry in rows(matrix.database, "SELECT * FROM entries WHERE job_id IS NOT NULL"):
        entries[entry["job_id"]].append(entry)
    everything = [m for place in matrix.discord.world.channels.values() for m in place.messages]
    now_s = matrix.discord.clock.now_s()
    for command, call in matrix.calls:
        of_command = [job for job in jobs if command.prompt in job["request"]]
        assert len(of_command) <= 1, f"{len(of_command)} jobs of {command.prompt!r}"
        job = of_command[0] if of_command else None
        key = job["id"] if job else ""
        shown = [
            message
            for message in everything
            if any(
                f"> {command.prompt}" in embed.get("description", "").splitlines()
                for embed in message.embeds
            )
        ]
        token_died = now_s - call.interaction.created_at_s > TOKEN_LIFE_S - 60
        yield Case(command, call, job, tasks[key], entries[key], shown, token_died)


def _ledger(case: Case) -> Iterator[str]:
    if case.job is None:
        return
    state, cost = case.job["state"], case.job["cost_ucr"]
    if state not in ENDED:
        yield "not ended"
    kinds = Counter(entry["kind"] for entry in case.entries)
    if kinds["hold"] != 1 or kinds["settle"] + kinds["release"] != 1:
        yield f"entries {dict(kinds)}"
    net = sum(e["allowance_ucr"] + e["grant_ucr"] for e in case.entries if e["kind"] in JOB_KINDS)
    charged = kinds["settle"] == 1 and not kinds["refund"] and (cost or 0) > 0
    if net != -(cost or 0):
        yield f"the ledger took {-net}, the job cost {cost}"
    if charged and cost != sum(task["cost_ucr"] for task in case.stored):
        yield f"charged {cost} for {len(case.stored)} images"
    delivered = bool(case.shown(RESULT))
    if state == "done" and not (delivered and charged):
        yield f"done, but delivered {delivered} and charged {charged}"
    if state != "done" and (charged or (delivered and not case.doubtful)):
        yield f"{state}, but delivered {delivered} and charged {charged}"


def _told(case: Case, matrix: Matrix) -> Iterator[str]:
    """What the member sees: one ending, in the right place, of the right images."""
    results = case.shown(RESULT)
    endings = case.shown(RESULT, FAILURE, CANCELLED)
    if len(endings) > 1:
        yield f"{len(endings)} endings shown: {[kind_of(message) for message in endings]}"
    if case.job is None:
        if endings or case.shown(STATUS):
            yield "shown, but not accepted"
        return
    if case.job["state"] not in ENDED:
        return
    expected = {"done": RESULT, "failed": FAILURE, "cancelled": CANCELLED}[case.job["state"]]
    # A job is also taken back when its answer is refused, or another's: nobody is told then.
    unseen = not case.reachable or case.job["failure"] == Failure.UNANSWERED
    if not case.shown(expected) and not unseen:
        yield f"{expected} not shown; instead {[kind_of(message) for message in case.messages]}"
    if case.shown(STATUS) and not case.token_died and case.reachable:
        yield "still shown as under way"
    posted = [m for m in case.messages if m.id not in case.call.interaction.message_ids]
    if posted and case.answered and not case.token_died:
        yield "posted in the channel beside a living answer"
    for message in results:
        pictures = [each for each in message.attachments if each.filename != SHEET_NAME]
        if len(pictures) != len(case.stored):
            yield f"{len(pictures)} files for {len(case.stored)} images"
        hashes = {hashlib.sha256(a.file.path.read_bytes()).hexdigest() for a in pictures}
        if [matrix.painted.get(each) for each in hashes] != [case.command.prompt] * len(
            case.stored
        ):
            yield "not its own images, each once"
    for message in case.messages:
        if message.channel_id != case.call.interaction.channel.id:
            yield "in another channel"
        user_id = case.call.interaction.user.id
        alone = message.is_ephemeral and message.visible_to_id == user_id
        if case.command.private != message.is_ephemeral or (case.command.private and not alone):
            yield "shown to the wrong people"


def _provider(case: Case, matrix: Matrix) -> Iterator[str]:
    """One accepted submission an image at most, and none lost whose id was committed."""
    sent = [s for s in matrix.providers.submissions if s.body.get("prompt") == case.command.prompt]
    accepted = {s.task_id for s in sent if s.task_id}
    known = {vendors_id(task) for task in case.tasks if task["provider_task_id"]}
    unknown = [task for task in case.tasks if task["failure"] == Failure.OUTCOME_UNKNOWN]
    if len(sent) > sum(task["submits"] for task in case.tasks):
        yield f"{len(sent)} submissions, more than were begun"
    if not known <= accepted:
        yield f"task ids {known - accepted} are not the provider's"
    if len(accepted - known) > len(unknown):
        yield f"{len(accepted - known)} accepted submissions beside the committed ones"
    for task in case.tasks:
        if task["provider_task_id"] is None:
            continue
        at_provider = matrix.providers.studio.task(vendors_id(task))
        assert at_provider is not None
        if isinstance(at_provider.ending, Completes) and task["state"] != "stored":
            yield f"the image of {task['provider_task_id']} is lost ({task['failure']})"


def vendors_id(task: Any) -> str:
    """The last part of the address, where a task is asked for by one."""
    return str(task["provider_task_id"]).rpartition("/")[2]


def _files(matrix: Matrix, cases: list[Case]) -> Iterator[str]:
    kept = {
        task["image_name"]
        for case in cases
        if case.job and case.job["state"] in ("failed", "done")
        for task in case.stored
    }
    there = {path.name for path in (matrix.folder / "images").iterdir()} - {".writable"}
    # Beside images that are kept lies the sheet of their references.
    there -= {sheet_name(case.job["id"]) for case in cases if case.job and case.stored}
    if there - kept:
        yield f"files left: {sorted(there - kept)}"
    if kept - there:
        yield f"images gone that were delivered nowhere: {sorted(kept - there)}"
