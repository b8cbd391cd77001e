"""The answers recorded in tests/samples, and what an adapter makes of one."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bot.domain.ports import Failed, ImageFile, Order, Provider
from bot.errors import ProviderBusy, ProviderError, ProviderRefused
from bot.playground.faults import Respond, VendorCall
from tests.vendors import AllVendors

FOLDER = Path(__file__).parents[1] / "samples"
#: Where a poll that brings no image would write one; there is no such folder.
NO_RESULT = Path(__file__).parent / "nowhere" / "result"
#: MaxAPI's answers name addresses of its own; there, the playground is what has to answer.
MAXAPI_ROOT = "https://api.maxapi.dev"
#: How a refusal for the content is read, as told from one for the form.
MODERATED = (ProviderRefused, "moderation")


def failed(code: str, *, moderation: bool = False, retryable: bool = False) -> Failed:
    return Failed(moderation=moderation, retryable=retryable, vendor_code=code)


def load(vendor: str, names: str = "") -> dict[str, Any]:
    """
    A vendor's samples by name.

    Args:
        names: a regular expression that they begin with.
    """
    paths = sorted((FOLDER / vendor).glob("*.json"))
    return {path.stem: json.loads(path.read_text()) for path in paths if re.match(names, path.stem)}


async def read(
    sample: Mapping[str, Any],
    provider: Provider,
    server: AllVendors,
    *,
    order: Order,
    image: ImageFile,
    handle: str,
) -> object:
    """
    Make the call that a sample records, and have it answered so.

    Returns:
        What the adapter returns, or the class of what it raises: of a refusal for its content
        MODERATED, and of a busy vendor with the seconds to wait, where it says them. In an address,
        "<root>" stands for the vendor's root and "<host>" for that of its host.
    """
    answer = sample["response"]
    body = json.dumps(answer["body"]).replace(MAXAPI_ROOT, server.maxapi_base_url).encode()
    for call in VendorCall:
        fault = Respond(answer["status"], body, headers=answer.get("headers", {}))
        server.faults.add(call, fault)
    try:
        found = await _call(sample["request"], provider, order=order, image=image, handle=handle)
    except ProviderError as error:
        if isinstance(error, ProviderRefused) and error.moderation:
            return MODERATED
        if isinstance(error, ProviderBusy) and error.retry_after_s is not None:
            return ProviderBusy, error.retry_after_s
        return type(error)
    if not isinstance(found, str):
        return found
    return found.replace(server.maxapi_base_url, "<root>").replace(server.root_url, "<host>")


async def _call(
    request: Mapping[str, Any], provider: Provider, *, order: Order, image: ImageFile, handle: str
) -> object:
    path = urlsplit(request["url"]).path
    if path.endswith(("/balance", "/credit", "/models")):
        return await provider.check(())
    if path.endswith(("/files", "/file-stream-upload", "/upload/binary")):
        return await provider.upload(image)
    if request["method"] == "GET" or path.endswith("/query"):
        return await provider.poll(handle, NO_RESULT)
    return await provider.submit(order)
