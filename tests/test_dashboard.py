"""The files of the dashboard are public, no others are served, and they are built for the current API."""

import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

import config
from config import Settings, announce
from main import create_app
from tests.conftest import client_of, settings_for
from tests.support.team import assert_problem
from tools.docs import OPENAPI, written

PAGE = b"<!doctype html><title>LLMLab</title>"
SCRIPT = b"console.log('a script that is compressed');" * 20
IMMUTABLE = "public, max-age=31536000, immutable"
API_POLICY = "default-src 'none'; frame-ancestors 'none'"


@pytest.fixture
def dist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A built dashboard, with files beside it that must not be served."""
    folder = tmp_path / "dashboard" / "dist"
    (folder / "assets").mkdir(parents=True)
    for name, content in {
        "index.html": PAGE,
        "favicon.svg": b"<svg/>",
        ".hidden": b"secret",
        "assets/index-B1a2.js": SCRIPT,
        "assets/index-B1a2.js.br": b"brotli",
        "assets/index-B1a2.js.gz": gzip.compress(SCRIPT),
        "assets/index-C3.css": b"a{}",
        "assets/font.woff2": b"font",
        "assets/.hidden": b"secret",
        "../secret.txt": b"secret",
        "../assets-too/a.js": b"secret",
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / "assets" / "link.js").symlink_to(folder.parent / "secret.txt")
    monkeypatch.setattr(config, "DASHBOARD", folder)
    return folder


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_for(tmp_path / "data", dashboard="on", rate_limit_per_minute=2)


@pytest.fixture
async def browser(dist: Path, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A browser. Static files need no database, so the application has none."""
    async with client_of(create_app(settings)) as client:
        client.headers["Accept-Encoding"] = "identity"
        yield client


@pytest.mark.parametrize(
    "path", ["/", "/login", "/signup", "/join/a-token", "/app", "/app/", "/app/calls/01a1", "/app/x.js", "/index.html"]
)
async def test_every_path_of_the_dashboard_serves_its_page(browser: httpx.AsyncClient, path: str) -> None:
    response = await browser.get(path, params={"days": "7"})
    assert (response.status_code, response.content) == (200, PAGE)
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers.get_list("cache-control") == ["no-cache"]
    (policy,) = response.headers.get_list("content-security-policy")
    assert policy == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["x-request-id"]


@pytest.mark.parametrize("path", ["/api", "/api/nothing", "/app.js", "/application", "/join", "/logins", "/v1/nothing"])
async def test_every_other_path_belongs_to_the_api(browser: httpx.AsyncClient, path: str) -> None:
    response = await browser.get(path)
    assert_problem(response, 401)
    assert response.headers.get_list("cache-control") == ["no-store"]
    assert response.headers.get_list("content-security-policy") == [API_POLICY]


async def test_the_documentation_still_works(browser: httpx.AsyncClient) -> None:
    docs = await browser.get("/docs")
    assert docs.status_code == 200
    (policy,) = docs.headers.get_list("content-security-policy")
    assert "https://cdn.jsdelivr.net" in policy
    assert (await browser.get("/openapi.json")).json()["info"]["title"] == "LLMLab"


@pytest.mark.parametrize(
    ("path", "content", "kind", "caching"),
    [
        ("/assets/index-B1a2.js", SCRIPT, "text/javascript; charset=utf-8", IMMUTABLE),
        ("/assets/index-C3.css", b"a{}", "text/css; charset=utf-8", IMMUTABLE),
        ("/assets/font.woff2", b"font", "font/woff2", IMMUTABLE),
        ("/favicon.svg", b"<svg/>", "image/svg+xml", "no-cache"),
    ],
)
async def test_assets_are_cached_permanently_and_the_rest_is_revalidated(
    browser: httpx.AsyncClient, path: str, content: bytes, kind: str, caching: str
) -> None:
    response = await browser.get(path)
    assert (response.status_code, response.content) == (200, content)
    assert response.headers["content-type"] == kind
    assert response.headers.get_list("cache-control") == [caching]
    assert response.headers.get_list("content-security-policy") == [API_POLICY]


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("GZIP;q=1.0, br;q=0", "gzip"),
        ("gzip;q=0, br; q=0.000", None),
        ("deflate", None),
        ("", None),
    ],
)
async def test_files_are_sent_in_an_encoding_the_browser_accepts(
    browser: httpx.AsyncClient, dist: Path, accepted: str, encoding: str | None
) -> None:
    headers = {"Accept-Encoding": accepted}
    async with browser.stream("GET", "/assets/index-B1a2.js", headers=headers) as response:
        sent = b"".join([piece async for piece in response.aiter_raw()])
    suffix = {"br": ".br", "gzip": ".gz", None: ""}[encoding]
    assert sent == (dist / f"assets/index-B1a2.js{suffix}").read_bytes()
    assert response.headers.get("content-encoding") == encoding
    assert response.headers["content-type"] == "text/javascript; charset=utf-8"
    assert response.headers["content-length"] == str(len(sent))
    assert response.headers["vary"] == "Accept-Encoding"
    plain = await browser.get("/", headers=headers)
    assert "content-encoding" not in plain.headers, "it was not compressed beforehand"


