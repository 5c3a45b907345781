"""90 days of sample calls of a fictional company, with growth, a model change, a spike and an outage."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from math import exp, log
from random import Random
from typing import Any

DAYS = 90

_HOUR = timedelta(hours=1)
# Relative calls by hour of the day in UTC: office hours, all day, and a nightly job.
_OFFICE = (1, 1, 1, 1, 1, 2, 6, 12, 20, 24, 24, 20, 18, 22, 24, 22, 18, 12, 7, 5, 4, 3, 2, 1)
_ALL_DAY = (5, 4, 3, 3, 3, 4, 6, 9, 12, 14, 15, 15, 14, 14, 14, 14, 14, 14, 15, 16, 15, 12, 9, 7)
_NIGHT = (0, 0, 30, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


@dataclass(frozen=True)
class Traffic:
    """One kind of call. Token counts and latencies are medians; days count back from today, which is day 0."""

    project: str
    provider: str
    model: str
    calls_a_day: float
    prompt: int
    output: int
    latency_ms: int
    hours: tuple[int, ...] = _OFFICE
    weekend: float = 0.3
    growth_a_day: float = 0.0
    cached: float = 0.0
    tags: tuple[tuple[str, tuple[str, ...]], ...] = ()
    # Tokens at the start of every prompt that are the same, but not cached.
    prefix: int = 0
    first_day: int = DAYS
    last_day: int = 0


_TEAM_SUPPORT = ("team", ("support",))
_TEAM_CORE = ("team", ("core",))
_LANGUAGES = ("language", ("en", "en", "en", "de", "fr"))

TRAFFIC = (
    # Grows by 50% a month.
    Traffic("support bot", "openai", "gpt-4o-mini", 150, 1800, 260, 1100, _ALL_DAY, 0.7, 0.0135, 0.4,
            (_TEAM_SUPPORT, _LANGUAGES, ("feature", ("answer", "answer", "summary")))),
    Traffic("support bot", "anthropic", "claude-haiku-4-5", 110, 4500, 450, 1300, _ALL_DAY, 0.7, 0.0135, 0.5,
            (_TEAM_SUPPORT, _LANGUAGES, ("feature", ("escalation",)))),
    # Switched to another model 25 days ago.
    Traffic("search", "openai", "gpt-4o", 170, 900, 120, 900, _ALL_DAY, 0.6, 0.0, 0.0,
            (_TEAM_CORE, ("feature", ("rewrite", "rank"))), last_day=26),
    Traffic("search", "google", "gemini-2.5-flash", 180, 900, 120, 600, _ALL_DAY, 0.6, 0.0, 0.0,
            (_TEAM_CORE, ("feature", ("rewrite", "rank"))), first_day=25),
    # Office hours, with few calls at weekends.
    Traffic("code assistant", "anthropic", "claude-sonnet-4-5", 140, 14000, 800, 9000, _OFFICE, 0.08, 0.002, 0.75,
            (_TEAM_CORE, ("feature", ("edit", "review", "explain")))),
    # A nightly job.
    Traffic("reports", "openai", "gpt-4o", 80, 6000, 900, 7000, _NIGHT, 1.0, 0.0, 0.0,
            (("team", ("finance",)), ("tier", ("batch",))), prefix=1200),
    # Few calls with long prompts, some of them in the long-context price tier.
    Traffic("research", "google", "gemini-2.5-pro", 14, 60000, 2500, 25000, _OFFICE, 0.2, 0.004, 0.0,
            (("team", ("research",)),)),
    Traffic("playground", "mistral", "mistral-large-latest", 12, 700, 400, 2000, _OFFICE, 0.4),
    # A model without a price.
    Traffic("playground", "in-house", "support-7b-v3", 10, 700, 300, 700, _OFFICE, 0.4),
)  # fmt: skip

# On a Tuesday from 10:00 to 15:00 UTC, a release of the code assistant retried in a loop.
SPIKE_PROJECT = "code assistant"
_SPIKE_HOURS, _SPIKE_FACTOR = range(10, 15), 9.0
# On a Wednesday from 13:00 to 17:00 UTC, most calls to OpenAI failed, and the support bot fell back to Anthropic.
OUTAGE_PROVIDER = "openai"
_OUTAGE_HOURS, _OUTAGE_FAILURES = range(13, 17), 0.65
_FALLBACK, _FALLBACK_FACTOR = ("support bot", "anthropic"), 3.0

_FAILURES = 0.008
_RATED = {"support bot": 0.03, "code assistant": 0.04}
# Weights of the ratings 1 to 5.
_RATINGS = {
    "gpt-4o-mini": (8, 12, 25, 35, 20),
    "claude-haiku-4-5": (3, 7, 15, 40, 35),
    "claude-sonnet-4-5": (2, 4, 10, 34, 50),
}
_COMMENTS = {
    1: ("wrong answer", "made up a function that does not exist"),
    2: ("did not understand the question", "too long"),
    4: ("good, a bit slow",),
    5: ("exactly what I needed", "saved me an hour"),
}


@dataclass(frozen=True)
class Story:
    """Events for `POST /api/events/batch` in order of time, and feedback for some of them."""

    events: list[dict[str, Any]]
    feedback: list[dict[str, Any]]


def spike_day(today: date) -> date:
    """The day of the spike, a Tuesday."""
    return _weekday_before(today, 1, 9)


def outage_day(today: date) -> date:
    """The day of the outage, a Wednesday."""
    return _weekday_before(today, 2, 30)


def _weekday_before(today: date, weekday: int, least_days: int) -> date:
    day = today - timedelta(days=least_days)
    return day - timedelta(days=(day.weekday() - weekday) % 7)


def make_story(now: datetime, random: Random) -> Story:
    """Makes the events and feedback of the days up to now. The same random seed gives the same story."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    events = [
        event
        for days_ago in range(DAYS - 1, -1, -1)
        for traffic in TRAFFIC
        if traffic.first_day >= days_ago >= traffic.last_day
        for event in _day(traffic, today - timedelta(days=days_ago), days_ago, random)
        if event["timestamp"] <= now
    ]
    events.sort(key=lambda event: event["timestamp"])
    for number, event in enumerate(events):
        event["id"] = f"demo-{number:06}"
    return Story(events, list(_feedback(events, random)))


