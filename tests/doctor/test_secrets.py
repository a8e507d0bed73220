"""No secret of the environment is in anything the doctor says."""

from __future__ import annotations

import json
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory_core import Settings
from memory_core.doctor import Diagnosis, diagnose, make_bundle
from memory_core.doctor.redact import Masker, is_secret, tail
from memory_core.render.diagnosis import diagnosis_document, diagnosis_text
from memory_core.render.text import to_json
from standin.httpd import App, Request, Response
from tests.support.doctor_system import MakeSystem
from tests.support.s3_front import s3_error

NAMES = (
    "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID", "OPENAI_API_KEY",
    "MEMORY_RECEIPT_KEY", "MEMORY_ALERT_URL", "RENDER_DEPLOY_HOOK_URL", "DASHBOARD_PASSWORD",
    "SLACK_TOKEN",
)  # fmt: skip
# Where somebody may paste a secret by mistake, and a message shows the value.
MISTAKEN = ("MEMORY_BACKEND", "MEMORY_EMBEDDING_MODEL", "AWS_DEFAULT_REGION", "TZ", "MEMORY_INDX",
            "MEMORY_INDEX", "OPENAI_BASE_URL", "MEMORY_PREFIX")  # fmt: skip
PRINTED = st.text(st.sampled_from(string.ascii_letters + string.digits + "+/=-_.'\"\\%é &"))


def said(diagnosis: Diagnosis) -> str:
    """Return all forms of output, and every text in them as it was before it was written."""
    documents = [diagnosis_document(diagnosis), json.loads(make_bundle(diagnosis, personal=True))]
    plain = [text for one in documents for text in _texts(one)]
    written = [diagnosis_text(diagnosis), to_json(documents[0]), make_bundle(diagnosis).decode()]
    return "\n".join([*plain, *written, repr(diagnosis)])


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield key
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, str):
        yield value


@pytest.mark.parametrize(
    "address",
    [
        "https://host/deploy?key={}", "https://host/?a=1&access_token={}&b=2", "http://h/#token={}",
        "https://bucket/o?X-Amz-Security-Token={}&X-Amz-Signature={}", "https://h/o?sp=r&sig={}",
        "https://host/callback?code={}&state=1", "postgres://anna:{}@host/db", "redis://:{}@host",
        "the address 'https://host/?api_key={}' does not answer", "https://h/?PASSWORD={}",
        "https://h/?pass={}", "GET /?session_id={}", "https://h/?%74oken={}", "https://h/?auth[key]={}",
        "https://h/?next=https%3A%2F%2Fi%2F%3Fa%3D1%26token%3D{}",
        "https://h/?next=%2F%3Fnext%3D%252F%253Fkey%253D{}",
    ],
)  # fmt: skip
def test_secrets_in_an_address_are_hidden_whatever_holds_it(address: str) -> None:
    secret = "hush-4f9d0c6a21b7e8"
    hidden = Masker({}).hide(address.format(*[secret] * 2))
    assert secret[:-4] not in hidden
    assert hidden.count("…b7e8") == address.count("{}")
    left = "https://host/user?user=ann&tab=Browse#codes: 1 key; a=b&next=%2Fa%3Fb%3Dc"
    assert Masker({}).hide(left) == left


@settings(max_examples=60, deadline=None)
@given(
    secret=st.builds(str.__add__, PRINTED, st.text("xyzXYZ789", min_size=9, max_size=40)),
    name=st.sampled_from(NAMES),
    mistaken=st.sampled_from(MISTAKEN),
    around=st.sampled_from(["{}", " {}\n", '"{}"', "'{}'"]),
)
def test_no_secret_is_ever_said(secret: str, name: str, mistaken: str, around: str) -> None:
    environ = {name: around.format(secret), mistaken: secret, "MEMORY_EMBEDDER": "local"}
    told = said(diagnose(environ, only=["settings", "region", "environment", "embedder.chosen"]))
    assert secret not in told
    assert repr(secret)[1:-1] not in told


@settings(max_examples=30, deadline=None)
@given(password=st.text("xyzXYZ789", min_size=8, max_size=30))
def test_no_password_in_an_address_is_ever_said(password: str) -> None:
    address = f"ftp://staff:{password}@models.example.com/v1"
    told = said(diagnose({"OPENAI_BASE_URL": address}, only=["settings"]))
    assert "settings.E001" in told
    assert password not in told


def test_what_looks_like_a_secret_is_one_under_any_name() -> None:
    environ = {"MEMORY_BACKEND": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
    told = said(diagnose(environ, only=["settings"]))
    assert "K7MDENG" not in told
    assert "…EKEY" in told
    masker = Masker({})
    assert "1234567890" not in masker.hide("the key is sk-proj-1234567890ABCDE")
    commit = "0ca98b5f12" * 4
    assert masker.hide(f"commit {commit}") == f"commit {commit}"


def test_at_most_the_last_four_characters_are_shown_and_of_short_ones_none() -> None:
    assert tail("AKIASTANDIN000001234") == "…1234"
    assert tail("hunter2hunter2") == "…"
    assert is_secret("AWS_SECRET_ACCESS_KEY")
    assert not is_secret("AWS_S3_BUCKET")


def test_secrets_of_the_credentials_file_are_hidden_where_aws_repeats_them(
    make_system: MakeSystem,
) -> None:
    system = make_system("s3", filled=False)
    secret, token = "SecretOfTheFile1234567890abcd", "TokenOfTheFile+1234567890/abcd"
    Path(system.environ["AWS_SHARED_CREDENTIALS_FILE"]).write_text(
        f"[default]\naws_access_key_id = AKIAOFTHEFILE0001234\naws_secret_access_key = {secret}\n"
        f"aws_session_token = {token}\n"
    )
    system.drop("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")

    def repeats(request: Request, app: App) -> Response | None:
        return s3_error(400, "Odd", said=f"{secret} with {token} of {request.headers['host']}")

    system.watch(repeats)
    diagnosis = system.diagnose()
    told = said(diagnosis)
    assert "doctor.E001" in told
    assert " with …" in told
    assert secret[:5] not in told
    assert token[:5] not in told
    assert "AKIAOFTHEFILE" not in told


def test_settings_that_a_program_made_are_shown_without_their_secrets() -> None:
    made = Settings(openai_api_key="sk-1234567890-abcdef", backend="s3_vectors")
    told = said(diagnose(made, only=["settings"]))
    assert "sk-1234" not in told
    assert "settings.E005" in told


@pytest.mark.parametrize("value", ["short", "", "   "])
def test_what_is_too_short_to_be_told_from_a_word_is_not_shown_as_a_value(value: str) -> None:
    (shown,) = (
        one.value
        for one in diagnose({"OPENAI_API_KEY": value}, only=["settings"]).sources
        if one.name == "OPENAI_API_KEY"
    )
    assert shown in ("", "…")
