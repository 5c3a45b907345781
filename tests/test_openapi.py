"""The whole API against its own OpenAPI document: Schemathesis makes up requests that it allows or forbids.

Each answer must be one that the document promises, and none may be an internal error. What JSON Schema cannot say is
listed in `BY_DESIGN`: there, and nowhere else, an answer is right although a check objects to it.
"""

import asyncio
import logging
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import schemathesis
from schemathesis import Case, HookContext, Response
from schemathesis.auths import AuthContext
from schemathesis.checks import CHECKS
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.engine import StopReason, events, from_schema
from schemathesis.engine.recorder import ScenarioRecorder
from schemathesis.generation.meta import CoveragePhaseData
from schemathesis.openapi.checks import (
    AllowHeaderMismatch,
    RejectedPositiveData,
    UndefinedStatusCode,
)
from schemathesis.schemas import BaseSchema

import utils.ids
from engines.live import Watch
from main import create_app
from schemas.live import LiveMessage
from tests.conftest import settings_for
from tests.support.team import PASSWORD, new_email
from tests.support.threads import ThreadServer

# The same requests every time, apart from the ids that come back.
CONFIG: dict[str, Any] = {
    "seed": 1,
    "continue-on-failure": True,
    "request-timeout": 30,
    "generation": {"deterministic": True, "database": "none", "no-shrink": True},
    "checks": {"enabled": True},
    "auth": {"auto-signup": False},
    "cache": {"enabled": False},
    "output": {"sanitization": {"enabled": False}},
}
# The requests made up for each operation, besides those that follow from the document.
EXAMPLES = 20
# Each of these takes away what other requests need: the account, or the workspace with all it holds.
FAREWELLS = ["DELETE /api/auth/me", "DELETE /api/workspaces/current"]

AnyCase = Case[Any]


class Exemption(NamedTuple):
    """An expected failure of a check: its type, its operations, and a pattern of its text or of the answer."""

    failure: type[Failure]
    operations: str
    says: str

    def covers(self, failure: Failure, case: AnyCase, response: Response) -> bool:
        """Whether it covers this failure."""
        return (
            type(failure) is self.failure
            and re.fullmatch(self.operations, case.operation.label) is not None
            and re.search(self.says, f"{failure.message}\n{response.text}") is not None
        )


