"""
What a member reads when something does not go as asked: the sentence of each reason, by language.

A language is a TOML file beside this one. Its sentences are ours alone: no vendor's words.
"""

import string
import tomllib
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from bot.domain.credits import tell_cost, tell_left
from bot.domain.jobs import Failure, Problem
from bot.errors import Content, Fact, Facts, Flaw, Reason, Refusal, Stage

FALLBACK = "en"
FOLDER = Path(__file__).parent


class Notice(StrEnum):
    """What is said beside refusals and failures; behind each the facts that it takes."""

    NOTHING_CHARGED = "nothing_charged"
    #: others
    OTHERS_CAN = "others_can"
    OUTDATED_COMMAND = "outdated_command"
    TAKEN_ELSEWHERE = "taken_elsewhere"
    TOO_LATE = "too_late"
    NOT_YOURS = "not_yours"
    UNKNOWN_BUTTON = "unknown_button"
    IMAGES_GONE = "images_gone"
    NOT_SHOWN_HERE = "not_shown_here"
    NOT_TAKEN_HERE = "not_taken_here"
    MODERATORS_ONLY = "moderators_only"
    #: a defect of ours while a command was answered, before anything was held; ref
    COMMAND_FAILED = "command_failed"
    #: the same for a button, whose job may have been charged long ago; ref
    PRESS_FAILED = "press_failed"
    #: a defect of ours between a job's acceptance and its status message; ref
    ACCEPTED_ALL_THE_SAME = "accepted_all_the_same"
    #: default, model
    DRAWN_INSTEAD = "drawn_instead"
    #: by a content filter; contents
    WORDS_REFUSED_FOR = "words_refused_for"
    WORDS_REFUSED = "words_refused"
    #: contents
    PICTURE_REFUSED_FOR = "picture_refused_for"
    PICTURE_REFUSED = "picture_refused"
    #: to a server that the host does not serve
    LEAVING = "leaving"
    #: usual_ucr
    USUAL = "usual"
    #: fits
    FITS = "fits"
    #: option
    NAMED_BY_OPTION = "named_by_option"
    #: filename
    NAMED_BY_FILE = "named_by_file"


#: a language's tables, and whose sentences each holds
TABLES: dict[str, type[StrEnum]] = {
    "notices": Notice,
    "refusals": Reason,
    "failures": Failure,
    "flaws": Flaw,
    "contents": Content,
}


class Writer(string.Formatter):
    """Writes facts into a sentence."""

    def format_field(self, value: Any, format_spec: str) -> str:
        match format_spec:
            case "list":
                return ", ".join(value)
            case "and":
                return " and ".join(value)
            case "cost":
                return tell_cost(value)
            case "left":
                return tell_left(value)
            case "offers":
                return ", ".join(_offer(each) for each in value)
            case "megabytes":
                return f"{value / 1_000_000:.3g} MB"
            case "megapixels":
                return f"{value / 1_000_000:.3g} megapixels"
            case "time":
                # Seconds since 1970; Discord counts down to it in the reader's own language.
                return f"<t:{value}:R>"
            case _:
                return format(value, format_spec)


WRITER = Writer()


def _offer(kind: str) -> str:
    """
    Args:
        kind: "resolution/quality/micro-credits", as `fits` of a refusal has it.
    """
    resolution, quality, amount = kind.split("/")
    return f"{resolution} at {quality} quality for {tell_cost(int(amount))}"


def say(notice: Notice, locale: str = FALLBACK, **facts: Fact) -> str:
    return _sentence("notices", notice, facts, locale)


def explain(problem: Problem, locale: str = FALLBACK) -> str:
    """What happened to a job that has no image, and that it cost nothing."""
    text = (
        _flaw(problem.facts, locale)
        or _moderated(problem.facts, locale)
        or _sentence("failures", problem.failure, problem.facts, locale)
    )
    return f"{text} {say(Notice.NOTHING_CHARGED, locale)}"


def refuse(refusal: Refusal, locale: str = FALLBACK) -> str:
    """Why a request was not taken, and what to do about it."""
    facts = refusal.facts
    text = _flaw(facts, locale) or _sentence("refusals", refusal.reason, facts, locale)
    if "usual_ucr" in facts and refusal.reason is not Reason.TOTAL_BUDGET:
        text += f" {say(Notice.USUAL, locale, **facts)}"
    if facts.get("fits"):
        text += f" {say(Notice.FITS, locale, **facts)}"
    if "others" in facts:
        text += f" {say(Notice.OTHERS_CAN, locale, **facts)}"
    return f"{text} {say(Notice.NOTHING_CHARGED, locale)}"


def _flaw(facts: Facts, locale: str) -> str | None:
    """What is wrong with the image that the facts are of; None: they are of none."""
    flaw = str(facts.get("flaw", ""))
    if flaw not in set(Flaw):
        # Of another version of Easel: the sentence of the reason itself has to do.
        return None
    named = Notice.NAMED_BY_OPTION if facts.get("option") else Notice.NAMED_BY_FILE
    try:
        image = say(named, locale, **facts)
        return _sentence("flaws", flaw, {**facts, "image": image}, locale)
    except (KeyError, TypeError, ValueError):
        return None


def _moderated(facts: Facts, locale: str) -> str | None:
    """What a content filter looked at, and what for; None: that is not known."""
    stage = str(facts.get("stage", ""))
    if stage not in set(Stage):
        return None
    known = facts.get("contents")
    contents = [each for each in known if each in set(Content)] if isinstance(known, list) else []
    of_words = stage == Stage.INPUT
    if contents:
        told = [_sentence("contents", each, {}, locale) for each in contents]
        notice = Notice.WORDS_REFUSED_FOR if of_words else Notice.PICTURE_REFUSED_FOR
        return say(notice, locale, contents=told)
    return say(Notice.WORDS_REFUSED if of_words else Notice.PICTURE_REFUSED, locale)


def _sentence(table: str, name: str, facts: Facts, locale: str) -> str:
    return WRITER.vformat(_language(locale)[table][name], (), facts)


@cache
def _language(locale: str) -> dict[str, dict[str, str]]:
    """
    Args:
        locale: as Discord names it: `de`, `en-US`.
    """
    for name in (locale, locale.partition("-")[0], FALLBACK):
        path = FOLDER / f"{name}.toml"
        if name in languages():
            return tomllib.loads(path.read_text(encoding="utf-8"))
    raise AssertionError(f"{FALLBACK}.toml is not there")


@cache
def languages() -> frozenset[str]:
    return frozenset(path.stem for path in FOLDER.glob("*.toml"))
