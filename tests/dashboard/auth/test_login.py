"""The form: what it takes, what it says, how often it may be tried, and where it leads."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import threading

import httpx
import pytest
from argon2 import PasswordHasher

from dashboard.auth import accounts, login_form
from dashboard.auth.access import Access, refusal
from dashboard.auth.accounts import (
    PER_ACCOUNT,
    PER_ADDRESS,
    WINDOW_S,
    fits,
    hash_password,
    is_hash,
    is_known,
    known_passwords,
    network_of,
    parse_allowed,
    parse_users,
)
from dashboard.auth.connections import PEER
from dashboard.auth.login_routes import MAY_WAIT_TOGETHER, address_of
from memory_core.errors import SettingsError
from memory_core.settings import DashboardSettings
from tests.support.site import ORIGIN, Open, Site
from tests.support.staff import PASSWORD, SECRET, entries, hashed, sign_in

_WEAK_HASHER = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
WEAK = _WEAK_HASHER.hash(PASSWORD, salt=b"salt of the test")
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
    accounts._decoy_hash.cache_clear()
    assert not fits(PASSWORD, None)
    assert len(checked) == 1
    accounts._decoy_hash.cache_clear()


def test_the_password_of_nobody_lets_nobody_in() -> None:
    assert not fits("a password that nobody has", None)


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


@pytest.mark.parametrize(
    ("variables", "forwarded", "peer", "address"),
    [
        ({}, "203.0.113.9", ("198.51.100.1", 5), "198.51.100.1"),
        # uvicorn believes what connects from this computer; that no proxy is configured counts.
        ({}, "203.0.113.9", ("127.0.0.1", 5), "127.0.0.1"),
        ({"DASHBOARD_PROXIES": "1"}, "10.0.0.1, 203.0.113.9", ("127.0.0.1", 5), "203.0.113.9"),
        # On Render the CDN adds the client, and the balancer behind it the edge of the CDN.
        ({"RENDER": "true"}, "203.0.113.9, 172.71.0.1", ("10.0.0.2", 5), "203.0.113.9"),
        ({"RENDER": "true"}, "1.1.1.1, 203.0.113.9, 172.71.0.1", ("10.0.0.2", 5), "203.0.113.9"),
        ({"RENDER": "true"}, "203.0.113.9", ("10.0.0.2", 5), "203.0.113.9"),
        ({"DASHBOARD_PROXIES": "1"}, "203.0.113.9:61000", ("10.0.0.2", 5), "203.0.113.9"),
        ({"DASHBOARD_PROXIES": "1"}, "[2001:db8::1]:443", ("10.0.0.2", 5), "2001:db8::1"),
        ({"DASHBOARD_PROXIES": "1"}, "2001:db8::1%ERROR a line", ("10.0.0.2", 5), "2001:db8::1"),
        ({"DASHBOARD_PROXIES": "1"}, "a line\nof a log", ("10.0.0.2", 5), "10.0.0.2"),
        ({"DASHBOARD_PROXIES": "1"}, "", ("10.0.0.2", 5), "10.0.0.2"),
    ],
)
def test_the_address_is_the_one_that_our_proxies_saw(
    open_site: Open, variables: dict[str, str], forwarded: str, peer: tuple[str, int], address: str
) -> None:
    access = open_site(**variables).access
    scope = {
        "type": "http",
        "headers": [(b"x-forwarded-for", forwarded.encode())],
        "client": ("203.0.113.9", 0),
        "state": {PEER: peer},
    }
    assert address_of(scope, access) == address


def test_the_addresses_of_one_ipv6_network_count_together() -> None:
    assert network_of("2001:db8:1:2:3::4") == network_of("2001:db8:1:2:ffff::1")
    assert network_of("2001:db8:1:2::1") != network_of("2001:db8:1:3::1")
    assert network_of("::ffff:203.0.113.9") == network_of("203.0.113.9")


def test_right_sign_ins_do_not_count_for_the_address(site: Site) -> None:
    for _ in range(PER_ADDRESS + 1):
        assert sign_in(site.another(), "anna").status_code == 303
    assert not site.access.attempts._failures[("address", "testclient")]


def test_a_browser_that_signed_in_before_is_not_held_up_by_others(site: Site) -> None:
    assert sign_in(site.client, "anna").status_code == 303
    site.client.get("/auth/logout")
    stranger = site.another()
    for number in range(PER_ADDRESS):
        name = "anna" if number < PER_ACCOUNT else f"name{number}"
        assert sign_in(stranger, name, "wrong").status_code == 403
    assert sign_in(stranger, "anna").status_code == 429
    assert sign_in(stranger, "vera").status_code == 429
    # Its own name and, from this address, another one.
    assert sign_in(site.client, "anna").status_code == 303
    assert sign_in(site.client, "vera").status_code == 303
    for _ in range(PER_ACCOUNT):
        assert sign_in(site.client, "vera", "wrong").status_code == 403
    assert sign_in(site.client, "vera").status_code == 429


def test_a_forged_browser_cookie_is_worth_nothing(site: Site) -> None:
    stranger = site.another()
    stranger.cookies.set(
        "holdfast-browser", "WyJpZCIsImFubmEiXQ.aaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaa"
    )
    for _ in range(PER_ACCOUNT):
        sign_in(site.another(), "anna", "wrong")
    assert sign_in(stranger, "anna").status_code == 429


def test_many_addresses_do_not_close_the_form_for_all(
    open_site: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = open_site(DASHBOARD_PROXIES="1")
    assert sign_in(site.client, "olaf").status_code == 303
    site.client.get("/auth/logout")
    known = dict(site.client.cookies)
    release = threading.Event()

    def slow(password: str, hashed: str | None) -> bool:
        assert password != "of an attacker" or release.wait(60)
        return fits(password, hashed)

    monkeypatch.setattr(accounts, "fits", slow)

    async def attempt(address: str, name: str, password: str, **cookies: str) -> int:
        transport = httpx.ASGITransport(app=site.client.app)
        headers = {"X-Forwarded-For": address, "Origin": ORIGIN}
        async with httpx.AsyncClient(
            transport=transport, base_url=ORIGIN, headers=headers, cookies=cookies
        ) as browser:
            form = (await browser.get("/login")).text
            token = re.findall(r'name="token" value="([^"]*)"', form)[0]
            fields = {"token": token, "name": name, "password": password}
            return (await browser.post("/login", data=fields)).status_code

    async def attacked() -> None:
        async with asyncio.timeout(60), asyncio.TaskGroup() as together:
            attacks = [
                together.create_task(attempt(f"198.51.100.{number}", "x", "of an attacker"))
                for number in range(48)
            ]
            crowd = [
                together.create_task(attempt("203.0.113.66", f"y{number}", "of an attacker"))
                for number in range(MAY_WAIT_TOGETHER + 1)
            ]
            await asyncio.wait(crowd, return_when=asyncio.FIRST_COMPLETED)
            newcomer = together.create_task(attempt("203.0.113.1", "anna", PASSWORD))
            assert await attempt("198.51.100.1", "olaf", PASSWORD, **known) == 303
            release.set()
        assert newcomer.result() == 303
        assert {attack.result() for attack in attacks} == {403, 429}
        assert sorted(task.result() for task in crowd) == [403] * MAY_WAIT_TOGETHER + [503]

    asyncio.run(attacked())


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
        {"DASHBOARD_USERS": f"anna:admin:{WEAK}"},
        {"DASHBOARD_USERS": f"anna:admin:{hashed()[:-1]}"},
        {"DASHBOARD_USERS": f"anna:admin:{hashed()[:-11]}"},
        {"DASHBOARD_USERS": f"anna:admin:{hashed().replace('t=5', 't=11')}"},
        {"DASHBOARD_USERS": f"anna:admin:{hashed().replace('p=1', 'p=64')}"},
        {"DASHBOARD_USERS": f"anna:admin:{hashed().replace('t=5', 't=4')}"},
        {"DASHBOARD_USERS": f"anna:admin:{hashed().replace('v=19', 'v=16')}"},
        {"DASHBOARD_USERS": ";"},
        {"DASHBOARD_USERS_FILE": "/dev/null"},
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


@pytest.mark.parametrize(
    "password",
    [
        "password1234", "Password2024!", "qwertyuiop12", "123456789012", "passwordpassword",
        "aaaaaaaaaaaa", "abababababab", "!!iloveyou2026", "1q2w3e4r5t6y",
        "\uff30\uff21\uff33\uff33\uff37\uff2f\uff32\uff24\uff11\uff12\uff13\uff14",
    ],
)  # fmt: skip
def test_a_known_password_is_not_taken_however_it_is_decorated(password: str) -> None:
    assert is_known(password)
    with pytest.raises(ValueError, match="attackers"):
        hash_password(password)


@pytest.mark.parametrize(
    "password", [PASSWORD, "correct horse battery staple", "48 Quinces, 3 kites", "Xq7-vb2p-Zk9w"]
)
def test_other_passwords_are_taken(password: str) -> None:
    assert is_hash(hash_password(password))
    assert len(known_passwords()) == 10_000


def test_two_hashes_of_a_password_differ() -> None:
    assert hash_password(PASSWORD) != hash_password(PASSWORD)
