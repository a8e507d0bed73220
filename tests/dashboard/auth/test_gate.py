"""The gate alone: nothing passes it but whoever is signed in, for as long as they are."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from itsdangerous import URLSafeSerializer
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from streamlit.proto.BackMsg_pb2 import BackMsg

from dashboard.auth import login_form
from dashboard.auth.access import access
from dashboard.auth.gate import LONGEST_MESSAGES, MOST_SOCKETS
from dashboard.auth.roles import Role
from dashboard.auth.uploads import MOST_BYTES
from tests.support.site import Inner, Open, Site
from tests.support.staff import PASSWORD, QUICK, SECRET, entries, sign_in

COOKIE = "holdfast-session"
STREAM = "ws://127.0.0.1:8501/_stcore/stream"
HTTPS = "https://holdfast.example.com"


@pytest.fixture
def site(open_site: Open) -> Site:
    return open_site()


def _enter(site: Site, name: str = "anna") -> str:
    assert sign_in(site.client, name).status_code == 303
    return site.client.cookies[COOKIE]


def _message(**content: Any) -> bytes:
    return BackMsg(**content).SerializeToString()


def _is_in(client: TestClient) -> bool:
    page, file = client.get("/memories"), client.get("/media/export.csv")
    assert (page.status_code, file.status_code) in {(200, 200), (303, 401)}
    return page.status_code == 200


@settings(max_examples=60, deadline=None)
@given(
    path=st.text(st.characters(codec="latin-1", exclude_characters="?#%"), max_size=40),
    method=st.sampled_from("GET HEAD POST PUT DELETE OPTIONS PATCH TRACE".split()),
    cookie=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60),
)
def test_a_stranger_reaches_nothing_whatever_is_asked(path: str, method: str, cookie: str) -> None:
    from dashboard.auth.access import Access
    from dashboard.auth.gate import Gate
    from memory_core.settings import DashboardSettings

    inner = Inner()
    access = Access(DashboardSettings.from_env({"DASHBOARD_USERS": entries()}))
    client = TestClient(Gate(inner, access), follow_redirects=False)
    headers = {"Cookie": f"{COOKIE}={cookie}", "X-Holdfast-Session": "forged"}
    client.request(method, f"/{quote(path)}", headers=headers)
    assert [reached for reached, _ in inner.reached if reached != "/_stcore/health"] == []


def test_cookies_that_take_long_to_read_go_no_further(site: Site) -> None:
    _enter(site, "vera")
    own = f"{COOKIE}={site.client.cookies[COOKIE]}"
    # Half a minute in Python before 3.11.10, in which nobody else is served.
    escapes = "\\" * 60_000
    answer = site.another().get("/", headers={"Cookie": f'a="{escapes}"; {own}; b="\\1"; c=d'})
    assert answer.text == "inner"
    assert site.inner.cookies == f" {own}; c=d"


@pytest.mark.parametrize("name", ["X-Holdfast-Session", "x_holdfast_session", "X-HOLDFAST-SESSION"])
def test_nobody_says_themselves_who_they_are(site: Site, name: str) -> None:
    _enter(site, "vera")
    own = site.access.sessions.begin("anna", "password")
    assert own
    anna = next(i for i, (one, _) in site.access.sessions._live.items() if one.name == "anna")
    site.client.get("/", headers={name: anna})
    (_, said) = site.inner.reached[-1]
    session = site.access.sessions.find(said)
    assert session is not None
    assert session.name == "vera"


def test_a_session_ends_when_nothing_is_done_for_an_hour(site: Site) -> None:
    _enter(site)
    site.clock.now += 59 * 60
    assert _is_in(site.client)
    site.clock.now += 59 * 60
    assert _is_in(site.client)
    site.clock.now += 60 * 60
    assert not _is_in(site.client)


def test_a_session_ends_after_twelve_hours_whatever_is_done(site: Site) -> None:
    _enter(site)
    for _ in range(12 * 2 - 1):
        site.clock.now += 30 * 60
        assert _is_in(site.client)
    site.clock.now += 30 * 60
    assert not _is_in(site.client)


def test_the_time_in_the_cookie_is_written_anew_with_pages_only(site: Site) -> None:
    first = _enter(site)
    site.clock.now += 120
    assert "set-cookie" not in site.client.get("/static/index.js").headers
    assert "set-cookie" in site.client.get("/memories").headers
    assert site.client.cookies[COOKIE] != first


def test_signing_out_ends_the_session_also_for_a_copy_of_the_cookie(site: Site) -> None:
    copied = _enter(site)
    assert site.client.get("/auth/logout").headers["location"] == "/login"
    thief = site.another()
    thief.cookies.set(COOKIE, copied)
    assert not _is_in(thief)


def test_a_link_of_another_site_signs_nobody_out(site: Site) -> None:
    _enter(site)
    site.client.get("/auth/logout", headers={"Sec-Fetch-Site": "cross-site"})
    assert _is_in(site.client)


@pytest.mark.parametrize("place", [0, 5, 40, -30, -1])
def test_a_cookie_that_was_tampered_with_is_worth_nothing(site: Site, place: int) -> None:
    cookie = _enter(site)
    changed = list(cookie)
    # The last character carries two bits only; one that is far away changes them.
    changed[place] = "A" if changed[place] not in "ABCD" else "z"
    stranger = site.another()
    stranger.cookies.set(COOKIE, "".join(changed))
    assert not _is_in(stranger)


@pytest.mark.parametrize(
    ("secret", "salt"),
    [("x" * 32, "holdfast.session"), (SECRET, "holdfast.oidc"), (SECRET, "form")],
)
def test_a_cookie_signed_by_somebody_else_or_for_something_else(
    site: Site, secret: str, salt: str
) -> None:
    said = {"i": "1", "n": "anna", "v": "oidc", "m": "", "b": site.clock.now, "s": site.clock.now}
    forged = URLSafeSerializer(secret, salt=salt).dumps(said)
    site.client.cookies.set(COOKIE, str(forged))
    assert not _is_in(site.client)


@pytest.mark.parametrize(
    ("users", "role"),
    [
        ({"olaf": "operator"}, None),
        ({"anna": "viewer"}, "viewer"),
        ({"anna": "admin"}, "admin"),
    ],
)
def test_the_settings_of_now_say_what_a_cookie_may(
    open_site: Open, site: Site, users: dict[str, str], role: str | None
) -> None:
    cookie = _enter(site)
    later = open_site(DASHBOARD_USERS=entries(QUICK, **users))
    session = later.access.sessions.read(cookie)
    assert (session.role.word if session else None) == role


def test_another_password_ends_the_sessions_of_the_former(open_site: Open, site: Site) -> None:
    from tests.support.staff import hashed

    cookie = _enter(site)
    later = open_site(DASHBOARD_USERS=f"anna:admin:{hashed('another long password', QUICK)}")
    assert later.access.sessions.read(cookie) is None


def test_the_cookie_is_out_of_reach_of_scripts_and_of_plain_http(open_site: Open) -> None:
    plain = sign_in(open_site().client, "anna").headers.get_list("set-cookie")[0]
    assert "HttpOnly" in plain
    assert "SameSite=Lax" in plain
    assert "Secure" not in plain
    site = open_site(HTTPS, DASHBOARD_URL=HTTPS)
    secure = sign_in(site.client, "anna").headers.get_list("set-cookie")[0]
    assert secure.startswith("__Host-holdfast-session=")
    assert "Secure" in secure
    assert "Domain" not in secure


def test_what_somebody_saw_stays_out_of_shared_caches(site: Site) -> None:
    _enter(site)
    assert site.client.get("/static/index.js").headers["cache-control"] == "private, max-age=9"


def test_each_login_begins_a_new_session_and_ends_the_one_before(site: Site) -> None:
    first = _enter(site, "anna")
    _enter(site, "vera")
    other = site.another()
    other.cookies.set(COOKIE, first)
    assert not _is_in(other)


def test_a_viewer_uploads_nothing(site: Site) -> None:
    _enter(site, "vera")
    assert site.client.put("/_stcore/upload_file/a/b", content=b"x").status_code == 403
    _enter(site, "olaf")
    assert site.client.put("/_stcore/upload_file/a/b", content=b"x").status_code == 200


def test_a_body_that_is_too_large_or_of_unknown_length_goes_no_further(site: Site) -> None:
    _enter(site)
    path = "/_stcore/upload_file/a/b"
    large = site.client.put(path, content=b"", headers={"Content-Length": str(51 * 1024**2)})
    unknown = site.client.put(path, content=iter([b"x"]))
    assert (large.status_code, unknown.status_code) == (413, 411)
    assert site.inner.reached == []


def test_a_socket_is_refused_to_a_stranger(site: Site) -> None:
    with (
        pytest.raises(WebSocketDisconnect) as refused,
        site.client.websocket_connect(STREAM),
    ):
        pass
    assert refused.value.code == 4401
    assert site.inner.reached == []


def test_an_open_socket_ends_with_its_session(site: Site) -> None:
    _enter(site)
    hello = _message(stop_script=True)
    with site.client.websocket_connect(STREAM) as socket:
        socket.send_bytes(hello)
        assert socket.receive_bytes() == hello
        site.access.sessions.end(site.inner.reached[-1][1])
        socket.send_bytes(hello)
        with pytest.raises(WebSocketDisconnect) as ended:
            socket.receive_bytes()
        assert ended.value.code == 4401


def test_what_a_page_does_by_itself_keeps_no_session_alive(site: Site) -> None:
    _enter(site)
    with site.client.websocket_connect(STREAM) as socket:
        for auto, left in ((False, 3600), (True, 1800)):
            site.clock.now += 1800
            socket.send_bytes(_message(rerun_script={"is_auto_rerun": auto}))
            socket.receive_bytes()
            seen = next(iter(site.access.sessions._live.values()))[0].last_active
            assert seen + 3600 - site.clock.now == left
        site.clock.now += 1800
        socket.send_bytes(_message(rerun_script={"is_auto_rerun": True}))
        with pytest.raises(WebSocketDisconnect):
            socket.receive_bytes()


def test_the_password_is_nowhere_in_the_cookie(site: Site) -> None:
    cookie = _enter(site)
    said = URLSafeSerializer("x").load_payload(cookie.rsplit(".", 1)[0].encode())
    assert set(said) == {"i", "n", "v", "m", "b", "s"}
    assert PASSWORD not in str(said)
    assert "$argon2" not in str(said)


def test_a_session_that_another_instance_ended_is_over_here(open_site: Open, site: Site) -> None:
    from dashboard.auth.sessions import digest

    cookie = _enter(site)
    other = open_site()
    session = other.access.sessions.read(cookie)
    assert session is not None
    other.access.sessions.learn(frozenset({digest(session.id)}))
    assert other.access.sessions.read(cookie) is None
    assert other.access.sessions.find(session.id) is None


def test_on_https_every_cookie_is_secure_and_browsers_stay_on_https(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from starlette.responses import PlainTextResponse

    from dashboard.auth.headers import SecureHeaders

    """Whatever the `Host` says, as soon as the configured address is HTTPS."""

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        answer = PlainTextResponse("ok")
        answer.set_cookie("_streamlit_xsrf", "1")
        await answer(scope, receive, send)

    for configured in (HTTPS, "http://127.0.0.1:8501"):
        monkeypatch.setenv("DASHBOARD_URL", configured)
        access.cache_clear()
        secure = configured == HTTPS
        for asked in (HTTPS, "http://127.0.0.1:8501", "http://localhost:8501"):
            sent = TestClient(SecureHeaders(inner), base_url=asked).get("/").headers
            assert "; Secure" in sent.get("set-cookie", "; Secure") or not secure
            assert ("strict-transport-security" in sent) is secure


@pytest.mark.parametrize(
    ("origin", "accepted"),
    [
        (HTTPS, True),
        (f"{HTTPS}:443", True),
        ("http://holdfast.example.com", False),
        (f"{HTTPS}:8443", False),
        ("https://evil.example", False),
        ("https://holdfast.example.com.evil.example", False),
        ("null", False),
        ("http://[", False),
        ("", False),
    ],
)
def test_an_origin_is_one_of_those_configured(open_site: Open, origin: str, accepted: bool) -> None:
    site = open_site(HTTPS, DASHBOARD_URL=HTTPS)
    answer = sign_in(site.client, "anna", Origin=origin)
    assert answer.status_code == (303 if accepted else 403)
    assert site.access.is_origin(origin, "holdfast.example.com") is accepted
    assert site.access.is_origin(origin, "holdfast.example.com:8443") is accepted


@pytest.mark.parametrize("name", ["vera", "olaf"])
def test_a_socket_passes_on_only_what_pages_need(site: Site, name: str) -> None:
    _enter(site, name)
    passed = [
        _message(rerun_script={"query_string": "tab=Browse"}),
        _message(stop_script=True),
        _message(app_heartbeat=True),
        _message(backend_operation_request={"deferred_file": {"file_id": "1"}}),
    ]
    files = _message(file_urls_request={"file_names": ["a.txt"]})
    dropped = [
        _message(clear_cache=True),
        _message(set_run_on_save=True),
        _message(load_git_info=True),
        _message(debug_shutdown_runtime=True),
        _message(debug_disconnect_websocket=True),
        _message(backend_operation_request={"install_skills": {}}),
        _message(backend_operation_request={"request_id": "1"}),
        b"",
        b"no message at all",
    ]
    (passed if name == "olaf" else dropped).append(files)
    with site.client.websocket_connect(STREAM) as socket:
        socket.send_text("text")
        for message in dropped:
            socket.send_bytes(message)
        for message in passed:
            socket.send_bytes(message)
            assert socket.receive_bytes() == message


@pytest.mark.parametrize(("name", "role"), [("vera", Role.VIEWER), ("olaf", Role.OPERATOR)])
def test_a_message_longer_than_the_role_needs_closes_the_socket(
    site: Site, name: str, role: Role
) -> None:
    _enter(site, name)
    most = LONGEST_MESSAGES[role]
    fits = _message(rerun_script={"query_string": "x" * (most - 16)})
    with site.client.websocket_connect(STREAM) as socket:
        socket.send_bytes(fits)
        assert socket.receive_bytes() == fits
        socket.send_bytes(fits + bytes(17))
        with pytest.raises(WebSocketDisconnect) as ended:
            socket.receive_bytes()
        assert ended.value.code == 1009


def test_a_session_has_a_limited_number_of_pages(site: Site) -> None:
    _enter(site)
    with ExitStack() as opened:
        for _ in range(MOST_SOCKETS):
            opened.enter_context(site.client.websocket_connect(STREAM))
        with (
            pytest.raises(WebSocketDisconnect) as refused,
            site.client.websocket_connect(STREAM),
        ):
            pass
        assert refused.value.code == 1013
    with site.client.websocket_connect(STREAM) as socket:
        socket.send_bytes(_message(stop_script=True))
        assert socket.receive_bytes()


def test_uploads_of_a_session_take_a_limited_number_of_bytes(site: Site) -> None:
    _enter(site, "olaf")

    def upload(file: str, size: int) -> int:
        headers = {"Content-Length": str(size)}
        path = f"/_stcore/upload_file/page/{file}"
        return site.client.put(path, content=b"", headers=headers).status_code

    size = 49 * 1024**2
    assert [upload(str(number), size) for number in range(8)] == [200] * 2 + [413] * 6
    assert upload("a small one", MOST_BYTES - 2 * size) == 200
    assert upload("another", 1) == 413
    _enter(site, "anna")
    assert upload("of another session", size) == 200


def test_a_session_from_elsewhere_waits_until_the_sign_outs_are_known(
    open_site: Open, site: Site
) -> None:
    cookie = _enter(site)
    restarted = open_site()
    restarted.access.sessions._learned_at = float("-inf")
    restarted.client.cookies.set(COOKIE, cookie)
    page = restarted.client.get("/memories")
    assert (page.status_code, page.headers["refresh"]) == (503, "2")
    assert login_form.STARTING in page.text
    with (
        pytest.raises(WebSocketDisconnect) as refused,
        restarted.client.websocket_connect(STREAM),
    ):
        pass
    assert refused.value.code == 1013
    assert restarted.inner.reached == []
    assert restarted.access.sessions.wanted
    restarted.access.sessions.learn(frozenset())
    assert _is_in(restarted.client)
    # Whoever is in stays in when the storage fails; nobody else comes in from elsewhere.
    restarted.clock.now += 60
    assert _is_in(restarted.client)
    other = restarted.another()
    other.cookies.set(COOKIE, open_site().access.sessions.begin("vera", "password") or "")
    assert other.get("/memories").status_code == 503
    # They can sign in again, and sign out.
    assert sign_in(other, "vera").status_code == 303
    assert other.get("/auth/logout").headers["location"] == "/login"
