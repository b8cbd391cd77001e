"""Every sentence a member reads when something did not work: ours alone, no vendor's words."""

from datetime import datetime

from bot.domain.jobs import Failure, Problem
from bot.errors import InsufficientCredits, Refusal

NOTHING_CHARGED = "Nothing was charged."

FAILURES = {
    Failure.MODERATION: (
        "The image service's content filter refused this prompt or one of its images."
        " Change the words or the references and try again."
    ),
    Failure.NOT_ACCEPTED: (
        "The image service did not accept this combination of prompt, size and references."
        " Try another size, or fewer references."
    ),
    Failure.PROVIDER_FAILED: "The image service could not finish this image. Please try again.",
    Failure.PROVIDER_DOWN: (
        "The image service cannot be reached right now. Please try again in a few minutes."
    ),
    Failure.PROVIDER_MISCONFIGURED: (
        "This bot's access to the image service does not work at the moment."
        " Whoever hosts it can see why in its log."
    ),
    Failure.OUTCOME_UNKNOWN: (
        "The connection broke just as the image was ordered, so it is unknown whether it is"
        " being made. To be safe it was not ordered twice; please try again."
    ),
    Failure.BAD_RESULT: (
        "What the image service sent back is not a usable image. Please try again."
    ),
    Failure.RESULT_LOST: (
        "The image was made, but the image service did not hand it over. Please try again."
    ),
    Failure.NO_IMAGE: (
        "The image service finished without an image, as some do where they refuse a request."
        " Other words may help."
    ),
    Failure.TIMED_OUT: "The image service did not finish in time. Please try again.",
    Failure.REFERENCE: "One of the references cannot be used.",
    Failure.UNDELIVERABLE: (
        "Discord would not take the result here. It is kept for seven days: /history gives it out."
    ),
    Failure.NOT_SHOWN: (
        "Discord will not show this image here, for it takes it for explicit content. It is kept"
        " for seven days: /history gives it out where Discord shows it, as in an age-restricted"
        " channel."
    ),
    Failure.WAITED_TOO_LONG: (
        "It waited in the queue for so long that it was taken out. Please try again."
    ),
    Failure.CANCELLED: "Cancelled.",
    Failure.UNANSWERED: "Discord did not show that it was accepted, so it was taken back.",
    Failure.INTERNAL: (
        "Something went wrong inside this bot. Whoever hosts it can see it in its log."
    ),
}

OUTDATED_COMMAND = (
    "Discord sent this command without a part it needs, such as the image to edit."
    f" Restart Discord to reload its commands and try again. {NOTHING_CHARGED}"
)
TAKEN_ELSEWHERE = (
    "Discord sent this command twice, and its other copy is being worked on. If no image comes of"
    " it, please try again."
)
TOO_LATE = "It is too late to cancel: the image service is working on it already."
NOT_YOURS = "Only whoever asked for this image, or a moderator, can do that."
UNKNOWN_BUTTON = "This button does not work any more."
IMAGES_GONE = "These images are no longer kept: they are removed after seven days."
NOT_SHOWN_HERE = (
    "Discord will not show these images here, for it takes them for explicit content. Try /history"
    " in an age-restricted channel."
)
NOT_TAKEN_HERE = "Discord did not take these images here. Try /history again, or elsewhere."
MODERATORS_ONLY = "Only members who may manage this server can change its settings."


def command_failed(ref: str) -> str:
    """
    A defect of ours while a command was answered, before anything was held.

    Args:
        ref: finds its line in the log.
    """
    return f"{press_failed(ref)} {NOTHING_CHARGED}"


def press_failed(ref: str) -> str:
    """The same for a button, whose job may have been charged long ago."""
    return f"Something went wrong inside this bot. Whoever hosts it finds {ref} in its log."


def accepted_all_the_same(ref: str) -> str:
    """A defect of ours between a job's acceptance and its status message."""
    return (
        "Something went wrong inside this bot just after your image was accepted. It is made all"
        " the same, and /history shows how it ends. Whoever hosts the bot finds"
        f" {ref} in its log."
    )


def explain(problem: Problem) -> str:
    """What happened to a job that has no image, and that it cost nothing."""
    return f"{problem.detail or FAILURES[problem.failure]} {NOTHING_CHARGED}"


def refuse(refusal: Refusal, refills_at: datetime) -> str:
    """Why a request was not taken, and what to do about it."""
    text = str(refusal)
    if isinstance(refusal, InsufficientCredits):
        text += f" Your allowance refills <t:{int(refills_at.timestamp())}:R>."
    return f"{text} {NOTHING_CHARGED}"
