import pytest

from bot.store import learned
from bot.store.learned import COSTS_MIN
from tests.store.bench import Bench


@pytest.mark.parametrize("images", [COSTS_MIN - 1, COSTS_MIN])
async def test_the_usual_cost_is_the_median_of_ten_and_more(bench: Bench, images: int) -> None:
    for cost in range(images):
        await bench.delivering(1_000 * cost, job_id=f"lantern-{cost}")
    usual = await bench.database.read(learned.usual_costs)
    assert list(usual.values()) == ([] if images < COSTS_MIN else [4_000])
