"""One table for all vendors: what is about the content of a request, and what is not."""

import pytest

from bot.providers.moderation import is_content


@pytest.mark.parametrize(
    "words",
    [
        ("moderation_blocked", ""),
        ("image_generation_user_error", "please change your prompt"),
        ("", "Your request was rejected by the safety system. safety_violations=[violence]"),
        ("400", "SENSITIVE_WORDS_DETECTED"),
        (
            "InvalidPrompt",
            "The response was filtered due to Azure OpenAI's content management policy",
        ),
        ("", "Content-Policy violation"),
        ("PROHIBITED_CONTENT",),
        ("1501", "内容安全审核未通过"),
        ("", "we could not process this image: it may contain nudity (NSFW)"),
        ("", "it is unsafe"),
        ("", "rejected by nsfw_checker"),
        ("nsfw_checker", "NSFW content is not supported"),
    ],
)
def test_a_refusal_of_content_is_known_by_code_or_words(words: tuple[str, ...]) -> None:
    assert is_content(*words)
    assert is_content(*words, status=400)


@pytest.mark.parametrize(
    "words",
    [
        ("rate_limit_exceeded", "policy: 3 requests a minute"),
        ("insufficient_quota", "see our usage and billing policies of your plan"),
        ("image_generation_user_error", "Transparent background is not supported for this model"),
        ("", "Request timed out while waiting for the moderation"),
        ("invalid_request_error", "illegal size 7x7"),
        ("", "illegal base64 data at input byte 0"),
        ("", "nsfw_checker is not supported for this model"),
        ("422", "input.nsfw_checker must be a boolean"),
        ("", "Extra inputs are not permitted: nsfw_checker"),
        ("", "The server had an error"),
        ("", ""),
    ],
)
def test_another_complaint_is_not_taken_for_one(words: tuple[str, ...]) -> None:
    assert not is_content(*words)


@pytest.mark.parametrize("status", [401, 402, 429, 503])
def test_a_status_with_a_reason_of_its_own_wins_over_likely_words(status: int) -> None:
    assert not is_content("", "see our policy", status=status)
    assert is_content("", "rejected by the safety system", status=status)
