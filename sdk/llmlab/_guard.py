"""Checks before a call: the workspace's policy, and a reservation against budgets."""

import itertools
import json
import random
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import httpx

from llmlab._bounds import bounded
from llmlab._errors import BudgetExceeded, LLMLabError, ModelDisabled, TokenLimitExceeded, Unreachable
from llmlab._http import Http, detail, retry_after
from llmlab._leases import Lease, Leases, Size
from llmlab._logs import warn
from llmlab._settings import Settings

# Token counts to reserve for a call of unknown size.
ASSUMED_INPUT_TOKENS = 4_096
ASSUMED_OUTPUT_TOKENS = 4_096
# Lifetime of a reservation: long enough for a call and the delivery of its event.
RESERVATION_SECONDS = 900
_THREADS = 16
_MAX_PAUSE_SECONDS = 5.0
_MIN_TIMEOUT_SECONDS = 0.05


@dataclass(frozen=True)
class Policy:
    """The workspace's settings that apply to calls."""

    disabled_models: tuple[str, ...] = ()
    max_tokens_per_request: int | None = None
    enable_caching: bool = False
    _disabled: dict[str, bool] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> "Policy":
        """The policy from the answer of GET /api/settings/policy."""
        return cls(tuple(answer["disabled_models"]), answer["max_tokens_per_request"], answer["enable_caching"])

    def check(self, model: str | None, tokens: int) -> None:
        """Raises ModelDisabled or TokenLimitExceeded for a call with at least `tokens` tokens."""
        if self.disabled_models and model is not None:
            disabled = self._disabled.get(model)
            if disabled is None:
                if len(self._disabled) > 1000:
                    self._disabled.clear()
                disabled = self._disabled[model] = any(matches(pattern, model) for pattern in self.disabled_models)
            if disabled:
                raise ModelDisabled(f"The settings of this workspace disable the model {model!r}")
        limit = self.max_tokens_per_request
        if limit is not None and tokens > limit:
            raise TokenLimitExceeded(f"The settings of this workspace allow {limit} tokens per request, not {tokens}")


def matches(pattern: str, name: str) -> bool:
    """Whether a name matches a pattern, ignoring case. * matches any text."""
    first, *rest = pattern.lower().split("*")
    name = name.lower()
    if not rest:
        return name == first
    if not name.startswith(first):
        return False
    *middle, last = rest
    at = len(first)
    for part in middle:
        found = name.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return name.endswith(last) and len(name) - len(last) >= at


