"""What a process takes, as Linux tells it."""

import os
from pathlib import Path

from bot.pictures.decoder import Decoder


def taken_bytes(pid: int | str, what: str) -> int:
    """
    Args:
        what: VmRSS for now, VmHWM for the most since `forget_peak`.
    """
    [line] = [
        line
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith(what)
    ]
    return int(line.split()[1]) * 1024


def forget_peak(pid: int | str) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")


async def forget_peak_of(decoder: Decoder) -> int:
    """
    Returns:
        Bytes that the decoder's process takes now.
    """
    pid = await decoder.run(os.getpid)
    forget_peak(pid)
    return taken_bytes(pid, "VmRSS")


async def peak_bytes_of(decoder: Decoder) -> int:
    return taken_bytes(await decoder.run(os.getpid), "VmHWM")
