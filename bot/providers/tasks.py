"""
Vendors that are asked for a task, polled until it ends, given references as uploads and asked for a
balance: one class that sends, over pure functions of each vendor; knows none of them.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bot.domain.ports import Failed, Finished, ImageFile, Order, Progress
from bot.errors import ProviderUnreachable
from bot.providers.http import VendorHttp
from bot.providers.judge import Complaint, Reply, Stake

Body = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class TaskFormat:
    """
    How one vendor writes its tasks.

    Args:
        create: the path and the body of a create call.
        poll_path, id_name: where a task is asked for, and its id's name there.
        poll_posts: in a POST's body instead of a GET's address.
        balance: the path and the parameters of the call that tells what is left, or that the key
            works.
        upload_fields: of an image, what goes before the file.
        read_complaint: None: the answer is a success.
        read_poll_complaint: the same of a poll.
        is_unknown: whether a poll's answer says that there is no such task (yet).
        read_failed: the task's end that stands in an error's place; None: it is none.
        parse_create: the task's id, or the image where it came at once.
        parse_poll, parse_upload, parse_balance: of an answer that is a success; the last one is a
            line for `easel check`.
    """

    create: Callable[[Order], tuple[str, Body]]
    parse_create: Callable[[Body], str | Finished | Failed]
    poll_path: str
    id_name: str
    parse_poll: Callable[[Body], Progress]
    upload_path: str
    parse_upload: Callable[[Body], str]
    balance: tuple[str, Mapping[str, str]]
    parse_balance: Callable[[Body], str]
    read_complaint: Callable[[Reply], Complaint | None]
    read_poll_complaint: Callable[[Reply], Complaint | None]
    is_unknown: Callable[[Reply], bool]
    poll_posts: bool = False
    upload_fields: Callable[[ImageFile], Mapping[str, str]] = field(default=lambda _: {})
    read_failed: Callable[[Reply], Failed | None] = field(default=lambda _: None)


class TaskProvider:
    """
    Args:
        upload_http: of a vendor that takes references on another host.
    """

    def __init__(
        self,
        name: str,
        written: TaskFormat,
        http: VendorHttp,
        upload_http: VendorHttp | None = None,
    ) -> None:
        self.name = name
        self._format = written
        self._http = http
        self._upload_http = upload_http or http

    async def upload(self, image: ImageFile) -> str:
        written = self._format
        fields = written.upload_fields(image)
        reply = await self._upload_http.upload(written.upload_path, "file", image, fields=fields)
        self._http.judge(reply, written.read_complaint(reply), Stake.REPEATABLE)
        return written.parse_upload(reply.body)

    async def submit(self, order: Order) -> str | Finished | Failed:
        written = self._format
        reply = await self._http.submit(*written.create(order))
        if failed := written.read_failed(reply):
            return failed
        complaint = written.read_complaint(reply)
        self._http.judge(reply, complaint, Stake.SUBMIT, hidden=order.prompt)
        return written.parse_create(reply.body)

    async def poll(self, provider_task_id: str, result_path: Path) -> Progress:
        written, asked = self._format, {self._format.id_name: provider_task_id}
        if written.poll_posts:
            reply = await self._http.query(written.poll_path, asked)
        else:
            reply = await self._http.get(written.poll_path, asked, result_path=result_path)
        if written.is_unknown(reply):
            # A task just made is not always found at once; one that stays lost meets its deadline.
            raise ProviderUnreachable(
                self.name, "does not know the task (yet)", status=reply.status
            )
        if failed := written.read_failed(reply):
            return failed
        self._http.judge(reply, written.read_poll_complaint(reply), Stake.REPEATABLE)
        return written.parse_poll(reply.body)

    async def check(self, upstreams: Collection[str]) -> str:
        written = self._format
        path, asked = written.balance
        if written.poll_posts:
            reply = await self._http.query(path, asked)
        else:
            reply = await self._http.get(path, asked)
        if not (asked and written.is_unknown(reply)):
            self._http.judge(reply, written.read_complaint(reply), Stake.REPEATABLE)
        return written.parse_balance(reply.body)
