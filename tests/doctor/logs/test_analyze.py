"""What a log says: the known lines, the storage over time, ids, errors."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from memory_core.doctor import KINDS
from memory_core.doctor.logs import LogReport, analyze_log
from memory_core.doctor.logs.error_groups import explain
from memory_core.memories.log_lines import KNOWN_LINES
from memory_core.render.log_summary import summarize_log
from tests.support.log_texts import CHROMA, DENIED, LOST, NOW, S3, added, found


def read(*lines: str) -> LogReport:
    """Return what lines say."""
    return analyze_log("\n".join(lines).encode(), now=NOW)


def timed(*lines: str) -> LogReport:
    """Return what lines say that come a minute apart."""
    return read(*(f"2026-11-22T10:{n:02}:00Z {line}" for n, line in enumerate(lines)))


def test_each_of_the_seven_lines_is_found_with_count_first_and_last() -> None:
    lines = [line.replace("%d", "3").replace("%s", "ann@x.com") for line in KNOWN_LINES]
    report = timed(*lines, lines[4])
    assert list(report.known) == list(KNOWN_LINES)
    assert [one.count if one else 0 for one in report.known.values()] == [1, 1, 1, 1, 2, 1, 1]
    seen = report.known[KNOWN_LINES[4]]
    assert seen
    assert (seen.first.line, seen.last.line) == (5, 8)
    assert seen.last.at == datetime(2026, 11, 22, 10, 7, tzinfo=UTC)
    assert [line for line, _ in report.order] == [*KNOWN_LINES, KNOWN_LINES[4]]


def test_a_healthy_log_has_nothing_wrong() -> None:
    report = timed(S3, added("ann@x.com"), found(1, "ann@x.com"), found(0, "new@y.org"))
    assert summarize_log(report).clean
    assert summarize_log(report).sentence == "No problem was found in this log."


def test_a_switch_of_the_storage_is_dated_and_ascribed_to_the_deployment() -> None:
    report = timed("==> Deploying...", S3, "INFO x", "==> Your service is live", CHROMA, LOST)
    persistent, temporary = report.spans
    assert (persistent.backend, persistent.starts) == ("s3_vectors", 1)
    assert (temporary.backend, temporary.starts) == ("chroma", 1)
    assert temporary.seen.first.at == datetime(2026, 11, 22, 10, 4, tzinfo=UTC)
    assert temporary.deployment
    assert temporary.deployment.line == 4
    assert summarize_log(report).problems[0].finding_id == "disk.E001"
    assert "became temporary after a deployment" in summarize_log(report).sentence


def test_storage_that_is_persistent_again_leaves_a_question() -> None:
    report = timed(S3, CHROMA, S3, S3)
    assert [(one.backend, one.starts) for one in report.spans] == [
        ("s3_vectors", 1),
        ("chroma", 1),
        ("s3_vectors", 2),
    ]
    assert [one.finding_id for one in summarize_log(report).problems] == ["backend.W001"]


def test_a_log_with_the_newest_line_first_tells_the_storage_in_order_of_time() -> None:
    lines = [f"2026-11-22T10:{n:02}:00Z {text}" for n, text in enumerate((S3, CHROMA, LOST, LOST))]
    report = read(*reversed(lines))
    assert [one.backend for one in report.spans] == ["s3_vectors", "chroma"]
    assert summarize_log(report).problems[0].finding_id == "disk.E001"


def test_instances_that_start_at_a_time_are_named() -> None:
    report = read(
        f"2026-11-22T10:00:00Z [srv-a1b2-x7k2p] {S3}",
        f"2026-11-22T10:00:01Z [srv-a1b2-q9z4m] {S3}",
    )
    assert report.spans[0].instances == ("srv-a1b2-x7k2p", "srv-a1b2-q9z4m")
    assert report.spans[0].starts == 2


def test_an_id_in_another_form_is_found_and_in_what_it_differs() -> None:
    report = timed(added("Ann.Lee@X.com"), found(0, "ann.lee@x.com"))
    (other,) = report.other_ids
    assert (other.asked, other.saved, other.sure) == ("ann.lee@x.com", "Ann.Lee@X.com", True)
    assert other.reasons == ("the same id in another form: lower-cased",)
    assert summarize_log(report).problems[0].finding_id == "identity.W002"


@pytest.mark.parametrize(
    ("asked", "saved", "reason", "sure"),
    [
        ("annlee@x.com", "ann.lee@x.com", "dots, dashes or underscores", True),
        ("ann@x.com", "ann+a@x.com", "the same mailbox", True),
        ("annelee@x.com", "annlee@x.com", "a typing error", False),
        ("ann.lee@x.com", "ann.lee@y.org", "the same name at another domain", False),
    ],
)
def test_a_close_id_is_found_with_the_reason(
    asked: str, saved: str, reason: str, sure: bool
) -> None:
    report = timed(S3, added(saved), found(0, asked))
    (other,) = report.other_ids
    assert (other.asked, other.saved, other.sure) == (asked, saved, sure)
    assert reason in other.reasons[0]
    # What may be chance is told and is no problem by itself.
    assert summarize_log(report).clean is not sure


def test_ids_that_a_program_numbers_and_probes_are_nobody_s_other_form() -> None:
    report = timed(
        S3, added("demo1@x.com"), found(0, "demo2@x.com"),
        added("a@redeploy.holdfast.invalid"), found(0, "a@redeploy.holdfast.invalid"),
    )  # fmt: skip
    assert report.other_ids == ()
    assert summarize_log(report).clean


def test_nothing_found_for_somebody_who_saved_is_told_and_whether_the_storage_changed() -> None:
    steady = timed(S3, added("ann@x.com"), found(0, "ann@x.com"))
    (one,) = steady.found_nothing
    assert (one.user_id, one.after_switch) == ("ann@x.com", False)
    assert summarize_log(steady).problems[0].finding_id == "records.E001"
    switched = timed(S3, added("ann@x.com"), CHROMA, S3, CHROMA, found(0, "ann@x.com"))
    assert switched.found_nothing[0].after_switch
    asked_first = timed(S3, found(0, "ann@x.com"), added("ann@x.com"), found(1, "ann@x.com"))
    assert asked_first.found_nothing == ()


def test_errors_that_differ_in_numbers_ids_and_users_are_one_group() -> None:
    report = timed(
        *(
            f"ERROR memory 01JD{n:022d} of user{n}@x.com at 10.0.0.{n}:80 took {n}.5 s: 'tea {n}'"
            for n in range(5)
        )
    )
    (group,) = report.errors
    assert group.seen.count == 5
    assert group.template == "memory <n> of <user> at <n> took <n> s: '…'"
    assert (group.seen.first.line, group.seen.last.line) == (1, 5)


def test_a_traceback_is_its_last_line_and_the_place_it_came_from() -> None:
    trace = [
        "ERROR saving failed",
        "Traceback (most recent call last):",
        '  File "/app/a.py", line 3, in outer',
        "    inner()",
        "ValueError: first",
        "",
        "During handling of the above exception, another exception occurred:",
        "",
        "Traceback (most recent call last):",
        '  File "/app/lib/b.py", line 9, in inner',
        "    raise KeyError",
        "KeyError: 'name'",
    ]
    (group,) = timed(*trace, "INFO going on", *trace).errors
    assert group.example == "saving failed: KeyError: 'name'"
    assert (group.place, group.seen.count) == ("b.py:9 in inner", 2)


def test_tracebacks_of_two_instances_that_are_mixed_stay_apart() -> None:
    lines = []
    for text in ("Traceback (most recent call last):", '  File "/a.py", line 1, in f', "    f()"):
        lines += [f"2026-11-22T10:00:00Z [web-{name}11] {text}" for name in "ab"]
    lines += [f"2026-11-22T10:00:00Z [web-{name}11] {name.upper()}Error: x" for name in "ab"]
    assert sorted(one.example for one in read(*lines).errors) == ["AError: x", "BError: x"]


@pytest.mark.parametrize(
    ("text", "finding_id", "words"),
    [
        (DENIED, "vectors.E003", "AWS refused s3vectors:PutVectors on arn:aws:s3vectors"),
        ("botocore.exceptions.NoCredentialsError: Unable to locate credentials",
         "credentials.E002", "no AWS credentials could be obtained"),
        ("botocore.exceptions.ClientError: An error occurred (ExpiredToken) when calling the "
         "ListObjectsV2 operation: The provided token has expired.", "credentials.E003", "expired"),
        ("An error occurred (NoSuchBucket) when calling the ListObjectsV2 operation: none",
         "bucket.E001", "does not exist"),
        ("An error occurred (NotFoundException) when calling the QueryVectors operation: none",
         "index.E001", "does not exist"),
        ("botocore.exceptions.EndpointConnectionError: Could not connect to the endpoint URL: "
         '"https://s3.x/"', "bucket.E003", "could not be reached"),
        ("botocore.errorfactory.TooManyRequestsException: An error occurred "
         "(TooManyRequestsException) when calling the PutVectors operation (reached max retries: "
         "4): Rate exceeded", "bucket.E006", "could not do PutVectors"),
        ("ERROR storage is not available: MEMORY_BACKEND is 'x'; set it to one of auto, chroma",
         "settings.E001", "A variable has a value"),
        ("ERROR storage is not available: the AWS credentials have expired (ExpiredToken), so "
         "s3:ListBucket was refused; renew them", "credentials.E003", "have expired"),
        ("chromadb.errors.InvalidArgumentError: Collection expecting embedding with dimension of "
         "256, got 1536", "index.E002", "another embedder"),
        ("ERROR index 'i' has 256 dimensions and metric 'cosine', the embedder makes 1536",
         "index.E002", "another embedder"),
        ("ValidationException: Filterable metadata must have at most 2048 bytes",
         "index.E003", "as filterable metadata"),
        ("ERROR storage is not available: index 'a' in vector bucket 'b' belongs to the ledger "
         "s3://b/memory/, and this installation keeps its ledger in s3://b/staging/; correct it",
         "index.E005", "belongs to another installation"),
        ("ERROR the vector files of collection 'a' in '/data/chroma/1' are damaged: ChromaDB ends "
         "with SIGSEGV on reading them; run rebuild", "disk.E004", "are damaged"),
        ("OSError: [Errno 28] No space left on device", "disk.W002", "almost full"),
        ("==> Out of memory (used over 512Mi)", "", "more memory than it has"),
        ('INFO:     10.0.0.1:5 - "POST /posts HTTP/1.1" 500 Internal Server Error', "",
         "answered a request with an error"),
    ],
)  # fmt: skip
def test_an_error_is_explained_and_leads_to_the_finding(
    text: str, finding_id: str, words: str
) -> None:
    (group,) = timed(text).errors
    assert (group.kind.id if group.kind else "") == finding_id
    assert words in group.explanation
    assert group.level == "error"


def test_the_kinds_tell_by_their_patterns_which_errors_are_about_them() -> None:
    kinds = [kind for kind in KINDS if kind.log_pattern]
    assert {kind.id.partition(".")[0] for kind in kinds} >= {"credentials", "vectors", "disk"}
    assert not [kind.id for kind in kinds if re.search(kind.log_pattern, "", re.I)]


def test_nothing_is_known_of_other_errors() -> None:
    assert explain("something else") == ("", None)


def test_warnings_are_told_and_are_no_problem() -> None:
    report = timed(S3, "WARNING slow answer after 12 s")
    assert [(one.level, one.template) for one in report.errors] == [
        ("warning", "slow answer after <n> s")
    ]
    assert summarize_log(report).clean


@pytest.mark.parametrize("line", ["[Mem0] WARNING: a new one", "WARNING [API] a new one"])
def test_a_warning_with_a_mark_that_says_nothing_known_is_a_problem(line: str) -> None:
    report = timed(S3, line)
    assert not summarize_log(report).clean
    (problem,) = summarize_log(report).problems
    assert "with [Mem0] or [API] could not be read; the first is line 2." in problem.sentence


def test_no_secret_of_a_log_or_of_this_installation_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "correct-horse-battery")
    secrets = (
        "hunter2secret", "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEYAA",
        "sk-proj-abcdefghijklmnop", "pa55phrase", "eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJSM",
        "correct-horse-battery",
    )  # fmt: skip
    report = timed(
        f"ERROR login password={secrets[0]} key {secrets[1]} and {secrets[2]}",
        f"ERROR openai {secrets[3]} https://bob:{secrets[4]}@db.x/ Bearer {secrets[5]}",
        f"ERROR our own {secrets[6]}",
    )
    assert len(report.errors) == 3
    shown = repr(report)
    assert [one for one in secrets if one in shown] == []
