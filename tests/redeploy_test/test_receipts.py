"""Receipts and codes: read back as written, and refused when anything is not as it was."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from memory_core import Settings
from memory_core.errors import InvalidReceipt
from memory_core.redeploy_test import RedeployReceipt, from_code, from_file, to_code, to_file
from memory_core.redeploy_test.receipt import _canonical, _written, begin_receipt, receipt_key
from memory_core.redeploy_test.report import Installation, RealUsers

HERE = Settings.from_env({"MEMORY_RECEIPT_KEY": "secret"})
ELSEWHERE = [
    Settings.from_env({"MEMORY_RECEIPT_KEY": "another"}),
    Settings.from_env({}),
    Settings.from_env({"RENDER_SERVICE_ID": "another"}),
]
EVIDENCE = Installation(
    "s3_vectors", True, "größer", {"bucket": "b"}, "", "local", 256, *"c i s h b p".split()
)  # fmt: skip
CENSUS = RealUsers(1, 3, {"0123456789ab": 3}, {"0123456789ab": "01M82BB7S3127W37HBW9WYAVNR"})


@pytest.fixture
def receipt() -> RedeployReceipt:
    at = "2026-11-22T19:00:00+00:00"
    begun = begin_receipt("01M82BB7S3127W37HBW9WYAVNR", 3, at, EVIDENCE, CENSUS)
    return replace(begun, acknowledged=(1, 2, 3))


def test_a_file_is_read_back_as_it_was_written(receipt: RedeployReceipt) -> None:
    content = to_file(receipt, HERE)
    assert from_file(content, HERE) == receipt
    assert from_file(content + b"\r\n", HERE) == receipt, "an editor ended the last line"
    partly = replace(receipt, acknowledged=(1, 3))
    assert from_file(to_file(partly, HERE), HERE) == partly


def test_every_change_of_a_single_byte_is_refused(receipt: RedeployReceipt) -> None:
    content = to_file(receipt, HERE)
    for at, byte in enumerate(content):
        for other in {byte ^ 1, byte ^ 32, 0, ord(" "), ord("\n"), ord("0"), ord("9")} - {byte}:
            with pytest.raises(InvalidReceipt):
                from_file(content[:at] + bytes([other]) + content[at + 1 :], HERE)


def test_every_truncation_and_repetition_is_refused(receipt: RedeployReceipt) -> None:
    content = to_file(receipt, HERE)
    for length in range(len(content)):
        with pytest.raises(InvalidReceipt):
            from_file(content[:length], HERE)
        with pytest.raises(InvalidReceipt):
            from_file(content[:length] + content[length : length + 1] + content[length:], HERE)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"null", b"\xff\xfe", b'"\\ud800"', b"[" * 100_000, b'{"a": 1}']
)
def test_what_is_no_receipt_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidReceipt, match="not a receipt of a redeploy test; choose"):
        from_file(content, HERE)


@pytest.mark.parametrize("other", ELSEWHERE)
def test_a_receipt_of_another_installation_is_refused(
    receipt: RedeployReceipt, other: Settings
) -> None:
    with pytest.raises(InvalidReceipt, match="signed by another installation"):
        from_file(to_file(receipt, other), HERE)
    with pytest.raises(InvalidReceipt, match="not the code of a redeploy test of this"):
        from_code(to_code(receipt, other), HERE)


def test_a_code_is_read_however_it_is_spaced_and_cased(receipt: RedeployReceipt) -> None:
    code = to_code(receipt, HERE)
    bare = code.replace("-", "")
    for written in (code, code.lower(), bare, f" {code}\n", " ".join(code), "--".join(bare)):
        read = from_code(written, HERE)
        assert (read.run, read.count, read.marks) == (receipt.run, 3, receipt.marks)
        assert read.acknowledged == (1, 2, 3)
        assert (read.evidence, read.census) == (None, None)
        assert read.probes == receipt.probes


def test_a_mistyped_code_is_refused(receipt: RedeployReceipt) -> None:
    bare = to_code(receipt, HERE).replace("-", "")
    wrong = [bare[:at] + other + bare[at + 1 :] for at in range(len(bare)) for other in "A7Q1!ä"]
    wrong += [bare[:at] + bare[at + 1 :] for at in range(len(bare))]
    wrong += [bare[:at] + "A" + bare[at:] for at in range(len(bare) + 1)]
    wrong += [bare[:at] + bare[at + 1] + bare[at] + bare[at + 2 :] for at in range(len(bare) - 1)]
    wrong += [bare[:-1] + chr(ord(bare[-1]) + 1), bare + "=" * 8, ""]
    for code in set(wrong) - {bare}:
        with pytest.raises(InvalidReceipt):
            from_code(code, HERE)


def test_a_test_of_which_not_all_was_stored_has_no_code(receipt: RedeployReceipt) -> None:
    code = to_code(replace(receipt, acknowledged=(1, 3)), HERE)
    with pytest.raises(InvalidReceipt, match="not every probe of this test was stored"):
        from_code(code, HERE)


def test_a_receipt_of_a_newer_release_is_read(receipt: RedeployReceipt) -> None:
    body = json.loads(to_file(receipt, HERE))
    del body["signature"]
    for part in (body, body["evidence"], body["census"]):
        part["weather"] = "fine"
    signature = receipt_key(HERE).sign(_canonical(body)).hex()
    assert from_file(_written({**body, "signature": signature}), HERE) == receipt


@pytest.mark.parametrize(
    "changes", [{"evidence": None}, {"count": "x"}, {"run": 7}, {"census": []}]
)
def test_a_signed_file_that_is_none_of_ours_is_refused(
    receipt: RedeployReceipt, changes: dict[str, object]
) -> None:
    """Without a secret key anybody can sign."""
    settings = Settings()
    body = {**json.loads(to_file(receipt, settings)), **changes}
    del body["signature"]
    signature = receipt_key(settings).sign(_canonical(body)).hex()
    with pytest.raises(InvalidReceipt, match="its content is not valid"):
        from_file(_written({**body, "signature": signature}), settings)
