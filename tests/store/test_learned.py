import math
from datetime import timedelta

import pytest

from bot.domain.jobs import id_at
from bot.domain.waiting import Latency
from bot.store import learned
from bot.store.learned import COSTS_MIN, COSTS_OF
from tests.store.bench import NOW, Bench


@pytest.mark.parametrize(("images", "usual"), [(COSTS_MIN - 1, []), (COSTS_MIN, [4_000])])
async def test_the_usual_cost_is_the_median_of_ten_and_more(
    bench: Bench, images: int, usual: list[int]
) -> None:
    for cost in range(images):
        await bench.delivering(1_000 * cost, job_id=f"{id_at(NOW)}{cost}")
    assert list((await bench.database.read(learned.usual_costs, NOW)).values()) == usual
    later = NOW + COSTS_OF + timedelta(seconds=1)
    assert await bench.database.read(learned.usual_costs, later) == {}


@pytest.mark.parametrize("request_text", ["{", "[]", "{}", "null"])
async def test_a_request_of_another_version_says_nothing_of_what_is_usual(
    bench: Bench, request_text: str
) -> None:
    await bench.delivering(1_000, job_id=id_at(NOW) + "0")
    await bench.write(f"UPDATE jobs SET request = '{request_text}'")
    assert await bench.database.read(learned.usual_costs, NOW) == {}


async def test_few_images_that_an_earlier_version_learned_from_say_little_of_their_spread(
    bench: Bench,
) -> None:
    route = "INSERT INTO route_latencies VALUES ('{}', {}, {}, 0)"
    for name, images in (("new", 1), ("old", 100)):
        await bench.write(route.format(name, images, math.log(48)))
    known = await bench.database.read(learned.load)
    assert known["new"] == Latency.expected(48)
    assert known["old"].spread == 0.1


async def test_what_is_learned_reads_back_as_it_was(bench: Bench) -> None:
    known = Latency.expected(48)
    for _ in range(20):
        known = known.observe(47, 49)
        await bench.database.write(learned.save, {"new": known})
        [loaded] = (await bench.database.read(learned.load)).values()
        assert loaded.spread == pytest.approx(known.spread)