TRACK = "POST /api/events/track"
SETTINGS = "PUT (/api)?/settings"
LOG = "POST (/api)?/llm/log-call"
RANGES = "GET (/api)?/(costs/[a-z-]+|metrics/[a-z-]+|projects|export/(costs|focus))"
BY_DESIGN = [
    # A Content-Length that is not a number is invalid HTTP: the parser refuses it before there is a request.
    Exemption(UndefinedStatusCode, ".*", "Received: 400(.|\n)*\nInvalid HTTP request received.$"),
    # What holds between the fields of a call; a schema bounds each field by itself.
    Exemption(RejectedPositiveData, TRACK, "send either token counts or response, not both"),
    Exemption(RejectedPositiveData, TRACK, "input_tokens and output_tokens are required"),
    Exemption(RejectedPositiveData, TRACK, "is larger than (input|output)_tokens"),
    # The response of a provider may hold anything; an unreadable one is refused.
    Exemption(RejectedPositiveData, TRACK, '"detail":"(Responses of the provider|The (response|usage))'),
    # Metadata holds anything, as far as it can be stored. A provider has a name even without the spaces around it.
    Exemption(RejectedPositiveData, TRACK, "metadata: (must be at most|must not contain NUL|cannot be stored)"),
    Exemption(
        RejectedPositiveData,
        f"{TRACK}|{LOG}|POST /api/(budgets.*|prices|provider-keys)|GET /api/(export/)?events"
        "|GET (/api)?/(llm/models|metrics/[a-z-]+)",
        "provider: .* at least 1",
    ),
    # A call has one model, which the price list knows by its id or its name, or which has a provider; and one sum.
    Exemption(RejectedPositiveData, LOG, "send either model_id or model|send provider only with model"),
    Exemption(RejectedPositiveData, LOG, "model_id must be an id from|provider is required, because the price list"),
    Exemption(RejectedPositiveData, LOG, "is not the sum of prompt_tokens and completion_tokens"),
    # A project may be named by its id; then there must be one.
    Exemption(RejectedPositiveData, TRACK, "The project .* does not exist"),
    # To JSON Schema 1.0 is an integer. Here counts are written without a fraction.
    Exemption(
        RejectedPositiveData,
        f"{TRACK}|{LOG}|POST /api/budgets.*|POST (/api)?/feedback|{SETTINGS}",
        "(_tokens|days|seconds|rating|_per_request): Input should be a valid integer",
    ),
    Exemption(RejectedPositiveData, "POST /api/budgets", "custom is required for the period custom, and not allowed"),
    # Not every text is an address, and not every address is one of the service it is said to be of.
    Exemption(RejectedPositiveData, "POST /api/alert-channels", '"loc":\\["body","url"\\]'),
    # Not every text is a period, and not every period lies before another or within a year.
    Exemption(RejectedPositiveData, "GET /api/costs/compare", '"loc":\\["query","(from|to)"\\]'),
    # A schema does not know the current date.
    Exemption(RejectedPositiveData, TRACK, "timestamp is (more than a day in the future|before )"),
    Exemption(RejectedPositiveData, "POST /api/keys", "expires_at must be in the future"),
    # A batch answers for each event; its errors are in `rejected`.
    Exemption(AcceptedNegativeData, "POST /api/events/batch", r'"rejected":\[\{"index":'),
    # Traces are bytes of a form of their own, and may say of themselves that they are compressed.
    Exemption(
        RejectedPositiveData,
        "POST /v1/traces",
        "The body is (not valid gzip|not an ExportTraceServiceRequest|truncated)",
    ),
    # Only LiteLLM's records of calls are read; the errors of each are in `rejected`.
    Exemption(AcceptedNegativeData, "POST /api/ingest/litellm", '"rejected":'),
    # An event may be named "track" or "batch" by its sender, so GET /api/events/track is a request for it.
    Exemption(AllowHeaderMismatch, "POST /api/events/(track|batch)", "`Allow: GET, POST` does not match"),
    # JSON Schema cannot limit the digits of a number.
    Exemption(RejectedPositiveData, f"{TRACK}|POST /api/(budgets|prices)", r"no more than \d+ (digits|decimal pl)"),
    # Prices are either of two kinds, and end after they start.
    Exemption(RejectedPositiveData, "POST /api/prices", "send either percent_of_list or rates"),
    Exemption(RejectedPositiveData, "POST /api/prices", "both input and output are required"),
    Exemption(RejectedPositiveData, "POST /api/prices", "ends_at must be after starts_at"),
    # Not every name is a time zone's, not every text is a cursor, and not every two days make a range.
    Exemption(
        RejectedPositiveData, f"{RANGES}|GET /api/rec.*|POST /api/budgets|{SETTINGS}", "must be the name of a time zone"
    ),
    Exemption(
        RejectedPositiveData,
        "GET (/api)?/(alerts|events|audit|projects|feedback|llm/models)",
        "must be the next_cursor of an earlier response",
    ),
    Exemption(RejectedPositiveData, RANGES, "end requires start|start must be before end|covers at most 366 days"),
    Exemption(RejectedPositiveData, RANGES, "must be between the years 2000 and 2100"),
    Exemption(RejectedPositiveData, "GET /api/costs/timeseries", "An hourly series covers at most 31 days"),
    Exemption(
        RejectedPositiveData, "GET /api/costs/timeseries", "key is required for a split by tag|A split by tag cannot"
    ),
    # An address has one account, and a new password needs the right one.
    Exemption(RejectedPositiveData, "POST (/api)?/auth/(signup|register)", "Email already registered"),
    # A refresh token is in the body, or else the header says that it is in the cookie.
    Exemption(RejectedPositiveData, "POST /api/auth/refresh", "refresh_token is required|send either refresh_token or"),
    Exemption(RejectedPositiveData, "PATCH /api/auth/me", "current_password is (required|incorrect)"),
]


