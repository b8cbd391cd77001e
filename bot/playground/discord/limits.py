"""Rate limits and their headers; a route without a limit only gets headers."""

import hashlib
from collections.abc import Mapping

from msgspec import Struct

from bot.playground.discord.clock import Clock
from bot.playground.discord.errors import ApiError, rate_limited

#: The limit that the headers name for a route without one; clients pace themselves by it.
UNLIMITED = 100_000
BUCKETS_KEPT_MAX = 10_000
#: The parameters that split a bucket. Source: Discord docs, "Rate Limits", top-level resources.
MAJOR_PARAMETERS = ("channel_id", "guild_id", "webhook_id", "webhook_token")


class _Bucket(Struct):
    used: int
    resets_at_s: float


class RateLimits:
    """Counts requests for each route and its major parameters."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._limits: dict[tuple[str, str], tuple[int, float]] = {}
        self._buckets: dict[tuple[str, ...], _Bucket] = {}

    def set(self, method: str, template: str, *, limit: int, window_s: float) -> None:
        """Allow `limit` requests in each window of `window_s` seconds."""
        self._limits[method, template] = (limit, window_s)

    def spend(
        self, method: str, template: str, params: Mapping[str, str]
    ) -> tuple[dict[str, str], ApiError | None]:
        """Count a request; return its headers and, if it exceeds the limit, the refusal."""
        limit, window_s = self._limits.get((method, template), (UNLIMITED, 1.0))
        major = tuple(params.get(name, "") for name in MAJOR_PARAMETERS)
        now_s = self._clock.now_s()
        bucket = _Bucket(0, now_s + window_s)
        if limit != UNLIMITED:
            if len(self._buckets) >= BUCKETS_KEPT_MAX:
                del self._buckets[next(iter(self._buckets))]
            bucket = self._buckets.setdefault((method, template, *major), bucket)
            if now_s >= bucket.resets_at_s:
                bucket.used, bucket.resets_at_s = 0, now_s + window_s
        bucket.used += 1
        name = hashlib.sha256(f"{method} {template}".encode()).hexdigest()[:32]
        left_s = bucket.resets_at_s - now_s
        headers = {
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": str(max(0, limit - bucket.used)),
            "X-RateLimit-Reset": f"{bucket.resets_at_s:.3f}",
            "X-RateLimit-Reset-After": f"{left_s:.3f}",
            "X-RateLimit-Bucket": name,
        }
        return headers, rate_limited(left_s) if bucket.used > limit else None
