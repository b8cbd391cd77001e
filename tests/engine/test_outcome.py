"""How long a task is waited for: silence, links that do not come, and words without links."""

from bot.domain.jobs import Failure
from bot.domain.ports import Finished, Running
from bot.engine.outcome import (
    LINKS_PATIENCE_S,
    OVERDUE_POLLS_MAX,
    UNUSABLE,
    UNUSABLE_POLLS_MAX,
    Patience,
)

DRAWING = Running("drawing")


def test_what_is_not_done_at_its_deadline_is_given_up_then() -> None:
    patience = Patience(600)
    assert patience.after(DRAWING, 599.9, 5) is None
    assert patience.after(None, 599.9, 5) is None
    assert patience.after(DRAWING, 600, 5) is Failure.TIMED_OUT


def test_a_silent_vendor_is_asked_often_enough_before_a_task_is_given_up() -> None:
    """The image may be done, and is paid then."""
    patience = Patience(600)
    asked = [patience.after(None, 700, 5) for _ in range(OVERDUE_POLLS_MAX + 1)]
    assert asked == [None] * OVERDUE_POLLS_MAX + [Failure.TIMED_OUT]


def test_links_are_waited_for_beyond_the_deadline_but_not_for_ever() -> None:
    patience = Patience(600)
    assert not patience.is_finished
    assert patience.after(Finished(), 590, 5) is None
    assert patience.is_finished
    # Some vendors are drawing again, once they have said that they were done.
    assert patience.after(DRAWING, 700, LINKS_PATIENCE_S - 1) is None
    assert patience.after(None, 900, 1) is Failure.NO_IMAGE


def test_only_unusable_answers_in_a_row_lose_an_image() -> None:
    patience = Patience(600)
    few = [UNUSABLE] * (UNUSABLE_POLLS_MAX - 1)
    assert not any(patience.after(each, 10, 5) for each in [*few, DRAWING, *few])
    assert patience.after(UNUSABLE, 10, 5) is Failure.RESULT_LOST
