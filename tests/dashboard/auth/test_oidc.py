"""Sign-in by a provider that is another process, which tells the truth or does not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from dashboard.auth import login_form
from tests.support.oidc_provider import CLIENT, CLIENT_SECRET
from tests.support.ports import held_port
from tests.support.site import Open, Site

ORIGIN = "http://127.0.0.1:8501"
WANTED = "/user?user=alice"


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.support.oidc_provider"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.terminate()


@pytest.fixture
def site(open_site: Open, provider: str) -> Site:
    return open_site(
        DASHBOARD_USERS="",
        DASHBOARD_URL=ORIGIN,
        DASHBOARD_OIDC_URL=f"{provider}/.well-known/openid-configuration",
        DASHBOARD_OIDC_CLIENT_ID=CLIENT,
        DASHBOARD_OIDC_CLIENT_SECRET=CLIENT_SECRET,
        DASHBOARD_OIDC_ALLOW="@example.com:viewer boss@example.com:admin",
    )


def _there(site: Site, provider: str, **told: Any) -> str:
    """Go to the provider and return where it sends the browser back to."""
    httpx.post(f"{provider}/next", json=told, timeout=60).raise_for_status()
    answer = site.client.get("/login/oidc", params={"next": WANTED})
    assert answer.status_code == 303
    return httpx.get(answer.headers["location"], timeout=60).headers["location"]


def _sign_in(site: Site, provider: str, **told: Any) -> httpx.Response:
    return site.client.get(_there(site, provider, **told))


@pytest.mark.parametrize(
    ("address", "role"),
    [("Boss@example.com", "admin"), ("anybody@EXAMPLE.com", "viewer")],
)
def test_a_verified_address_gets_its_role_and_the_page_asked_for(
    site: Site, provider: str, address: str, role: str
) -> None:
    answer = _sign_in(site, provider, claims={"email": address})
    assert (answer.status_code, answer.headers["location"]) == (303, WANTED)
    site.client.get("/")
    session = site.access.sessions.find(site.inner.reached[-1][1])
    assert session is not None
    assert (session.role.word, session.via) == (role, "oidc")


def test_the_form_offers_the_provider_and_no_password(site: Site) -> None:
    form = site.client.get("/login", params={"next": WANTED}).text
    assert 'href="/login/oidc?next=%2Fuser%3Fuser%3Dalice"' in form
    assert 'type="password"' not in form


BOSS = {"email": "boss@example.com"}


@pytest.mark.parametrize(
    "told",
    [
        {"claims": {"email": "boss@evil.example"}},
        {"claims": {"email": "boss@sub.example.com"}},
        {"claims": {"email": "boss@example.com@evil.example"}},
        {"claims": {"email": ""}},
        {"claims": {}},
        {"claims": {**BOSS, "email_verified": False}},
        {"claims": {**BOSS, "email_verified": None}},
        {"claims": {**BOSS, "email_verified": "true"}},
        {"claims": {**BOSS, "aud": "another"}},
        {"claims": {**BOSS, "aud": ["holdfast", "another"], "azp": "another"}},
        {"claims": {**BOSS, "iss": "https://evil.example"}},
        {"claims": {**BOSS, "nonce": "of another sign-in"}},
        {"claims": {**BOSS, "exp": 1_000_000}},
        {"claims": BOSS, "foreign_key": True},
        {"claims": BOSS, "unsigned": True},
    ],
    ids=str,
)
def test_whom_the_provider_does_not_vouch_for_gets_nothing(
    site: Site, provider: str, told: dict[str, Any]
) -> None:
    answer = _sign_in(site, provider, **told)
    assert answer.status_code == 403
    assert login_form.NOT_STAFF in answer.text
    assert site.client.get("/").status_code == 303
    assert site.inner.reached == []


def test_an_answer_is_good_once_in_the_browser_that_asked_and_unchanged(
    site: Site, provider: str
) -> None:
    back = _there(site, provider, claims=BOSS)
    assert site.another().get(back).status_code == 403
    assert site.client.get(back.replace("state=", "state=x")).status_code == 403
    # That attempt is over; so is the cookie of it.
    assert site.client.get(back).status_code == 403
    good = _there(site, provider, claims=BOSS)
    assert site.client.get(good).status_code == 303
    assert site.another().get(good).status_code == 403


def test_a_host_that_is_not_allowed_any_more_ends_the_session(
    site: Site, provider: str, open_site: Open
) -> None:
    _sign_in(site, provider, claims={"email": "anybody@example.com"})
    cookie = site.client.cookies["holdfast-session"]
    assert site.access.sessions.read(cookie)
    assert open_site().access.sessions.read(cookie) is None


def test_a_provider_that_does_not_answer_is_said(open_site: Open) -> None:
    with held_port() as port:
        site = open_site(
            DASHBOARD_URL=ORIGIN,
            DASHBOARD_OIDC_URL=f"http://127.0.0.1:{port}/",
            DASHBOARD_OIDC_CLIENT_ID=CLIENT,
            DASHBOARD_OIDC_CLIENT_SECRET=CLIENT_SECRET,
            DASHBOARD_OIDC_ALLOW="@example.com:viewer",
        )
        answer = site.client.get("/login/oidc")
    assert answer.status_code == 503
    assert "does not answer" in answer.text