def _day(traffic: Traffic, day: datetime, days_ago: int, random: Random) -> Iterator[dict[str, Any]]:
    today = day.date() + timedelta(days=days_ago)
    calls = traffic.calls_a_day * (1 + traffic.growth_a_day) ** (DAYS - days_ago) * random.uniform(0.9, 1.1)
    if day.weekday() >= 5:
        calls *= traffic.weekend
    for hour, weight in enumerate(traffic.hours):
        expected = calls * weight / sum(traffic.hours)
        if day.date() == spike_day(today) and hour in _SPIKE_HOURS and traffic.project == SPIKE_PROJECT:
            expected *= _SPIKE_FACTOR
        outage = day.date() == outage_day(today) and hour in _OUTAGE_HOURS
        if outage and (traffic.project, traffic.provider) == _FALLBACK:
            expected *= _FALLBACK_FACTOR
        failures = _OUTAGE_FAILURES if outage and traffic.provider == OUTAGE_PROVIDER else _FAILURES
        for _ in range(int(expected) + (random.random() < expected % 1)):
            yield _call(traffic, day + (hour + random.random()) * _HOUR, random.random() < failures, random)


def _call(traffic: Traffic, at: datetime, failed: bool, random: Random) -> dict[str, Any]:
    prompt = _around(traffic.prompt, 0.5, random)
    call: dict[str, Any] = {
        "provider": traffic.provider,
        "model": traffic.model,
        "project": traffic.project,
        "input_tokens": prompt,
        "output_tokens": 0 if failed else _around(traffic.output, 0.6, random),
        "latency_ms": _around(traffic.latency_ms, 0.4, random),
        "timestamp": at.replace(microsecond=at.microsecond // 1000 * 1000),
        "tags": {key: random.choice(values) for key, values in traffic.tags},
        "metadata": {"request": f"{random.getrandbits(48):012x}"},
    }
    if traffic.prefix:
        call["metadata"] |= {"prefix_hash": _hash(traffic.project), "prefix_tokens": traffic.prefix}
    if traffic.cached and random.random() < 0.9:
        call["cache_read_tokens"] = int(prompt * min(1.0, traffic.cached * random.uniform(0.7, 1.2)))
    if failed:
        timeout = random.random() < 0.4
        call["status"] = "timeout" if timeout else "error"
        call["error_message"] = "No answer within 30 s" if timeout else "503 Service Unavailable"
        call["latency_ms"] = 30_000 if timeout else _around(400, 0.3, random)
    return call


def _feedback(events: list[dict[str, Any]], random: Random) -> Iterator[dict[str, Any]]:
    for event in events:
        if "status" not in event and random.random() < _RATED.get(event["project"], 0.0):
            (rating,) = random.choices((1, 2, 3, 4, 5), _RATINGS[event["model"]])
            feedback: dict[str, Any] = {"event_id": event["id"], "rating": rating}
            if rating in _COMMENTS and random.random() < 0.3:
                feedback["comment"] = random.choice(_COMMENTS[rating])
            yield feedback


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]


def _around(median: int, spread: float, random: Random) -> int:
    """A log-normally distributed integer with this median."""
    return max(1, round(exp(random.gauss(log(median), spread))))
