"""The form: what it takes, what it says, how often it may be tried, and where it leads."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dashboard.auth import login_form
from dashboard.auth.access import Access, refusal
from dashboard.auth.accounts import (
    PER_ACCOUNT,
    PER_ADDRESS,
    WINDOW_S,
    fits,
    hash_password,
    is_hash,
    parse_allowed,
    parse_users,
)
from memory_core.errors import SettingsError
from memory_core.settings import DashboardSettings
from tests.support.site import Open, Site
from tests.support.staff import PASSWORD, SECRET, entries, hashed, sign_in

ROOM = ("DASHBOARD_USERS", entries())


@pytest.fixture
def site(open_site: Open) -> Site:
    return open_site()


@pytest.mark.parametrize("name", ["anna", " Anna ", "ＡＮＮＡ"])
def test_a_name_is_taken_in_any_form(site: Site, name: str) -> None:
    answer = sign_in(site.client, name, to="/user?user=alice%40example.com")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/user?user=alice%40example.com"


def test_nothing_says_which_part_was_wrong(site: Site) -> None:
    def said(name: str, password: str) -> tuple[int, str]:
        answer = sign_in(site.client, name, password)
        assert "location" not in answer.headers
        return answer.status_code, answer.text

    wrong = said("anna", "another long password")
    assert wrong[0] == 403
    assert login_form.WRONG in wrong[1]
    assert said("nobody", PASSWORD) == wrong
    assert said("", "") == wrong
    assert said("anna\x00", PASSWORD) == wrong
    assert said("anna", PASSWORD + " ") == wrong


def test_an_unknown_name_is_checked_as_long_as_a_known_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from dashboard.auth import accounts

    checked = []
    verify = accounts._HASHER.verify

    class Counting:
        def verify(self, hashed: str, password: str) -> bool:
            checked.append(hashed)
            return verify(hashed, password)

        def hash(self, password: str) -> str:
            return hashed(password)

    monkeypatch.setattr(accounts, "_HASHER", Counting())
    accounts._nobodys.cache_clear()
    assert not fits(PASSWORD, None)
    assert len(checked) == 1
    accounts._nobodys.cache_clear()


def test_the_password_of_nobody_lets_nobody_in() -> None:
    assert not fits("the password of nobody at all", None)


def test_an_account_can_be_tried_ten_times_in_a_quarter_of_an_hour(site: Site) -> None:
    for _ in range(PER_ACCOUNT):
        assert sign_in(site.client, "anna", "wrong").status_code == 403
    refused = sign_in(site.client, "anna")
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= WINDOW_S
    assert sign_in(site.client, "olaf").status_code == 303
    site.clock.now += WINDOW_S
    assert sign_in(site.client, "anna").status_code == 303


def test_a_name_that_does_not_exist_is_held_up_in_the_same_way(site: Site) -> None:
    answers = [sign_in(site.client, "nobody", "wrong") for _ in range(PER_ACCOUNT + 1)]
    assert [answer.status_code for answer in answers] == [403] * PER_ACCOUNT + [429]


def test_an_address_cannot_try_many_names(open_site: Open) -> None:
    site = open_site(DASHBOARD_PROXIES="1")

    def attempt(number: int, forwarded: str) -> int:
        headers = {"X-Forwarded-For": forwarded}
        return sign_in(site.client, f"name{number}", "wrong", **headers).status_code

    # What stands further left the client can make up.
    tried = [attempt(number, f"10.0.0.{number}, 203.0.113.9") for number in range(PER_ADDRESS)]
    assert set(tried) == {403}
    assert attempt(99, "10.0.0.99, 203.0.113.9") == 429
    assert attempt(99, "203.0.113.10") == 403


def test_without_proxies_a_forwarded_address_means_nothing(site: Site) -> None:
    for number in range(PER_ACCOUNT):
        sign_in(site.client, "x", "wrong", **{"X-Forwarded-For": f"10.0.0.{number}"})
    assert ("address", "testclient") in site.access.attempts._failures


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_a_form_of_another_site_is_not_taken(site: Site, headers: dict[str, str]) -> None:
    answer = sign_in(site.client, "anna", **headers)
    assert answer.status_code == 403
    assert login_form.STALE in answer.text


def test_a_form_made_for_another_browser_is_not_taken(site: Site) -> None:
    site.client.get("/login")
    token = login_form.form_token(SECRET, "the nonce of another browser")
    fields = {"name": "anna", "password": PASSWORD, "token": token}
    headers = {"Origin": str(site.client.base_url)}
    for sent in (fields, {**fields, "token": "é"}, {**fields, "token": ""}, {"name": "x" * 9000}):
        assert site.client.post("/login", data=sent, headers=headers).status_code == 403


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
        "/login",
        "/auth/logout",
        "http://[",
        "/" + "x" * 3000,
        "memories",
        "",
    ],
)
def test_the_login_leads_to_this_site_only(site: Site, wanted: str) -> None:
    assert login_form.safe_next(wanted) == "/"
    assert sign_in(site.client, "anna", to=wanted).headers["location"] == "/"


def test_what_is_asked_for_is_no_markup_on_the_form(site: Site) -> None:
    answer = site.client.get("/login", params={"next": '/"><script>alert(1)</script>'})
    assert "<script" not in answer.text
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "script-src" not in policy


def test_a_deep_link_leads_to_the_login_and_back(site: Site) -> None:
    answer = site.client.get("/user?user=a%40b.example&view=Timeline")
    assert answer.status_code == 303
    form = site.client.get(answer.headers["location"])
    assert 'name="next" value="/user?user=a%40b.example&amp;view=Timeline"' in form.text


@pytest.mark.parametrize(
    ("variables", "address", "says"),
    [
        ({}, "127.0.0.1", None),
        ({}, "::1", None),
        ({}, "localhost", None),
        ({}, "0.0.0.0", "DASHBOARD_USERS"),
        ({}, "::", "DASHBOARD_USERS"),
        ({}, None, "DASHBOARD_USERS"),
        ({}, "192.168.1.5", "DASHBOARD_USERS"),
        ({"RENDER": "true"}, "127.0.0.1", "DASHBOARD_USERS"),
        ({"PORT": "10000"}, "127.0.0.1", "DASHBOARD_USERS"),
        ({"DYNO": "web.1"}, "127.0.0.1", "DASHBOARD_USERS"),
        (dict([ROOM]), "127.0.0.1", None),
        (dict([ROOM]), "0.0.0.0", "DASHBOARD_URL"),
        (dict([ROOM], DASHBOARD_URL="https://h.example"), "0.0.0.0", None),
        (dict([ROOM], RENDER="true", RENDER_EXTERNAL_URL="https://h.example"), "0.0.0.0", None),
    ],
)
def test_it_starts_only_where_strangers_cannot_reach_it(
    variables: dict[str, str], address: str | None, says: str | None
) -> None:
    reason = refusal(Access(DashboardSettings.from_env(variables)), address)
    assert (reason is None) == (says is None)
    assert says is None or says in str(reason)


@pytest.mark.parametrize(
    "variables",
    [
        {"DASHBOARD_USERS": "anna"},
        {"DASHBOARD_USERS": "anna:admin:secret"},
        {"DASHBOARD_USERS": f"anna:root:{hashed()}"},
        {"DASHBOARD_USERS": f"anna:admin:{hashed()} Anna:viewer:{hashed()}"},
        {"DASHBOARD_USERS": "a:admin:$argon2id$v=19$m=1048576,t=2,p=1$c2FsdHNhbHQ$c2FsdHNhbHQ"},
        {"DASHBOARD_USERS_FILE": "/nowhere/users"},
        {"DASHBOARD_USERS": entries(), "DASHBOARD_SECRET": "short"},
        {"DASHBOARD_USERS": entries(), "DASHBOARD_URL": "http://holdfast.example.com"},
        {"DASHBOARD_USERS": entries(), "DASHBOARD_URL": "holdfast.example.com"},
        {"DASHBOARD_USERS": entries(), "DASHBOARD_URL": "https://x.example/path"},
        {"DASHBOARD_IDLE_MINUTES": "0"},
        {"DASHBOARD_SESSION_HOURS": "many"},
        {"DASHBOARD_OIDC_URL": "https://id.example"},
    ],
)
def test_a_setting_that_cannot_be_read_is_named_and_never_shown(variables: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as refused:
        Access(DashboardSettings.from_env(variables))
    named = next(name for name in reversed(variables))
    assert named in str(refused.value)
    assert "argon2id" not in str(refused.value)


def test_the_settings_show_no_secret() -> None:
    given = dict.fromkeys(("DASHBOARD_USERS", "DASHBOARD_SECRET"), "hush")
    given["DASHBOARD_OIDC_CLIENT_SECRET"] = "hush"
    assert "hush" not in repr(DashboardSettings.from_env(given))


def test_an_own_entry_goes_before_that_of_the_host() -> None:
    allowed = parse_allowed("@Example.com:viewer boss@example.com:admin", "X")
    assert {name: role.word for name, role in allowed.items()} == {
        "@example.com": "viewer",
        "boss@example.com": "admin",
    }
    for entry in ("@:admin", "*@example.com:admin", "example.com:admin", "a@b@c:admin", "a@b"):
        with pytest.raises(SettingsError, match="entry 1 of X"):
            parse_allowed(entry, "X")


def test_the_command_makes_an_entry_that_lets_in() -> None:
    command = [sys.executable, "-m", "dashboard.auth", "hash", "--name", "Eve", "--role", "viewer"]
    made = subprocess.run(command, input=f"{PASSWORD}\n", capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    account = parse_users(made.stdout, "X")["eve"]
    assert account.role.word == "viewer"
    assert is_hash(account.hash)
    assert fits(PASSWORD, account.hash)
    short = subprocess.run(command[:4], input="short\n", capture_output=True, text=True)
    assert (short.returncode, short.stdout) == (2, "")
    assert "12 to 1,024 characters" in short.stderr


def test_two_hashes_of_a_password_differ() -> None:
    assert hash_password(PASSWORD) != hash_password(PASSWORD)