class Guard:
    """Checks calls against the policy and reserves budget for them.

    With a hard budget, the recorded spend never exceeds its limit by calls that were checked here, as long as no call
    costs more than its maximum and each is recorded within the lifetime of its reservation. Therefore calls are taken
    only from young reservations, and nothing is reserved while older events wait to be delivered. `catch_up` delivers
    those within a number of seconds, and returns whether none are left. `nudge` makes the background thread ask `due`.
    """

    def __init__(
        self, settings: Settings, http: Http, catch_up: Callable[[float], bool], nudge: Callable[[], None]
    ) -> None:
        self.policy: Policy | None = None
        self.policy_due = 0.0
        self._settings = settings
        self._http = http
        self._catch_up = catch_up
        self._nudge = nudge
        self.after_fork()

    def after_fork(self) -> None:
        """Replaces locks and threads in the child process, whose owners do not exist there.

        The leases stay with the parent.
        """
        self._refreshing = threading.Lock()
        self._starting_threads = threading.Lock()
        self._threads: ThreadPoolExecutor | None = None
        self._leases = Leases()
        self._failures = 0
        self._quiet_until = 0.0
        self._busy = False
        self._reason = ""
        self._skipped = itertools.count(1).__next__
        self.unchecked = self._logged = 0

    # In the background

    def idle(self) -> None:
        """Requests the policy if it is due, and returns unused leases."""
        self.refresh()
        self._give_back(self._leases.idle(), self._settings.timeout)
        self._log_unchecked()

    def due(self) -> float:
        """The time (monotonic) at which `idle` has something to do."""
        return self._leases.due()

    def refresh(self) -> None:
        """Requests the policy if it is due. Keeps the previous one if LLMLab cannot be reached."""
        now = time.monotonic()
        if now < self.policy_due:
            return
        self.policy_due = now + self._settings.policy_seconds
        try:
            response = self._http.request("GET", "/api/settings/policy", timeout=self._settings.timeout)
            if response.is_success:
                self.policy = Policy.of(response.json())
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            # The outbox warns when LLMLab cannot be reached.
            return

    def close(self, seconds: float) -> None:
        """Shuts down the threads and returns the leases, waiting at most `seconds` for each."""
        if self._threads is not None:
            self._threads.shutdown(wait=False)
        self._give_back(self._leases.close(), min(seconds, self._settings.timeout))

    # Before a call

    def take(self, planned: dict[str, Any]) -> str | None:
        """Admits a call without a request, if there is a lease for it. Raises as `admit` does."""
        if self.policy is None:
            return None
        self._check_policy(planned)
        return self._leases.take(*_form_and_size(_complete(planned)))

    def submit(self, planned: dict[str, Any]) -> "Future[str | None]":
        """Runs `admit` in a thread, for callers with an event loop."""
        with self._starting_threads:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="llmlab-guard")
            threads = self._threads
        return threads.submit(self.admit, planned)

    def admit(self, planned: dict[str, Any]) -> str | None:
        """Checks the policy and reserves budget for a call. Returns the reservation's id, or None without one.

        Waits at most for the setting `timeout`. Raises ModelDisabled, TokenLimitExceeded, BudgetExceeded and
        Unreachable.
        """
        deadline = time.monotonic() + self._settings.timeout
        if self.policy is None:
            with self._refreshing:
                if self.policy is None and time.monotonic() >= self._quiet_until:
                    self.refresh()
        self._check_policy(planned)
        call = _complete(planned)
        form, size = _form_and_size(call)
        while True:
            reserved = self._leases.take(form, size)
            if reserved is not None:
                return reserved
            if not self._await_turn(deadline):
                return self._skip(self._reason)
            if not self._catch_up(max(deadline - time.monotonic(), 0.0)):
                self._pause("Events of earlier calls cannot be delivered")
                return self._skip(self._reason)
            found = self._leases.take_or_plan(form, size, deadline)
            if isinstance(found, Lease):
                found = self._request(call, found, deadline)
            if found is not None:
                return found
            if time.monotonic() >= deadline and self._quiet_until < time.monotonic():
                return self._skip("LLMLab does not answer in time")

    def release(self, admission: "Future[str | None]") -> None:
        """Releases the call of an admission. If that fails, its reservation expires on the server."""
        if admission.cancelled() or admission.exception() is not None:
            return
        reservation = admission.result()
        if reservation is not None:
            self._give_back([(reservation, 1)], self._settings.timeout)

    def _check_policy(self, planned: dict[str, Any]) -> None:
        if self.policy is not None:
            self.policy.check(planned["model"], (planned["input_tokens"] or 0) + (planned["max_output_tokens"] or 0))

    def _request(self, call: dict[str, Any], lease: Lease, deadline: float) -> str | None:
        """Requests a reservation. Returns its id, or None to try again. Raises the refusal of the call."""
        wanted = {
            **call,
            "input_tokens": lease.size.input_tokens,
            "max_output_tokens": lease.size.output_tokens,
            "seconds": RESERVATION_SECONDS,
        }
        if lease.wanted > 1:
            wanted["calls"] = lease.wanted
        now = time.monotonic()
        try:
            response = self._http.request(
                "POST", "/api/budgets/reservations", timeout=max(deadline - now, _MIN_TIMEOUT_SECONDS), json=wanted
            )
            body = json.loads(response.content, parse_float=Decimal)
            if response.status_code == 201:
                self._failures = 0
                self._leases.granted(lease, str(body["id"]), calls := int(body.get("calls", 1)), now)
                if calls > 1:
                    self._nudge()
                return str(body["id"])
        except Exception as error:
            # No error here may reach the user's call.
            self._leases.failed(lease)
            self._pause(f"LLMLab cannot be reached: {type(error).__name__}")
            return None
        except BaseException:
            self._leases.failed(lease)
            raise
        busy = response.status_code == 429
        self._leases.failed(lease, busy=busy)
        refusal = _refusal(response.status_code, body)
        if refusal is not None:
            self._failures = 0
        elif busy or lease.is_alone:
            self._pause(
                f"LLMLab could not reserve budget for a call: {detail(response)}", retry_after(response), busy=busy
            )
        # A refused lease may have been for more, or for larger calls than this one.
        if refusal is not None and lease.is_alone:
            raise refusal
        return None

    def _give_back(self, unused: list[tuple[str, int]], seconds: float) -> None:
        """Releases calls of reservations. Stops at a failure; then they expire on the server."""
        for id, calls in unused:
            try:
                # Never sent again: a second release would free calls that are in progress.
                self._http.request(
                    "DELETE", f"/api/budgets/reservations/{id}", params={"calls": calls}, timeout=seconds, again=False
                )
            except Exception:
                return

    # While LLMLab does not answer

    def _await_turn(self, deadline: float) -> bool:
        """Waits for the end of a rate limit. Returns False if that, or a pause after a failure, is too long."""
        while (pause := self._quiet_until - time.monotonic()) > 0:
            if not self._busy or time.monotonic() + pause >= deadline:
                return False
            time.sleep(pause * random.uniform(1.0, 1.2))  # noqa: S311
        return time.monotonic() < deadline or not self._busy

    def _pause(self, reason: str = "", retry_after: float = 0.0, *, busy: bool = False) -> None:
        """Sends no requests for a while, so that not every call waits for a timeout; `busy` means a rate limit."""
        self._failures = min(self._failures + 1, 8)
        self._reason, self._busy = reason, busy
        pause = retry_after or min(0.25 * 2**self._failures, _MAX_PAUSE_SECONDS)
        self._quiet_until = time.monotonic() + pause

    def _skip(self, reason: str) -> str | None:
        """Allows a call without a reservation. Raises Unreachable if `on_unreachable` is `refuse`."""
        if self._settings.on_unreachable == "refuse":
            raise Unreachable(reason)
        self.unchecked = self._skipped()
        self._reason = reason
        self._log_unchecked()
        return None

    def _log_unchecked(self) -> None:
        """Logs the number of calls made without a check, at most once per minute, until it was logged."""
        unchecked = self.unchecked
        if unchecked != self._logged and warn(
            "guard", f"{self._reason}. Calls made without a budget check so far: {unchecked}"
        ):
            self._logged = unchecked


