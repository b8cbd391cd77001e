"""
The provider for vendors that take tasks and are polled until a task ends; knows none of them.

One class makes the calls: submit, poll, upload, balance. Each vendor gives it pure functions that
build requests and read answers.
"""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from msgspec import Struct, field

from bot.domain.ports import Failed, Finished, ImageFile, Order, Progress
from bot.errors import ProviderUnreachable
from bot.providers.fields import mapping, text
from bot.providers.http import VendorHttp
from bot.providers.judge import Complaint, Reply, Stake

Body = Mapping[str, object]


def names_state(reply: Reply) -> bool:
    """
    Whether a task's state stands in `data`, as with several vendors; kie.ai documents so a failed
    task beside the codes 400, 500 and 501 (callback).
    """
    return bool(text(mapping(reply.body, "data"), "state"))


class TaskFormat(Struct, frozen=True):
    """
    One vendor's wire format for tasks.

    Args:
        create: the path and the body of a create call.
        poll_path, id_name: the path of a poll, and the name of the task's id in it.
        poll_posts: a poll sends the id in a POST's body, not in a GET's address.
        balance: the path and the parameters of the call that tells what is left, or that the key
            works.
        upload_fields: the fields that go before an image's file.
        read_complaint: what an answer complains about; None: it is a success.
        is_about_a_task: whether a poll's answer tells of its task: what it complains about is then
            at most why the task failed.
        is_unknown: whether another answer to a poll says that there is no such task (yet).
        read_failed: a task's failure that the answer reports as an error; None: it reports none.
        parse_create: the task's id in a successful answer, or the image if it came at once.
        parse_poll, parse_upload, parse_balance: read a successful answer; the last one returns a
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
    is_unknown: Callable[[Reply], bool]
    is_about_a_task: Callable[[Reply], bool] = names_state
    poll_posts: bool = False
    upload_fields: Callable[[ImageFile], Mapping[str, str]] = field(default=lambda _: {})
    read_failed: Callable[[Reply], Failed | None] = field(default=lambda _: None)


class TaskProvider:
    """
    Args:
        upload_http: for a vendor that takes references on another host; None: `http`.
    """

    def __init__(
        self, written: TaskFormat, http: VendorHttp, upload_http: VendorHttp | None = None
    ) -> None:
        self._format = written
        self._http = http
        self._upload_http = upload_http or http

    async def upload(self, image: ImageFile) -> str:
        written = self._format
        fields = written.upload_fields(image)
        reply = await self._upload_http.upload(written.upload_path, image, fields)
        self._http.judge(reply, written.read_complaint(reply), Stake.REPEATABLE)
        return written.parse_upload(reply.body)

    async def submit(self, order: Order) -> str | Finished | Failed:
        written = self._format
        reply = await self._http.post(*written.create(order), Stake.SUBMIT)
        if failed := written.read_failed(reply):
            return failed
        complaint = written.read_complaint(reply)
        self._http.judge(reply, complaint, Stake.SUBMIT, hidden=order.prompt)
        return written.parse_create(reply.body)

    async def poll(self, provider_task_id: str, result_path: Path) -> Progress:
        written, asked = self._format, {self._format.id_name: provider_task_id}
        reply = await self._ask(written.poll_path, asked, result_path)
        if written.is_about_a_task(reply):
            return written.parse_poll(reply.body)
        if written.is_unknown(reply):
            # A new task is not always found at once; one that stays unknown meets its deadline.
            raise ProviderUnreachable(
                self._http.provider, "does not know the task (yet)", status=reply.status
            )
        if failed := written.read_failed(reply):
            return failed
        self._http.judge(reply, written.read_complaint(reply), Stake.REPEATABLE)
        return written.parse_poll(reply.body)

    async def check(self, upstreams: Collection[str]) -> str:
        written = self._format
        path, asked = written.balance
        reply = await self._ask(path, asked)
        if not (asked and written.is_unknown(reply)):
            self._http.judge(reply, written.read_complaint(reply), Stake.REPEATABLE)
        return written.parse_balance(reply.body)

    async def _ask(
        self, path: str, asked: Mapping[str, str], result_path: Path | None = None
    ) -> Reply:
        if self._format.poll_posts:
            return await self._http.post(path, asked, Stake.REPEATABLE)
        return await self._http.get(path, asked, result_path=result_path)
