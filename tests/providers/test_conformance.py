"""Every route, every case: tests/providers/conformance.py says what each of them must do."""

from pathlib import Path

import pytest

from bot.providers.registry import VENDORS
from tests.providers.conformance import CASES, NOT_OFFERED, PASS, run_cell
from tests.providers.stage import GEMINI_ID, ROWS, Row, shipped

pytestmark = pytest.mark.slow

OF_OPENAI = {row.route_id for row in ROWS if row.route_id.startswith("openai/")}
NANO_BANANAS = {"google/gemini-nano-banana-2.1", "maxapi/gemini-nano-banana-2.1@official"}
ANSWERING_AT_THE_END = {
    "apimodels/gpt-image-2-all",
    "google/gemini-nano-banana-2.1",
    *OF_OPENAI,
}
SWITCHING_THE_FILTER = {"apimodels/gpt-image-2-beta", "kie/gpt-image-2", *OF_OPENAI}
#: The only cells that may say so.
NOT_OFFERED_BY = {
    "mask": {
        "apimodels/gpt-image-2-beta",
        "apimodels/gpt-image-2",
        "apimodels/gpt-image-2-lite",
        "kie/gpt-image-2",
        "runninghub/rhart-image-g-2",
        "runninghub/rhart-image-g-2-official",
        GEMINI_ID,
        *NANO_BANANAS,
    },
    "16 references": {"apimodels/gpt-image-2-lite"},
    "unknown state": ANSWERING_AT_THE_END,
    "late link": ANSWERING_AT_THE_END,
    "unknown task": ANSWERING_AT_THE_END,
    # kie.ai numbers it as it numbers any other fault of a request.
    "gone model": {"kie/gpt-image-2"},
    "filter": {row.route_id for row in ROWS} - SWITCHING_THE_FILTER,
}
#: Routes that take fewer than 16 references.
FEWER_REFERENCES = {
    "apimodels/gpt-image-2": 10,
    "runninghub/rhart-image-g-2": 10,
    "runninghub/rhart-image-g-2-official": 10,
    **dict.fromkeys((GEMINI_ID, *NANO_BANANAS), 14),
}


def expected(row: Row, case: str) -> str:
    if row.route_id in NOT_OFFERED_BY.get(case, ()):
        return NOT_OFFERED
    if case == "16 references" and row.route_id in FEWER_REFERENCES:
        return f"{PASS} ({FEWER_REFERENCES[row.route_id]})"
    return PASS


@pytest.mark.parametrize("case", list(CASES))
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.route_id)
async def test_every_vendor_does_what_the_port_says(row: Row, case: str, tmp_path: Path) -> None:
    assert await run_cell(row, case, tmp_path) == expected(row, case)


def test_every_provider_and_every_shipped_model_is_held_to_it() -> None:
    """Routes that differ in their price or way alone need no row of their own."""
    rows = {row.route_id.partition("@")[0] for row in ROWS}
    assert {row.partition("/")[0] for row in rows} == {vendor.name for vendor in VENDORS}
    assert {route.id.partition("@")[0] for route in shipped().routes()} <= rows
