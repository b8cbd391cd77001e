"""What the engine and the chat need of the database, as Protocols."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bot.domain.jobs import Failure, Job, Problem, Task
from bot.domain.ledger import Account
from bot.domain.policy import NsfwMode, SettingChange
from bot.domain.ports import ImageFile
from bot.domain.pricing import Cost
from bot.domain.queue import QueuePlace
from bot.domain.waiting import Latency
from bot.errors import Refusal


@dataclass(frozen=True, slots=True)
class Offer:
    """A job as it would be accepted, at one of the quotes that it may be held at."""

    job: Job
    tasks: tuple[Task, ...]


@dataclass(frozen=True, slots=True)
class Accepted:
    job: Job
    tasks: tuple[Task, ...]
    in_queue: QueuePlace


@dataclass(frozen=True, slots=True)
class Claimed:
    """Jobs with their tasks, in the order of their images."""

    jobs: tuple[tuple[Job, list[Task]], ...]
    #: whether there are jobs in the queue that were not claimed
    others_wait: bool


class Jobs(Protocol):
    """
    The jobs' rows. Each method is one transaction; each step raises StepLost where the row has
    left the state it starts from.
    """

    async def accept(
        self,
        server_id: int,
        user_id: int,
        interaction_id: int,
        offers: Mapping[NsfwMode, Sequence[Offer] | Refusal],
    ) -> Accepted:
        """
        Refill the account if that is due, hold a quote and insert the job, or do none of it.

        The job is ours until `hand_over`: nobody works on it before its member has an answer.

        Args:
            offers: for each mode that the server may have, the dearest quote first; the first one
                that the account covers is held.
        Raises:
            Repeated: the interaction has a job already; nothing is held.
            Busy: the queue is full, or the member's part of it.
            InsufficientCredits: the account covers no quote.
            Refusal: what is given for the server's mode.
        """
        ...

    async def hand_over(self, job_id: str, message_id: int | None) -> None:
        """The member has the status message: anyone may work on the job now."""
        ...

    async def cancel(self, job_id: str, now: datetime, failure: Failure = Failure.CANCELLED) -> Job:
        """
        End a job of which nothing was submitted, and release its hold.

        Raises:
            StepLost: it is too late; or it was cancelled before.
        """
        ...

    async def claim(self, now: datetime, jobs_max: int) -> Claimed:
        """
        Take jobs whose owners died, and then queued ones whose turn it is among those whose
        members, servers and routes are under their caps. A queued job becomes running; a resumed
        one keeps its state.
        """
        ...

    async def renew_leases(self, job_ids: Sequence[str], now: datetime) -> None: ...

    async def job(self, job_id: str) -> Job: ...

    async def find(self, job_id: str) -> Job | None:
        """The job, for an id that came from outside."""
        ...

    async def tasks(self, job_id: str) -> list[Task]:
        """In the order of their images."""
        ...

    async def look(self, job_id: str) -> tuple[Job, list[Task]]:
        """The job and its tasks at one moment."""
        ...

    async def to_deliver(self, job: Job, now: datetime) -> tuple[list[Task], Account]:
        """What a delivery shows beside the job: its tasks, and the account as it is now."""
        ...

    async def queue(self) -> list[tuple[str, QueuePlace]]:
        """
        The ids of the queued jobs whose members have the status message, in the order of their
        turns.
        """
        ...

    async def history(self, server_id: int, user_id: int) -> list[Job]:
        """A member's latest jobs, newest first."""
        ...

    async def begin_submit(self, task: Task) -> Task:
        """Commit that the task is about to be sent, unless its job was cancelled."""
        ...

    async def not_accepted(self, task: Task) -> Task:
        """The submit was surely not accepted: the task may be sent again."""
        ...

    async def submitted(self, task: Task, provider_task_id: str, now: datetime) -> Task: ...

    async def fall_back(self, task: Task, problem: Problem, onto: Task) -> Task:
        """The task gives no image, and another one on another route tries in its place."""
        ...

    async def stored(self, task: Task, image: ImageFile, cost: Cost, now: datetime) -> Job:
        """The image is on disk. With the job's last task, its hold is settled."""
        ...

    async def failed(self, task: Task, problem: Problem, now: datetime) -> Job:
        """The task gives no image. With the job's last task, its hold ends."""
        ...

    async def finish(
        self, job: Job, message_id: int | None, now: datetime, *, keeps_images: bool = False
    ) -> Job:
        """The member has been told: the job is done or failed."""
        ...

    async def cancelled_since(self, since: datetime) -> list[Job]:
        """The latest jobs that were cancelled in front of their members."""
        ...

    async def without_use(self, job_ids: Collection[str]) -> set[str]:
        """Of these jobs, those that have ended and keep no images."""
        ...

    async def ended(self, job_ids: Collection[str]) -> set[str]:
        """Of these jobs, those that have ended."""
        ...

    async def refund(self, job: Job, problem: Problem, now: datetime) -> Job:
        """Give back what a job in delivery was charged; what is delivered then is the problem."""
        ...


class Latencies(Protocol):
    """What was learned of each route, over restarts."""

    async def load(self) -> dict[str, Latency]: ...

    async def save(self, known: Mapping[str, Latency]) -> None: ...


class Accounts(Protocol):
    async def show(self, server_id: int, user_id: int, now: datetime) -> Account:
        """The account as a command given now would find it; writes nothing."""
        ...


class Servers(Protocol):
    async def nsfw_mode(self, server_id: int) -> NsfwMode: ...

    async def set_nsfw_mode(
        self, server_id: int, user_id: int, mode: NsfwMode, now: datetime
    ) -> NsfwMode:
        """Set and record; returns the mode before. Setting what is set records nothing."""
        ...

    async def changes(self, server_id: int) -> list[SettingChange]:
        """The latest changes, newest first."""
        ...
