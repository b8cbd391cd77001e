"""
What a member reads: the sentence for each reason, in the reader's language.

The English is in en.toml, its translations are in PO files beside it (CONTRIBUTING says how to add
to them). All sentences are Easel's own: none has a vendor's words.
"""

from collections.abc import Iterable
from functools import lru_cache

from bot.chat.texts.languages import FALLBACK, english
from bot.chat.texts.markdown import inert, inert_line
from bot.chat.texts.phrases import Notice as Notice  # given on, as is the next
from bot.chat.texts.phrases import Phrase as Phrase
from bot.chat.texts.writer import writer
from bot.domain.jobs import Failure, Problem
from bot.errors import Content, Fact, Facts, Flaw, Reason, Refusal, Stage

#: amounts whose words are remembered; most buttons show one of a few prices
COSTS_MAX = 1_000


def say(words: Notice | Phrase, locale: str = FALLBACK, **facts: Fact) -> str:
    return _sentence("notices" if isinstance(words, Notice) else "phrases", words, facts, locale)


@lru_cache(maxsize=COSTS_MAX)
def tell_cost(amount_ucr: int, locale: str = FALLBACK) -> str:
    """What something costs: hundredths of a credit, rounded up, or "less than" one."""
    return writer(locale).format_field(amount_ucr, "cost")


def tell_name(table: str, word: str, locale: str = FALLBACK, **facts: Fact) -> str:
    """What a word is called by a table of en.toml; one that does not stand there, as it is."""
    if f"{table}.{word}" not in english():
        return inert(word)
    return _sentence(table, word, facts, locale)


def listed(parts: Iterable[str], locale: str = FALLBACK) -> str:
    """The parts as a list, with the language's commas."""
    return writer(locale).listed(parts)


def paired(name: str, value: str, locale: str = FALLBACK) -> str:
    """A name and what is said of it, with the language's colon."""
    return say(Phrase.PAIR, locale, name=name, value=value)


def tell_summary(model_id: str, summary: str, locale: str = FALLBACK) -> str:
    """What a model is good for; words that the catalog changed stay untranslated."""
    return writer(locale).summary(model_id, summary)


def why(problem: Problem, locale: str = FALLBACK) -> str:
    """Why an image was not made."""
    return (
        _flaw(problem.facts, locale)
        or _moderated(problem.facts, locale)
        or _sentence("failures", problem.failure, problem.facts, locale)
    )


def explain(problem: Problem, locale: str = FALLBACK) -> str:
    """Why a job has no image to show, and that it cost nothing."""
    told = [why(problem, locale)]
    if "again_at" in problem.facts or problem.failure is Failure.PROVIDER_DOWN:
        when = Notice.TRY_AGAIN_AT if "again_at" in problem.facts else Notice.TRY_AGAIN_SOON
        told.append(say(when, locale, **problem.facts))
    if "keep_days" in problem.facts:
        told.append(say(Notice.KEPT_FOR, locale, **problem.facts))
    return paragraph(*told, say(Notice.NOTHING_CHARGED, locale))


def refuse(refusal: Refusal, locale: str = FALLBACK) -> str:
    """Why a request was not taken, and what to do about it."""
    facts, reason = refusal.facts, refusal.reason
    down, blocked = reason is Reason.ROUTES_DOWN, reason is Reason.BLOCKED
    unasked = reason in (Reason.TOTAL_BUDGET, Reason.CEILING)
    others, unfiltered = facts.get("others"), facts.get("unfiltered")
    is_said = {
        Notice.ALLOWANCE_REFILLS: reason is Reason.CREDITS and "refills_at" in facts,
        Notice.COMES_BACK: "back_at" in facts,
        Notice.USUAL: "usual_ucr" in facts and not unasked,
        Notice.FITS: facts.get("fits"),
        Notice.TRY_AGAIN_AT: down and "again_at" in facts,
        Notice.TRY_AGAIN_SOON: down and "again_at" not in facts,
        Notice.ASK_DIRECTLY: "direct" in facts,
        Notice.MODERATORS_SAY: "said" in facts,
        Notice.OTHERS_CAN: others,
        Notice.UNFILTERED_CAN: unfiltered,
        Notice.NO_OTHER_CAN: "others" in facts and not others and not unfiltered,
        Notice.BLOCKED_UNTIL: blocked and "until" in facts,
        Notice.BLOCKED_FOR: blocked and facts.get("because"),
        Notice.NOTHING_CHARGED: True,
    }
    told = [_flaw(facts, locale) or _sentence("refusals", reason, facts, locale)]
    return paragraph(*told, *(say(each, locale, **facts) for each in is_said if is_said[each]))


def paragraph(*sentences: str) -> str:
    """The sentences in a row; Chinese and Japanese put no space between them."""
    return " ".join(sentences).replace("。 ", "。")


def _flaw(facts: Facts, locale: str) -> str | None:
    """What is wrong with the image that the facts describe; None: they describe none."""
    flaw = str(facts.get("flaw", ""))
    if flaw not in set(Flaw):
        # No flaw, or another version's: the reason's own sentence has to do.
        return None
    named = Notice.NAMED_BY_OPTION if facts.get("option") else Notice.NAMED_BY_FILE
    try:
        # A file may have any name.
        filename = inert_line(str(facts.get("filename", "")))
        image = say(named, locale, **{**facts, "filename": filename})
        return _sentence("flaws", flaw, {**facts, "image": image}, locale)
    except (KeyError, TypeError, ValueError):
        return None


def _moderated(facts: Facts, locale: str) -> str | None:
    """What a content filter refused, and for what contents; None: that is not known."""
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
    return writer(locale).write(f"{table}.{name}", facts)