async def test_a_browser_asks_whether_its_copy_is_up_to_date(browser: httpx.AsyncClient, dist: Path) -> None:
    for path in ("/app", "/assets/index-B1a2.js"):
        first = await browser.get(path)
        tag = {"If-None-Match": first.headers["etag"]}
        again = await browser.get(path, headers=tag)
        assert (again.status_code, again.content) == (304, b"")
        for name in ("etag", "cache-control", "vary"):
            assert again.headers.get_list(name) == first.headers.get_list(name)
        weak = await browser.get(path, headers={"If-None-Match": f'"other", W/{first.headers["etag"]}'})
        assert weak.status_code == 304
    compressed = await browser.get("/assets/index-B1a2.js", headers={**tag, "Accept-Encoding": "gzip"})
    assert compressed.status_code == 200, "another form is another copy"
    page = await browser.get("/app")
    (dist / "index.html").write_bytes(PAGE + b" ")
    changed = await browser.get("/app", headers={"If-None-Match": page.headers["etag"]})
    assert (changed.status_code, changed.content) == (200, PAGE + b" ")


async def test_head_answers_like_get_without_a_body(browser: httpx.AsyncClient) -> None:
    for path in ("/", "/assets/index-B1a2.js"):
        head, get = await browser.head(path), await browser.get(path)
        assert (head.status_code, head.content) == (200, b"")
        for name in ("content-length", "content-type", "etag", "cache-control", "content-security-policy"):
            assert head.headers[name] == get.headers[name]


async def test_a_range_of_a_file_can_be_requested(browser: httpx.AsyncClient) -> None:
    part = await browser.get("/assets/index-B1a2.js", headers={"Range": "bytes=8-12"})
    assert (part.status_code, part.content) == (206, SCRIPT[8:13])
    assert part.headers["content-range"] == f"bytes 8-12/{len(SCRIPT)}"
    beyond = await browser.get("/assets/index-B1a2.js", headers={"Range": "bytes=100000-"})
    assert beyond.status_code == 416
    assert beyond.headers["content-range"] == f"bytes */{len(SCRIPT)}"
    assert beyond.headers.get_list("cache-control") == ["no-store"]


@pytest.mark.parametrize(
    "path",
    [
        "/assets/gone-D4.js",
        "/assets/",
        "/assets/.hidden",
        "/assets/link.js",
        "/assets/index-B1a2.js.br",
        "/assets/index-B1a2.js/x",
        "/assets/../index.html",
        "/assets/../../secret.txt",
        "/assets/%2e%2e/%2e%2e/secret.txt",
        "/assets/..%2f..%2fsecret.txt",
        "/assets/..%5c..%5csecret.txt",
        "/assets//etc/passwd",
        "/assets/%2fetc%2fpasswd",
        "/assets/../../assets-too/a.js",
        "/assets/%00",
        "/assets/index-B1a2.js%00",
        "/assets/" + "a" * 5000,
    ],
)
async def test_an_unknown_asset_is_not_found(dist: Path, settings: Settings, path: str) -> None:
    status, headers, body = await raw_get(settings, path)
    assert status == (401 if path == "/assets/" else 404)
    assert b"secret" not in body
    assert headers[b"content-type"] == b"application/problem+json"
    assert headers[b"cache-control"] == b"no-store"


@pytest.mark.parametrize(
    "path", ["/../secret.txt", "/.hidden", "/app/../../secret.txt", "//secret.txt", "/%2e%2e/secret.txt"]
)
async def test_other_files_are_not_served(dist: Path, settings: Settings, path: str) -> None:
    _, _, body = await raw_get(settings, path)
    assert b'"secret"' not in body
    assert body == PAGE or json.loads(body)["status"] == 401


async def raw_get(settings: Settings, path: str) -> tuple[int, dict[bytes, bytes], bytes]:
    """The application's answer to a path that clients would normalize."""
    sent: list[Any] = []
    scope = {
        "type": "http",
        "method": "GET",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [],
        "client": ("127.0.0.1", 1),
        "server": ("test", 80),
        "scheme": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await create_app(settings)(scope, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"]), b"".join(message["body"] for message in sent[1:])


async def test_files_need_no_token_and_are_not_rate_limited(browser: httpx.AsyncClient) -> None:
    for _ in range(5):
        response = await browser.get("/assets/index-C3.css", headers={"Authorization": "Bearer wrong"})
        assert response.status_code == 200
        assert "x-ratelimit-limit" not in response.headers
    assert (await browser.get("/docs")).headers["x-ratelimit-remaining"] == "1"


async def test_files_are_read_only(browser: httpx.AsyncClient) -> None:
    assert_problem(await browser.post("/app"), 401)
    refused = await browser.post("/")
    assert_problem(refused, 405)


@pytest.mark.parametrize("why", ["off", "not built"])
async def test_the_api_works_without_the_dashboard(
    dist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], why: str
) -> None:
    if why == "not built":
        (dist / "index.html").unlink()
    settings = settings_for(tmp_path / "data", dashboard="off" if why == "off" else "on", port=8123)
    app = create_app(settings)
    async with client_of(app) as client:
        for path in ("/app", "/assets/index-B1a2.js", "/login"):
            assert_problem(await client.get(path), 401)
    announce(settings)
    said = capsys.readouterr().out
    reason = "DASHBOARD is off" if why == "off" else "not built"
    assert f"  dashboard  not served: {reason}\n  API        http://127.0.0.1:8123\n" in said


def test_the_server_prints_the_address_of_the_dashboard(
    dist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    announce(settings_for(tmp_path / "data", dashboard="on", port=8123))
    assert "\n  dashboard  http://127.0.0.1:8123\n" in capsys.readouterr().out


def test_the_dashboard_is_built_for_the_current_api(tmp_path: Path) -> None:
    openapi = create_app(settings_for(tmp_path)).openapi()
    assert written(openapi) == OPENAPI.read_text(), "run ./run.sh docs"
