"""
What a member reads: the sentence for each reason, in the reader's language.

The English is in en.toml, its translations are in PO files beside it (CONTRIBUTING says how to add
to them). All sentences are Easel's own: none has a vendor's words.
"""

from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache

from bot.chat.texts.languages import FALLBACK, english
from bot.chat.texts.markdown import inert, inert_line
from bot.chat.texts.phrases import Phrase as Phrase  # given on
from bot.chat.texts.writer import writer
from bot.domain.jobs import Failure, Problem
from bot.errors import Content, Fact, Facts, Flaw, Reason, Refusal, Stage

#: amounts whose words are remembered; most buttons show one of a few prices
COSTS_MAX = 1_000


class Notice(StrEnum):
    """
    Sentences other than refusals and failures; the names in braces in en.toml are the facts that
    each takes.
    """

    NOTHING_CHARGED = "nothing_charged"
    OTHERS_CAN = "others_can"
    UNFILTERED_CAN = "unfiltered_can"
    NO_OTHER_CAN = "no_other_can"
    ASK_DIRECTLY = "ask_directly"
    OUTDATED_COMMAND = "outdated_command"
    TAKEN_ELSEWHERE = "taken_elsewhere"
    TRY_AGAIN_AT = "try_again_at"
    TRY_AGAIN_SOON = "try_again_soon"
    TOO_LATE = "too_late"
    NOT_YOURS = "not_yours"
    #: where moderators cannot do it either
    ONLY_THEIRS = "only_theirs"
    NO_SUCH_JOB = "no_such_job"
    NOT_THERE_YET = "not_there_yet"
    UNKNOWN_BUTTON = "unknown_button"
    IMAGES_GONE = "images_gone"
    KEPT_FOR = "kept_for"
    NOT_SHOWN_HERE = "not_shown_here"
    NOT_TAKEN_HERE = "not_taken_here"
    MODERATORS_ONLY = "moderators_only"
    #: a defect of Easel's in a command, before anything was held
    COMMAND_FAILED = "command_failed"
    #: a defect of Easel's after a press, whose job may have been charged long ago
    PRESS_FAILED = "press_failed"
    #: a defect of Easel's between a job's acceptance and its status message
    ACCEPTED_ALL_THE_SAME = "accepted_all_the_same"
    DRAWN_INSTEAD = "drawn_instead"
    #: default: the model that the member prefers
    DRAWN_AGAINST_PREFERENCE = "drawn_against_preference"
    WITHOUT_WISHES = "without_wishes"
    #: a content filter refused the words or a reference
    WORDS_REFUSED_FOR = "words_refused_for"
    WORDS_REFUSED = "words_refused"
    PICTURE_REFUSED_FOR = "picture_refused_for"
    PICTURE_REFUSED = "picture_refused"
    #: said in a server that the host does not serve
    LEAVING = "leaving"
    USUAL = "usual"
    FITS = "fits"
    NAMED_BY_OPTION = "named_by_option"
    NAMED_BY_FILE = "named_by_file"
    FETCHING = "fetching"
    FETCHING_REST = "fetching_rest"
    SOME_MISSING = "some_missing"
    OTHER_RATIO = "other_ratio"
    OTHER_SIZE = "other_size"
    REDUCED = "reduced"
    #: where results are not kept
    REDUCED_ALONE = "reduced_alone"
    COVERED = "covered"
    PICTURE_BY = "picture_by"
    NOT_AWAITED = "not_awaited"
    MADE_UNAWAITED = "made_unawaited"
    NOT_DELETED = "not_deleted"
    UNFILTERED = "unfiltered"
    NONE_YET = "none_yet"
    ENDED = "ended"
    DRAFT_GONE = "draft_gone"
    NOT_ENOUGH = "not_enough"
    ENOUGH_FOR = "enough_for"
    NO_PRESET = "no_preset"
    NO_PRESETS = "no_presets"
    PRESETS_MORE = "presets_more"
    PRESET_KEPT = "preset_kept"
    PRESET_REMOVED = "preset_removed"
    NO_JOB_TO_KEEP = "no_job_to_keep"
    NO_WORDS_TO_KEEP = "no_words_to_keep"
    NO_PICTURE_THERE = "no_picture_there"
    BASKET_EMPTY = "basket_empty"
    MODERATORS_SAY = "moderators_say"
    NSFW_OFF_ASK = "nsfw_off_ask"
    NO_AMOUNT = "no_amount"
    NO_HOURS = "no_hours"
    LAST_OF_THEM = "last_of_them"
    NO_LANGUAGE = "no_language"
    LOG_LACKS = "log_lacks"
    BLOCKED_UNTIL = "blocked_until"
    BLOCKED_FOR = "blocked_for"
    COVERED_BY_MODERATOR = "covered_by_moderator"
    CANCELLED_BY = "cancelled_by"
    REMOVED = "removed"
    NOT_OF_THIS_SERVER = "not_of_this_server"
    END_NOT_READ = "end_not_read"
    REASON_MISSING = "reason_missing"
    MEMBER_BLOCKED = "member_blocked"
    MEMBER_BLOCKED_UNTIL = "member_blocked_until"
    MEMBER_UNBLOCKED = "member_unblocked"
    NOT_BLOCKED = "not_blocked"
    NOBODY_BLOCKED = "nobody_blocked"
    NOTHING_YET = "nothing_yet"
    COVERED_NOW = "covered_now"
    COVERED_ELSEWHERE = "covered_elsewhere"
    REMOVED_NOW = "removed_now"
    REMOVED_ELSEWHERE = "removed_elsewhere"
    REFUNDED_NOW = "refunded_now"
    REFUND_EXPIRED = "refund_expired"
    NOTHING_TO_REFUND = "nothing_to_refund"
    REPORTED_NOW = "reported_now"
    NO_LOG_CHANNEL = "no_log_channel"
    REPORTED_BEFORE = "reported_before"
    TOO_MANY_REPORTS = "too_many_reports"
    PRIVATE_SEEN = "private_seen"
    ALLOWANCE_REFILLS = "allowance_refills"
    #: for an allowance that rolls
    COMES_BACK = "comes_back"
    BUDGET_SPENT = "budget_spent"
    BUDGET_USED_UP = "budget_used_up"
    WRONG_AMOUNT = "wrong_amount"
    NOTHING_TO_GIVE = "nothing_to_give"
    NOT_SO_MUCH_GRANTED = "not_so_much_granted"
    NOT_SO_MUCH_THERE = "not_so_much_there"
    TOO_MANY_ROLES = "too_many_roles"
    BUDGET_OF_HOST = "budget_of_host"
    STORED = "stored"
    PROMPTS_KEPT = "prompts_kept"
    PROMPTS_KEPT_FOR_EVER = "prompts_kept_for_ever"
    RESULTS_KEPT = "results_kept"
    RESULTS_NOT_KEPT = "results_not_kept"
    JOBS_KEPT = "jobs_kept"
    JOBS_KEPT_FOR_EVER = "jobs_kept_for_ever"
    LEDGER_KEPT = "ledger_kept"
    VENDORS_GET = "vendors_get"
    ERASE_ASKED = "erase_asked"
    ERASED = "erased"
    ERASED_AFTER = "erased_after"
    CANCELLED_FIRST = "cancelled_first"
    EXPORTED = "exported"
    NOT_EXPORTED = "not_exported"
    TOO_LARGE_TO_EXPORT = "too_large_to_export"
    WORDS_GONE = "words_gone"
    NO_SUCH_MONTH = "no_such_month"
    NOTHING_IN_MONTH = "nothing_in_month"
    TABLE_OF_MONTH = "table_of_month"
    TABLE_TOO_LARGE = "table_too_large"


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
