"""`easel account`, `easel grant` and `easel refund`: what the host does to members' credits."""

from datetime import UTC, datetime

from bot.domain import ledger as rules
from bot.domain.credits import Microcredits, format_credits
from bot.errors import StartupError
from bot.settings import Settings
from bot.store import ledger, operator
from bot.store.database import open_database


async def show_account(settings: Settings, server_id: int, user_id: int) -> None:
    """Print a member's balance as it stands, and every entry that explains it."""
    async with open_database(settings.database_url, migrate=False) as database:
        account = await database.read(ledger.read, server_id, user_id)
        entries = await database.read(ledger.entries_of, server_id, user_id)
    for at, entry in entries:
        amount = format_credits(entry.allowance_ucr + entry.grant_ucr)
        print(f"{at:%Y-%m-%d %H:%M}  {entry.kind.value:<10}{amount:>14}  {entry.job_id or ''}")
    if not entries:
        print("No entries: nothing was ever given to this account or taken from it.")
    print(
        f"allowance {format_credits(account.allowance_ucr)},"
        f" granted {format_credits(account.grant_ucr)}"
    )


async def grant(settings: Settings, server_id: int, user_id: int, amount: Microcredits) -> None:
    """Give credits that do not expire; also while the bot runs."""
    async with open_database(settings.database_url, migrate=False) as database:
        now = datetime.now(UTC)
        account = await database.write(operator.grant, server_id, user_id, amount, now)
    left = format_credits(account.grant_ucr)
    print(f"{format_credits(amount)} granted; {left} of grants are left.")


async def refund(settings: Settings, job_id: str) -> None:
    """
    Give back what a job was charged.

    Raises:
        StartupError: there is no such job, it is still under way, or it has cost nothing.
    """
    async with open_database(settings.database_url, migrate=False) as database:
        now = datetime.now(UTC)
        default = rules.Allowance(settings.allowance_ucr, settings.allowance_period)
        # What the terminal sent that is no text is in no id, and the database would not take it.
        id_as_text = job_id.encode(errors="replace").decode()
        paid, lost = await database.write(operator.refund, default, id_as_text, now)
    if not paid:
        raise StartupError(f"Job {job_id} is not there, is under way, or has cost nothing.")
    print(f"{format_credits(paid)} given back for job {job_id}.")
    if lost:
        why = "its allowance was refilled or lowered since"
        print(f"Of that, {format_credits(lost)} has expired: {why}.")