@pytest.fixture
def address(
    anyio_backend: str,
    url: str,
    no_deliveries: None,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[str]:
    """Where a real server listens, in a thread of this process."""
    caplog.set_level(logging.ERROR, "llmlab.requests")
    # Hypothesis sets the seed of `random` to the same before each case; the server's ids must differ all the same.
    monkeypatch.setattr(utils.ids, "random", random.SystemRandom())
    endless = Watch.messages

    def brief(watch: Watch, limit: int | None = None) -> AsyncIterator[LiveMessage | None]:
        # A stream has no end of its own.
        asyncio.get_running_loop().call_later(0.05, watch.end)
        return endless(watch, limit)

    monkeypatch.setattr(Watch, "messages", brief)
    server = ThreadServer(settings_for(tmp_path, database_url=url))
    server.start()
    yield server.url
    server.stop()


@pytest.fixture
def share(request: pytest.FixtureRequest) -> int:
    """One in this number of requests is sent: one in ten, or all with --all-cases."""
    return 1 if request.config.option.all_cases else 10


@pytest.fixture(scope="module")
def openapi(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The OpenAPI document, generated once."""
    return create_app(settings_for(tmp_path_factory.mktemp("data"))).openapi()


def described(openapi: dict[str, Any], address: str, share: int) -> BaseSchema:
    """The server at the address, to be tested against the document with a share of the requests."""
    generation = {**CONFIG["generation"], "max-examples": EXAMPLES // share}
    config = SchemathesisConfig.from_dict({**CONFIG, "base-url": address, "generation": generation})
    schema = schemathesis.openapi.from_dict(deepcopy(openapi), config=config)
    numbers: Counter[str] = Counter()

    def filter_case(context: HookContext, case: AnyCase) -> bool:
        # Their number follows from the document: of each operation the first, and then a share of the others.
        if case.meta is None or not isinstance(case.meta.phase.data, CoveragePhaseData):
            return True
        numbers[case.operation.label] += 1
        return numbers[case.operation.label] % share == 1 % share

    def filter_failure(context: HookContext, failure: Failure, case: AnyCase, response: Response) -> bool:
        return not any(exemption.covers(failure, case, response) for exemption in BY_DESIGN)

    schema.hook(filter_case)
    schema.hook(filter_failure)
    return schema


def sign_in(schema: BaseSchema, address: str) -> None:
    """Makes all requests those of an admin, who signs in again whenever a token no longer holds.

    Signing out is among the requests. Deleting the account is, too: then there is a new one.
    """
    account = {"email": new_email(), "password": PASSWORD}

    class Session:
        def get(self, case: AnyCase, context: AuthContext) -> str:
            session = httpx.post(f"{address}/api/auth/login", json=account)
            if session.status_code == 401:
                account["email"] = new_email()
                session = httpx.post(f"{address}/api/auth/signup", json={**account, "name": "Ada"})
            assert session.status_code == 200, session.text
            return str(session.json()["access_token"])

        def set(self, case: AnyCase, data: str, context: AuthContext) -> None:
            case.headers["Authorization"] = f"Bearer {data}"

    schema.auth()(Session)


class Findings:
    """The results of all requests; the name of an operation is such as "GET /api/budgets"."""

    def __init__(self, schema: BaseSchema) -> None:
        self.cases = 0
        self.succeeded: set[str] = set()
        self.checks: set[str] = set()
        self.wrong: dict[tuple[str, str], str] = {}
        for event in from_schema(schema).execute():
            match event:
                case events.ScenarioFinished():
                    self._add(event.recorder)
                case events.NonFatalError():
                    self.wrong[event.label, "error"] = repr(event.value)
                case events.FatalError():
                    raise event.exception
                case events.EngineFinished():
                    assert event.stop_reason == StopReason.COMPLETED

    def _add(self, recorder: ScenarioRecorder) -> None:
        for name, node in recorder.cases.items():
            # One of the checks sends some cases again without a token; those do not count.
            self.cases += node.parent_id is None or node.transition is not None
            operation = node.value.operation.label
            answer = recorder.interactions[name].response
            if answer is not None and answer.status_code < 300:
                self.succeeded.add(operation)
            for check in recorder.checks.get(name, ()):
                self.checks.add(check.name)
                if (failed := check.failure_info) is not None:
                    said = f"{failed.failure}\n{failed.code_sample}\n{answer and answer.text[:1000]}"
                    self.wrong.setdefault((operation, check.name), said)

    def assert_good(self, cases: int) -> None:
        """Asserts the number of cases, and that none failed."""
        assert not self.wrong, "\n\n".join(
            f"{operation}, {check}: {self.wrong[operation, check]}" for operation, check in self.wrong
        )
        assert self.checks == set(CHECKS.get_all_names())
        assert self.cases >= cases


def operations(openapi: dict[str, Any]) -> dict[str, Any]:
    """The operations of the document."""
    paths = openapi["paths"].items()
    return {f"{method.upper()} {path}": said for path, methods in paths for method, said in methods.items()}


@pytest.mark.long
def test_an_admin_is_answered_as_documented(openapi: dict[str, Any], address: str, share: int) -> None:
    schema = described(openapi, address, share)
    sign_in(schema, address)
    findings = Findings(schema.exclude(name=FAREWELLS))
    findings.assert_good(cases=50 * len(operations(openapi)) // share)
    # Most missing answers need another member: to invite, to remove or to leave behind.
    assert len(findings.succeeded) >= 50


def test_deleting_an_account_answers_as_documented(openapi: dict[str, Any], address: str) -> None:
    # There are few of these, so all are sent.
    schema = described(openapi, address, share=1)
    sign_in(schema, address)
    # A workspace can be deleted by a member of another one, and must be named.
    findings = Findings(schema.include(name=[*FAREWELLS, "GET /api/workspaces", "POST /api/workspaces"]))
    findings.assert_good(cases=50)
    assert "DELETE /api/auth/me" in findings.succeeded


@pytest.mark.long
def test_a_caller_who_is_not_signed_in_is_answered_as_documented(
    openapi: dict[str, Any], address: str, share: int
) -> None:
    findings = Findings(described(openapi, address, share))
    findings.assert_good(cases=50 * len(operations(openapi)) // share)
    assert findings.succeeded <= {
        name for name, said in operations(openapi).items() if {} in said.get("security", [{}])
    }
