"""The end of a block as moderators type it, and what is kept of a reason."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.domain.oversight import BLOCK_MAX, REASON_CHARS_MAX, read_end, read_reason

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "length"),
    [
        ("2d", timedelta(days=2)),
        (" 2 D ", timedelta(days=2)),
        ("2days", timedelta(days=2)),
        ("12h", timedelta(hours=12)),
        ("12 hours", timedelta(hours=12)),
        ("1w", timedelta(weeks=1)),
        ("1w 2d", timedelta(days=9)),
        ("1 week, 2 days", timedelta(days=9)),
        ("for 30 min", timedelta(minutes=30)),
        ("1 month", timedelta(days=30)),
        ("1y", timedelta(days=365)),
        ("3 Tage", timedelta(days=3)),
        ("2 Stunden", timedelta(hours=2)),
        ("2 Std", timedelta(hours=2)),
        ("2時間", timedelta(hours=2)),
        ("2小时", timedelta(hours=2)),
        ("2小時", timedelta(hours=2)),
        ("30分", timedelta(minutes=30)),
        ("2 jours", timedelta(days=2)),
        ("2 días", timedelta(days=2)),
        ("2 semanas", timedelta(weeks=2)),
        ("3日", timedelta(days=3)),
        ("3天", timedelta(days=3)),
        ("2週間", timedelta(weeks=2)),
        ("2周", timedelta(weeks=2)),
        ("2 meses", timedelta(days=60)),
        ("1 mês", timedelta(days=30)),
        ("2 mois", timedelta(days=60)),
        ("3か月", timedelta(days=90)),
        ("3ヶ月", timedelta(days=90)),
        ("3ケ月", timedelta(days=90)),
        ("3カ月", timedelta(days=90)),
        ("3ヵ月", timedelta(days=90)),
        ("3個月", timedelta(days=90)),
        ("3个月", timedelta(days=90)),
        ("1 Jahr", timedelta(days=365)),
        ("2 Jahre", timedelta(days=730)),
        ("1 an", timedelta(days=365)),
        ("2 años", timedelta(days=730)),
        ("2 anos", timedelta(days=730)),
        ("1年", timedelta(days=365)),
    ],
)
def test_a_length_is_read_as_it_is_meant(typed: str, length: timedelta) -> None:
    assert read_end(typed, NOW) == NOW + length


@pytest.mark.parametrize(
    ("typed", "end"),
    [
        ("2026-12-01", datetime(2026, 12, 2, tzinfo=UTC)),
        ("2026/12/1", datetime(2026, 12, 2, tzinfo=UTC)),
        ("1.12.2026", datetime(2026, 12, 2, tzinfo=UTC)),
        ("2026-11-29", datetime(2026, 11, 30, tzinfo=UTC)),
        ("2026-12-01 18:30", datetime(2026, 12, 1, 18, 30, tzinfo=UTC)),
        ("2026-12-01T18:30:00Z", datetime(2026, 12, 1, 18, 30, tzinfo=UTC)),
        ("01.12.2026 08:05 UTC", datetime(2026, 12, 1, 8, 5, tzinfo=UTC)),
        ("<t:1796083200:R>", datetime(2026, 12, 1, tzinfo=UTC)),
    ],
)
def test_a_date_is_meant_with_its_whole_day(typed: str, end: datetime) -> None:
    assert read_end(typed, NOW) == end


@pytest.mark.parametrize(
    "typed", ["", " ", "never", "Forever", "-", "permanent", "none", "No end", "0"]
)
def test_no_end_is_none(typed: str) -> None:
    assert read_end(typed, NOW) is None


@pytest.mark.parametrize(
    "typed",
    [
        "soon", "2", "d", "2m", "2x", "-2d", "0d", "2d ago", "2026-13-01", "2026-02-30",
        "2026-11-28", "2026-11-29 12:00", "12/01/2026", "999999w", "<t:1:R>", "<t:999999999999>",
        "9999-12-31", "2026-12-01 25:00",
    ],
)  # fmt: skip
def test_what_cannot_be_read_or_cannot_be_is_no_end(typed: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_end(typed, NOW)


@given(st.text(max_size=40) | st.from_regex(r"\d{0,6} ?\w{0,6}[ ,]?\d{0,4}[-./:]?\d{0,2}"))
def test_whatever_is_typed_is_an_end_to_come_or_none_or_refused(typed: str) -> None:
    try:
        end = read_end(typed, NOW)
    except ValueError:
        return
    assert end is None or NOW < end <= NOW + BLOCK_MAX


@given(st.text())
@example("x" * (REASON_CHARS_MAX - 1) + " and more")
def test_a_reason_is_one_line_that_can_be_kept(typed: str) -> None:
    reason = read_reason(typed)
    assert len(reason) <= REASON_CHARS_MAX
    assert reason == reason.strip()
    assert "\n" not in reason
    reason.encode()
