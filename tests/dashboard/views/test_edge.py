"""The running server, spoken to without a browser: headers, hosts, origins, closed doors."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from dashboard.auth import headers
from dashboard.auth.access import access

ORIGIN = "http://127.0.0.1:8501"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEMORY_DATA_DIR", str(tmp_path_factory.mktemp("edge")))
        from app import app

        with TestClient(app, base_url=ORIGIN) as client:
            yield client


def test_health_answers_ok(client: TestClient) -> None:
    answer = client.get("/_stcore/health")
    assert (answer.status_code, answer.text) == (200, "ok")


@pytest.mark.parametrize("path", ["/", "/memories", "/_stcore/health", "/static/index.html", "/x"])
def test_every_answer_carries_the_security_headers(client: TestClient, path: str) -> None:
    sent = client.get(path).headers
    assert sent["x-content-type-options"] == "nosniff"
    assert sent["x-frame-options"] == "DENY"
    assert sent["referrer-policy"] == "no-referrer"
    assert "camera=()" in sent["permissions-policy"]
    assert sent["content-security-policy"] == headers.content_security_policy()


def test_the_policy_allows_nothing_foreign_and_no_eval() -> None:
    policy = headers.content_security_policy()
    scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert "'unsafe-inline'" not in scripts
    assert "'unsafe-eval'" not in scripts
    assert "http:" not in policy
    assert "https:" not in policy
    assert "*" not in policy


def test_the_policy_allows_exactly_the_inline_script_of_the_page(client: TestClient) -> None:
    inline = re.findall(r"<script>(.*?)</script>", client.get("/").text, re.DOTALL)
    assert len(inline) == 1
    digest = base64.b64encode(hashlib.sha256(inline[0].encode()).digest()).decode()
    assert f"'sha256-{digest}'" in headers.content_security_policy()


@pytest.mark.parametrize(
    "path",
    [
        "/_stcore/metrics",
        "/_stcore/metrics/",
        "/_stcore/agent/openapi.json",
        "/_stcore/script-health-check",
    ],
)
def test_inner_doors_are_closed(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1:8501", ""])
def test_a_foreign_host_name_gets_nothing(client: TestClient, host: str) -> None:
    answer = client.get("/", headers={"host": host})
    assert answer.status_code == 421
    assert "x-frame-options" in answer.headers


def test_the_health_path_is_answered_under_any_name(client: TestClient) -> None:
    assert client.get("/_stcore/health", headers={"host": "10.0.0.1:8501"}).text == "ok"


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"])
def test_without_a_login_nothing_is_served_by_way_of_a_proxy(client: TestClient, name: str) -> None:
    answer = client.get("/", headers={name: "203.0.113.9"})
    assert answer.status_code == 403
    assert "DASHBOARD_USERS" in answer.text


@pytest.mark.parametrize("host", ["localhost:8501", "127.0.0.1", "[::1]:8501"])
def test_loopback_names_are_answered(client: TestClient, host: str) -> None:
    assert client.get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://evil.example", "127.0.0.1:8501"),
        ("http://127.0.0.1:9999", "127.0.0.1:8501"),
        ("null", "127.0.0.1:8501"),
        ("http://evil.example", "evil.example"),
    ],
)
def test_a_foreign_origin_gets_no_socket(client: TestClient, origin: str, host: str) -> None:
    with (
        pytest.raises(WebSocketDisconnect) as refused,
        client.websocket_connect("/_stcore/stream", headers={"origin": origin, "host": host}),
    ):
        pass
    assert refused.value.code == 1008


def test_our_own_origin_gets_a_socket(client: TestClient) -> None:
    with client.websocket_connect(
        "/_stcore/stream",
        headers={"origin": ORIGIN, "host": "127.0.0.1:8501"},
        subprotocols=["streamlit"],
    ) as socket:
        assert socket is not None


@pytest.mark.parametrize(
    ("address", "url", "host", "answered"),
    [
        ("127.0.0.1", "", "localhost", True),
        ("127.0.0.1", "", "holdfast.onrender.com", False),
        ("127.0.0.1", "https://holdfast.onrender.com", "holdfast.onrender.com", True),
        ("0.0.0.0", "https://holdfast.onrender.com", "holdfast.onrender.com:443", True),
        ("0.0.0.0", "https://holdfast.onrender.com", "localhost", False),
        ("0.0.0.0", "", "holdfast.onrender.com", False),
        (None, "", "127.0.0.1", False),
        ("127.0.0.1", "", "[", False),
    ],
)
def test_names_depend_on_the_address_that_is_bound_and_on_the_settings(
    monkeypatch: pytest.MonkeyPatch, address: str | None, url: str, host: str, answered: bool
) -> None:
    monkeypatch.setenv("DASHBOARD_URL", url)
    access.cache_clear()
    options = {"server.address": address, "server.allowedHosts": []}
    monkeypatch.setattr(headers.st, "get_option", options.get)
    assert headers.host_is_ours(host) is answered


def test_an_allow_list_closes_all_other_names(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"server.address": "0.0.0.0", "server.allowedHosts": ["holdfast.onrender.com"]}
    monkeypatch.setattr(headers.st, "get_option", options.get)
    assert headers.host_is_ours("holdfast.onrender.com:443")
    assert not headers.host_is_ours("evil.example")
