"""
Tells whether a complaint is about a request's content, by one table for all vendors.

A vendor relays what the model's maker, or a gateway between them, says. Their codes and words
therefore come from any vendor, in any field, and in upper or lower case. A doubtful complaint
counts as one about content, and its request is not sent on to another vendor.
"""

import re

#: Phrases that are only about content; a code is read as a phrase. Sources: OpenAI (API reference
#: and issue threads, 2026), Azure OpenAI, Google's finish reasons, New API and its forks, API
#: Models' and RunningHub's clients.
CLEAR = (
    "safety system", "safety violation", "safety filter", "safety polic", "safety check",
    "image safety", "moderation blocked", "moderation failed", "moderation details",
    "content moderation", "content policy", "content policies", "content filter", "content safety",
    "content violat", "content verification", "content management policy", "usage polic",
    "sensitive word", "sensitive content", "sensitive information", "prohibited content",
    "prohibited use", "prompt blocked", "blocked by policy", "blocked by our", "blocked prompt",
    "policy violation", "violates our", "violate our", "violation of our", "violating our",
    "real people are prohibited", "inappropriate content", "explicit content", "adult content",
    "sexual content", "nsfw", "not safe for work", "responsible ai", "responsibleai",
    "copyrighted", "public figure", "child safety", "hate speech",
    "敏感", "违规", "违禁", "违反", "不合规", "审核", "色情", "暴力", "内容安全", "安全策略",
    "安全系统",
)  # fmt: skip
#: The switch that some vendors take (`nsfw_checker`). A complaint about the field itself has its
#: name in it, and the name alone does not say that content was refused.
SWITCH = "nsfw checker"
#: Words that are about content, unless the same complaint also has a phrase of OTHERWISE.
LIKELY = (
    "moderation", "safety", "unsafe", "sensitive", "flagged", "policy", "policies", "prohibited",
    "violation", "violat", "illegal", "inappropriate", "image generation user error",
    SWITCH,
)  # fmt: skip
#: Phrases about something else: money, limits, time, keys, or the form of a request.
OTHERWISE = (
    "rate limit", "too many requests", "quota", "insufficient", "balance", "billing", "payment",
    "concurren", "timeout", "timed out", "overload", "api key", "apikey", "unauthorized",
    "authentication", "not supported", "unsupported", "invalid size", "illegal argument",
    "illegal parameter", "illegal size", "illegal base64", "case sensitive", "must be one of",
    "must be a boolean", "must be boolean", "valid boolean", "unknown parameter", "unknown field",
    "unexpected field", "extra inputs", "maximum length",
)  # fmt: skip
#: Statuses that name another reason: key, money, limits, or a vendor that is out of service.
OTHER_STATUSES = frozenset({401, 402, 407, 429, 503})

_JOINTS = re.compile(r"[_\-\s]+")


def is_content(*words: str, status: int = 0) -> bool:
    """
    Whether a complaint is about the request's content.

    Args:
        words: codes and messages of one complaint, in any order.
        status: HTTP's, or the vendor's own if it means the same; 0: none.
    """
    said = _JOINTS.sub(" ", " ".join(words)).lower()
    clear = said.replace(SWITCH, "")
    if any(phrase in clear for phrase in CLEAR):
        return True
    if status in OTHER_STATUSES or any(phrase in said for phrase in OTHERWISE):
        return False
    return any(phrase in said for phrase in LIKELY)