def _complete(planned: dict[str, Any]) -> dict[str, Any]:
    """A planned call within LLMLab's limits, with assumptions for what is unknown."""
    assumed = {"model": "unknown", "input_tokens": ASSUMED_INPUT_TOKENS, "max_output_tokens": ASSUMED_OUTPUT_TOKENS}
    return {**assumed, **bounded({key: value for key, value in planned.items() if value is not None})}


def _form_and_size(call: dict[str, Any]) -> tuple[tuple[Any, ...], Size]:
    tags = tuple(sorted(call.get("tags", {}).items()))
    form = call["provider"], call["model"], call.get("project"), tags
    return form, Size(call["input_tokens"], call["max_output_tokens"])


def _refusal(status: int, body: Any) -> LLMLabError | None:
    if not isinstance(body, dict):
        return None
    message, reason = str(body.get("detail")), body.get("reason")
    if status == 402:
        remaining = body.get("remaining")
        return BudgetExceeded(
            message,
            budget_id=body.get("budget_id"),
            budget=body.get("budget"),
            remaining=None if remaining is None else Decimal(remaining),
        )
    if status == 403 and reason == "model_disabled":
        return ModelDisabled(message)
    if status == 403 and reason == "token_limit":
        return TokenLimitExceeded(message)
    return None
