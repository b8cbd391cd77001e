"""What must never be true of a row is refused by SQL itself, whatever the code above it does."""

import sqlite3

import pytest

from tests.store.bench import ADA, MODERATION, SERVER, Bench

NEW_ENTRY = "INSERT INTO entries VALUES (NULL, 7, 1, '{}', 0, 0, NULL, {}, 0, NULL, NULL)"


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("UPDATE accounts SET allowance_ucr = -1", "ck_accounts_allowance_not_negative"),
        ("UPDATE accounts SET grant_ucr = -1", "ck_accounts_grant_not_negative"),
        (
            NEW_ENTRY.format("hold", "'done'"),
            "entries.user_id, entries.kind",
        ),
        (
            NEW_ENTRY.format("settle", "'done'"),
            "entries.server_id, entries.user_id",
        ),
        (
            NEW_ENTRY.format("release", "'done'"),
            "entries.server_id, entries.user_id",
        ),
        (NEW_ENTRY.format("refund", "NULL"), "ck_entries_of_a_job"),
        (NEW_ENTRY.format("gift", "'done'"), "ck_entries_kind"),
        (NEW_ENTRY.format("expire", "'nobodys'"), "FOREIGN KEY"),
        (
            "INSERT INTO entries VALUES (NULL, 7, 99, 'grant', 0, 5, NULL, NULL, 0, NULL, NULL)",
            "FOREIGN KEY",
        ),
        ("UPDATE jobs SET state = 'asleep'", "ck_jobs_"),
        ("UPDATE jobs SET quote_ucr = -1, cost_ucr = NULL", "ck_jobs_"),
        ("UPDATE jobs SET cost_ucr = quote_ucr + 1 WHERE id = 'done'", "ck_jobs_cost_within_quote"),
        ("UPDATE jobs SET cost_ucr = -1 WHERE id = 'done'", "ck_jobs_cost_within_quote"),
        ("UPDATE jobs SET cost_ucr = NULL WHERE id = 'done'", "ck_jobs_cost_when_settled"),
        ("UPDATE jobs SET cost_ucr = 0 WHERE id = 'open'", "ck_jobs_cost_when_settled"),
        ("UPDATE jobs SET finished_at = NULL WHERE id = 'done'", "ck_jobs_finished_when_final"),
        ("UPDATE jobs SET finished_at = 0 WHERE id = 'open'", "ck_jobs_finished_when_final"),
        ("UPDATE tasks SET state = 'asleep'", "ck_tasks_"),
        ("UPDATE tasks SET image_index = 4", "ck_tasks_image_index"),
        ("UPDATE tasks SET state = 'failed'", "ck_tasks_failed_with_failure"),
        ("UPDATE tasks SET failure = 'timed_out'", "ck_tasks_failed_with_failure"),
        ("UPDATE tasks SET image_name = NULL WHERE job_id = 'done'", "ck_tasks_stored_with_image"),
        ("UPDATE tasks SET cost_ucr = NULL WHERE job_id = 'done'", "ck_tasks_stored_with_image"),
        ("UPDATE tasks SET state = 'submitted' WHERE job_id = 'open'", "ck_tasks_submitted_with"),
        ("UPDATE tasks SET image_index = 0", "tasks.job_id, tasks.image_index"),
        ("INSERT INTO server_settings VALUES (7, 'nsfw_checker', NULL)", "server_settings.value"),
        ("DELETE FROM jobs WHERE id = 'done'", "FOREIGN KEY"),
    ],
)
async def test_sql_refuses(bench: Bench, statement: str, rule: str) -> None:
    done = await bench.delivering(1_000, job_id="done")
    await bench.jobs.finish(done, None, done.created_at)
    await bench.accept("open", count=2)
    before = await everything(bench)
    with pytest.raises(sqlite3.IntegrityError) as refused:
        await bench.write(statement)
    assert rule in str(refused.value)
    assert await everything(bench) == before


async def test_an_image_may_be_tried_again_once_its_task_failed(bench: Bench) -> None:
    """A fallback is a second task for the same image."""
    _, (task,) = await bench.running()
    again = (
        "INSERT INTO tasks (id, job_id, image_index, route_id, price_ucr, state)"
        " VALUES ('again', 'lantern', 0, 'other/route', 0, 'pending')"
    )
    with pytest.raises(sqlite3.IntegrityError, match="image_index"):
        await bench.write(again)
    await bench.write("UPDATE tasks SET state = 'failed', failure = 'provider_down'")
    await bench.write(again)
    assert [task.id for task in await bench.jobs.tasks("lantern")] == ["again", task.id]


async def test_ids_as_large_as_discords_are_kept(bench: Bench) -> None:
    snowflake = 2**63 - 1
    await bench.accept(user=snowflake, server=snowflake)
    job = await bench.jobs.job("lantern")
    assert (job.user_id, job.server_id) == (snowflake, snowflake)


async def test_amounts_are_integers_everywhere(bench: Bench) -> None:
    job = await bench.delivering(1_000, None)
    await bench.jobs.refund(job, MODERATION, job.created_at)
    columns = {
        "accounts": ("allowance_ucr", "grant_ucr"),
        "entries": ("allowance_ucr", "grant_ucr"),
        "jobs": ("quote_ucr", "cost_ucr"),
        "tasks": ("price_ucr", "cost_ucr"),
    }
    types = {
        kind
        for table, names in columns.items()
        for name in names
        for (kind,) in await bench.rows(f"SELECT typeof({name}) FROM {table}")
    }
    assert types == {"integer", "null"}
    account = await bench.accounts.show(SERVER, ADA, job.created_at)
    assert {type(account.allowance_ucr), type(account.grant_ucr), type(job.cost_ucr)} == {int}


async def everything(bench: Bench) -> list[list[tuple]]:
    tables = ("accounts", "entries", "jobs", "server_settings", "tasks")
    return [await bench.rows(f"SELECT * FROM {table}") for table in tables]
