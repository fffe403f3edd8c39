"""The chat page's own routes: what they answer, what they refuse, and the policy they are served under."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from freehold.server.pages.markdown import MAX_TEXT_CHARS
from freehold.server.pages.routes import MAX_BODY_BYTES, STATIC, _Renderer, routes
from freehold.server.pages.shell import PAGES, VIEWS, drawn


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(Starlette(routes=routes())) as client:
        yield client


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "JSON"),
        (b"[]", "object"),
        (b"{}", "text: Field required"),
        (b'{"text": 1}', "text"),
        (b'{"text": "a", "more": 1}', "more"),
    ],
)
def test_a_wrong_body_is_refused_with_the_field_it_is_about(client: TestClient, body: bytes, words: str) -> None:
    answer = client.post("/ui/markdown", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_request"
    assert words in answer.json()["error"]["message"]


def test_a_text_beyond_the_bound_is_refused(client: TestClient) -> None:
    assert client.post("/ui/markdown", json={"text": "a" * (MAX_TEXT_CHARS + 1)}).status_code == 400


def test_a_body_beyond_the_bound_is_refused_without_being_read_whole(client: TestClient) -> None:
    answer = client.post("/ui/markdown", content=b" " * (MAX_BODY_BYTES + 1))
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "body_too_large"


async def test_a_body_that_does_not_come_holds_nothing_for_long() -> None:
    sent: list[Any] = []
    scope = {"type": "http", "method": "POST", "path": "/ui/markdown", "headers": [], "query_string": b""}
    never: Any = asyncio.Event().wait

    async def send(message: Any) -> None:
        sent.append(message)

    await _Renderer(patience_s=0.01)(scope, never, send)
    assert sent[0]["status"] == 408 and b'"code":"body_timeout"' in sent[1]["body"]


def test_only_post_renders(client: TestClient) -> None:
    answer = client.get("/ui/markdown")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"


def test_a_text_is_rendered_in_its_two_parts(client: TestClient) -> None:
    answer = client.post("/ui/markdown", json={"text": "# A\n\n*b*\n"})
    assert answer.json() == {
        "settled_html": "<h1>A</h1>\n",
        "settled_lines": 2,
        "open_html": "<p><em>b</em></p>\n",
    }


def test_the_page_and_each_file_come_under_the_strict_policy(client: TestClient) -> None:
    files = [f"/static/{path.name}" for path in STATIC.iterdir()]
    assert len(files) > 15
    for path in [*(page.path for page in PAGES), *files]:
        answer = client.get(path)
        assert answer.status_code == 200, path
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; ")
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_file_that_has_not_changed_is_not_sent_again(client: TestClient) -> None:
    tag = client.get("/static/app.js").headers["etag"]
    again = client.get("/static/app.js", headers={"If-None-Match": tag})
    assert again.status_code == 304
    assert again.content == b""


def test_nothing_outside_the_static_folder_is_served(client: TestClient) -> None:
    assert client.get("/static/%2e%2e/routes.py").status_code == 404


def test_the_pages_name_no_other_host_and_hold_no_inline_script() -> None:
    for path in (*STATIC.iterdir(), *VIEWS.iterdir()):
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text, path.name
        assert "https://" not in text, path.name
    for page in PAGES:
        html = drawn(page)
        whole = html.count('<script src="/static/') + html.count('<script type="module" src="/static/')
        assert html.count("<script") == whole == 2
        assert "style=" not in html
        assert " onclick" not in html


def test_every_page_is_whole_and_uses_what_there_is() -> None:
    assert len(PAGES) == 4
    for page in PAGES:
        html = drawn(page)
        assert "{{" not in html and html.count("<head>") == html.count("<body") == html.count('<main id="main"') == 1
        ids = re.findall(r'\bid="([^"]+)"', html)
        assert len(ids) == len(set(ids)), page.name
        assert {"key-form", "sign-in", "sign-out", "signed-out", "theme", "away", "notices", "announcer"} <= set(ids)
        assert set(re.findall(r'href="#(i-[a-z]+)"', html)) <= set(ids)
        files = re.findall(r'(?:src|href)="/static/([^"]+)"', html)
        assert all((STATIC / name).is_file() for name in files)
        assert html.count('aria-current="page"') == (page.path != "/")


def test_every_icon_is_used() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (*STATIC.glob("*.js"), *VIEWS.glob("*.html")))
    icons = re.findall(r'id="i-([a-z]+)"', (VIEWS / "icons.svg").read_text(encoding="utf-8"))
    assert len(icons) > 20
    unused = [name for name in icons if not re.search(rf'#i-{name}\b|"{name}"', text)]
    assert unused == []
