"""The same eleven events as many hosts and programs hand them out."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from memory_core.doctor.logs import LogReport, analyze_log
from memory_core.render.log_summary import summarize_log
from tests.support.log_texts import CHROMA, LOST, NOW, S3, added, found

CASES = Path(__file__).parent / "cases"
BEGAN = datetime(2026, 11, 20, 10, tzinfo=UTC)
EXPIRED = (
    "botocore.exceptions.ClientError: An error occurred (ExpiredTokenException) when calling the "
    "PutVectors operation: The security token included in the request is expired"
)
SAID = (
    S3,
    "[Mem0] Using S3 vectors for persistent storage",
    "[API] Using normalized user_id for Memory: alice@example.com",
    added("alice@example.com"),
    "Traceback (most recent call last):",
    '  File "/app/main.py", line 10, in add',
    "    client.put_vectors()",
    EXPIRED,
    CHROMA,
    LOST,
    found(0, "Alice@Example.com"),
)
EVENTS = [(BEGAN + timedelta(seconds=10 * place), text) for place, text in enumerate(SAID)]


def assert_all_is_read(report: LogReport) -> None:
    assert [seen.count if seen else 0 for seen in report.known.values()] == [1] * 7
    assert [span.backend for span in report.spans] == ["s3_vectors", "chroma"]
    (other,) = report.other_ids
    assert (other.asked, other.saved) == ("Alice@Example.com", "alice@example.com")
    (group,) = report.errors
    assert (group.example, group.place) == (EXPIRED, "main.py:10 in add")
    assert [problem.finding_id for problem in summarize_log(report).problems] == [
        "disk.E001",
        "identity.W002",
        "credentials.E003",
    ]


@pytest.mark.parametrize("name", sorted(path.name for path in CASES.iterdir()))
def test_a_file_of_a_host_is_read(name: str) -> None:
    report = analyze_log((CASES / name).read_bytes(), now=NOW)
    assert_all_is_read(report)
    assert report.first_at == BEGAN


def iso(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}.000Z"


def milliseconds(at: datetime) -> int:
    return int(at.timestamp()) * 1000


def lines(write: Callable[[datetime, str], str], events: Sequence[Any] = EVENTS) -> str:
    return "\n".join(write(at, text) for at, text in events)


def json_lines(write: Callable[[datetime, str], Any]) -> str:
    return lines(lambda at, text: json.dumps(write(at, text)))


def rows(header: list[str], write: Callable[[datetime, str], list[Any]], **form: Any) -> str:
    file = io.StringIO()
    csv.writer(file, **form).writerows([header, *(write(at, text) for at, text in EVENTS)])
    return file.getvalue()


def records(write: Callable[[datetime, str], Any], events: Sequence[Any] = EVENTS) -> list[Any]:
    return [write(at, text) for at, text in events]


def nanoseconds(at: datetime) -> str:
    return f"{milliseconds(at)}000000"


def page(at: datetime, text: str) -> dict[str, str]:
    return {"timestamp": iso(at), "message": text}


LOGS_PAGE = json.dumps({"logs": records(page)}, indent=2)
LOKI = {"result": [{"stream": {"pod": "web-1"}, "values": [[nanoseconds(at), text] for at, text in EVENTS]}]}  # fmt: skip  # noqa: E501

NEIGHBOURS: dict[str, str] = {
    "Kubernetes with Fluent Bit": json_lines(lambda at, text: {
        "log": f"{text}\n", "stream": "stderr", "logtag": "F", "time": iso(at),
        "kubernetes": {"pod_name": "web-1"}}),
    "Fluentd": lines(lambda at, text: f"{at:%Y-%m-%d %H:%M:%S} +0000 kube.web: "
                     + json.dumps({"log": text, "stream": "stderr"})),
    "kubectl --prefix": lines(lambda at, text: f"[pod/web-0/app] {iso(at)} {text}"),
    "kubectl --timestamps": lines(lambda at, text: f"{iso(at)} {text}"),
    "docker compose": lines(lambda at, text: f"web-1  | {iso(at)} {text}"),
    "docker compose, a name that was given": lines(lambda at, text: f"web  | {iso(at)} {text}"),
    "CRI with JSON in parts": lines(lambda at, text: (
        f"{iso(at)} stdout P {json.dumps({'msg': text})[:20]}\n"
        f"{iso(at)} stdout F {json.dumps({'msg': text})[20:]}")),
    "journald, short": lines(lambda at, text: f"{at:%b %d %H:%M:%S} host web[12]: {text}"),
    "journald, short-iso": lines(
        lambda at, text: f"{at:%Y-%m-%dT%H:%M:%S}+0000 host web[12]: {text}"),
    "Heroku": lines(lambda at, text: f"{iso(at)[:-1]}+00:00 app[web.1]: {text}"),
    "syslog with data": lines(lambda at, text: f'<14>1 {iso(at)} host app 1 - [a@1 b="c"] {text}'),
    "Fly.io": lines(lambda at, text: f"{iso(at)} app[148ed193b95948] ord [info] {text}"),
    "Fly.io, JSON": json_lines(lambda at, text: {
        "event": {"provider": "app"}, "fly": {"app": {"instance": "148"}}, "message": text,
        "log": {"level": "info"}, "timestamp": iso(at)}),
    "Vercel": json_lines(lambda at, text: {
        "timestamp": milliseconds(at), "message": text, "level": "info", "statusCode": 200}),
    "Datadog, CSV": rows(["Date", "Host", "Message"], lambda at, text: [iso(at), "h", text]),
    "Datadog, API": json.dumps({"data": records(lambda at, text: {
        "type": "log", "attributes": {"status": "info", "timestamp": iso(at), "message": text,
                                      "tags": ["a:b"]}}), "meta": {}}, indent=1),
    "Loki, API": json.dumps({"status": "success", "data": LOKI}),
    "Grafana": json.dumps(records(lambda at, text: {
        "line": text, "timestamp": nanoseconds(at), "fields": {"pod": "web"}}), indent=2),
    "Elastic": json.dumps({"took": 1, "hits": {"hits": records(lambda at, text: {
        "_index": "i", "_source": {"@timestamp": iso(at), "message": text,
                                   "log": {"level": "info"}}})}}, indent=2),
    "Kibana": json.dumps({"hits": {"hits": records(lambda at, text: {
        "fields": {"@timestamp": [iso(at)], "message": [text]}})}}),
    "Splunk, CSV": rows(["_time", "_raw", "host"], lambda at, text: [
        iso(at), f"{at:%Y-%m-%d %H:%M:%S},000 - app - INFO - {text}", "h"]),
    "Splunk, JSON": json_lines(lambda at, text: {"result": {"_raw": text, "_time": iso(at)}}),
    "CloudWatch Insights, CSV": rows(
        ["@timestamp", "@message"], lambda at, text: [f"{at:%Y-%m-%d %H:%M:%S}.000", f"{text}\n"]),
    "CloudWatch Insights, API": json.dumps({"results": records(lambda at, text: [
        {"field": "@timestamp", "value": f"{at:%Y-%m-%d %H:%M:%S}.000"},
        {"field": "@message", "value": text}])}),
    "aws logs tail": lines(lambda at, text: f"{iso(at)} web/1/abc {text}"),
    "Azure": rows(["TimeGenerated [UTC]", "Log_s"], lambda at, text: [iso(at), text]),
    "CSV with semicolons": rows(
        ["time", "level", "message"], lambda at, text: [iso(at), "info", text], delimiter=";"),
    "CSV without a header": lines(lambda at, text: (
        f'"{milliseconds(at)}","{text}"'.replace('File "/app/main.py"', 'File ""/app/main.py""'))),
    "OpenTelemetry": json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": records(
        lambda at, text: {"timeUnixNano": nanoseconds(at), "severityText": "INFO",
                          "body": {"stringValue": text}})}]}]}),
    "GELF": json_lines(lambda at, text: {
        "host": "h", "short_message": text, "timestamp": at.timestamp(), "level": 6}),
    "JSON in JSON in JSON": json_lines(lambda at, text: {
        "time": iso(at), "message": json.dumps({"data": json.dumps({"msg": text})})}),
    "an array of texts": json.dumps([text for _, text in EVENTS]),
    "a page cut off": LOGS_PAGE[: -len('"\n    }\n  ]\n}')] + '"},\n {"message": "un',
    "a page in one line cut off": json.dumps({"logs": records(page)})[:-2] + ', {"message": "un',
    "JSON without line ends": "".join(json.dumps(page(at, text)) for at, text in EVENTS),
    "a page from its middle": LOGS_PAGE.partition("[")[2],
    "pretty JSON one after another": lines(lambda at, text: json.dumps({
        "timestamp": iso(at), "message": text, "labels": [{"name": "a", "value": "b"}]}, indent=2)),
    "all in one message": json.dumps({"message": "\n".join(text for _, text in EVENTS)}),
    "logfmt without quotation marks": lines(
        lambda at, text: f"time={iso(at)} level=info msg={text}"),
    "structlog": lines(lambda at, text: (
        f"\x1b[2m{iso(at)}\x1b[0m [\x1b[32minfo     \x1b[0m] \x1b[1m{text:60}\x1b[0m"
        " \x1b[36mrequest_id\x1b[0m=\x1b[35m1\x1b[0m" if "Error" not in text else text)),
    "Python's own dict": lines(lambda at, text: (
        repr({"time": iso(at), "message": text}) if text.startswith("[") else text)),
    "Windows line ends": "\ufeff" + lines(lambda at, text: f"{iso(at)} {text}\r"),
    "the newest line first": json.dumps(
        records(lambda at, text: {"textPayload": text, "timestamp": iso(at)}, EVENTS[::-1]),
        indent=2),
}  # fmt: skip


@pytest.mark.parametrize("name", NEIGHBOURS)
def test_a_log_of_another_program_is_read(name: str) -> None:
    assert_all_is_read(analyze_log(NEIGHBOURS[name].encode(), now=NOW))


def test_a_document_in_utf_16_is_read() -> None:
    assert_all_is_read(analyze_log(LOGS_PAGE.encode("utf-16"), now=NOW))


def test_a_line_with_a_mark_that_is_not_understood_is_never_nothing_wrong() -> None:
    healthy = f"2026-11-22T10:00:00Z {S3}\n"
    for line in (
        "[Mem0] Forgot how it is said",
        "[API] POST /memories 200",
        "x [Mem0]",
        "WARNING [Mem0] x",
    ):
        report = analyze_log(f"{healthy}2026-11-22T10:00:01Z {line}\n".encode(), now=NOW)
        assert not summarize_log(report).clean
        assert (
            summarize_log(report).sentence
            == "1 line with [Mem0] or [API] could not be read; the first is line 2."
        )
    error = analyze_log(f"{healthy}[Mem0] ERROR: it broke\n".encode(), now=NOW)
    assert [(group.level, group.example) for group in error.errors] == [("error", "it broke")]
    assert summarize_log(error).sentence == "1 error: it broke."


def test_an_error_of_heroku_s_router_is_told() -> None:
    line = (
        '2026-11-20T10:09:00+00:00 heroku[router]: at=error code=H10 desc="App crashed" status=503'
    )
    (group,) = analyze_log(line.encode()).errors
    assert (group.level, group.example) == ("error", "App crashed")


def test_a_document_of_many_megabytes_is_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memory_core.doctor.logs.unwrap.LONGEST_DOCUMENT", 400)
    assert_all_is_read(analyze_log(LOGS_PAGE.encode(), now=NOW))


def test_lines_between_and_behind_json_keep_their_numbers() -> None:
    broken = '{"message": None}\n' * 30
    log = f'{{\n  "message": "x"\n}}\n"[Mem0] unknown"\n{{"message": "y"}}\n{broken}'
    report = analyze_log(f'{log}{{"level": "error", "message": "broke"}}\n{S3}\n'.encode(), now=NOW)
    assert "with [Mem0] or [API] could not be read; the first is line 4." in repr(
        summarize_log(report).problems
    )
    assert [(group.example, group.seen.first.line) for group in report.errors] == [("broke", 36)]
    assert report.order[0][1].first.line == 37


def test_a_text_that_a_record_has_twice_counts_once() -> None:
    line = added("alice@example.com")
    for record in (
        {"message": line, "log": {"original": f"2026-11-22T10:00:01Z INFO {line}"}},
        {"_raw": json.dumps({"level": "info", "msg": line}), "msg": line},
        {"log": f"{line}\n", "message": line},
    ):
        report = analyze_log(json.dumps(record).encode(), now=NOW)
        assert summarize_log(report).clean
        assert [seen.count for seen in report.known.values() if seen] == [1], record


@pytest.mark.parametrize(
    "line",
    [
        json.dumps({"message": "x", "items": [{}, {"a": {"b": "[Mem0] in a corner"}}]}),
        json.dumps({"message": CHROMA, "log": "[API] POST /memories 200"}),
        json.dumps({"message": "[API] POST /memories 200", "event": {"text": f"INFO {CHROMA}"}}),
        f'"2026-11-22T10:00:01Z","{CHROMA}","[API] POST /memories 200"',
        json.dumps({"level": "info", "message": "x" * 20_000 + "[API] far behind"}),
        json.dumps([{"message": CHROMA}, {"message": "x" * 20_000 + "[API] far behind"}]),
        json.dumps([CHROMA, "x" * (16 * 1024 - 3) + "[API] cut in two"]),
        json.dumps(["2026-11-22T10:00:01Z", CHROMA, {"more": ["[API] beside"]}]),
        "x" * 300_000 + "[Mem0] behind all that is read",
        "2026-11-22T10:00:00Z stdout P [Mem0] without an end",
        '{"a": [' * 300 + '"[Mem0] deep down"' + "]}" * 300,
    ],
    ids=[
        "in a list",
        "second text",
        "first text",
        "second cell",
        "far behind",
        "far behind in a page",
        "cut in two",
        "beside a row",
        "cut off",
        "without an end",
        "deep down",
    ],
)
def test_a_mark_is_not_lost(line: str) -> None:
    report = analyze_log(f"2026-11-22T10:00:00Z {S3}\n{line}\n".encode(), now=NOW)
    assert not summarize_log(report).clean
    assert "with [Mem0] or [API] could not be read; the first is line 2." in repr(
        summarize_log(report).problems
    )
