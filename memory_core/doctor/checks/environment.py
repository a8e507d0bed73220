"""Checks around the service: versions, host, time zone, files of mem0, earlier redeploy tests."""

import os
import platform
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import PackageNotFoundError
from pathlib import Path

from ...extras import missing_extras
from ...model.counting import counted
from ...redeploy_test.records import reports_in
from ...redeploy_test.report import Verdict
from ...version import library_version
from ...watch import failed_alerts
from ..context import CHROMA, Context
from ..findings import Check, Evidence, Finding, finding
from .disk import host_of

LIBRARIES = ("mem0ai", "boto3", "chromadb", "streamlit", "openai", "wordllama")
# Faults of versions before this one. mem0's are from its changelog.
FAULTS = (
    ("mem0ai", (1, 0, 6), "delete_all for one user removes everybody's memories"),
    ("mem0ai", (2, 0, 0), "an id with spaces around it is stored as it is and not found again"),
    ("mem0ai", (2, 0, 5), "a list for one user on S3 shows everybody's memories"),
    ("mem0ai", (2, 0, 13), "an update can move a memory to another user"),
    ("mem0ai", (2, 0, 15), "delete_all stops after the first hundred and reports success"),
    ("mem0ai", (2, 2, 1), "a memory that the store refused is reported as saved"),
    ("boto3", (1, 39, 5), "S3 Vectors is not known"),
)  # fmt: skip
_SQLITE = (3, 35, 0)
_ZONES = Path("/usr/share/zoneinfo")
_SHOWN = 5


def installed() -> dict[str, str]:
    """Return the versions of Python, SQLite and the libraries that hold memories."""
    versions = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    for name in LIBRARIES:
        try:
            versions[name] = library_version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def libraries(context: Context) -> Iterator[Finding]:
    versions = installed()
    for name in dict.fromkeys(library for library, _, _ in FAULTS):
        faults = [
            Evidence(f"fixed in {'.'.join(map(str, fixed))}", fault, "changelog")
            for library, fixed, fault in FAULTS
            if library == name and _numbers(versions[name]) < fixed
        ]
        if faults:
            yield finding("versions.E001", f"{name} {versions[name]}: {faults[0].value}.", *faults)


def extras(context: Context) -> Iterator[Finding]:
    for extra, sentence in missing_extras().items():
        is_used = extra == "chroma" and context.backend.name == CHROMA
        kind = "versions.E003" if is_used else "versions.I001"
        package = Evidence(extra, "not installed", "packages")
        yield finding(kind, f"{sentence[0].upper()}{sentence[1:]}.", package)


def sqlite(context: Context) -> Iterator[Finding]:
    if sqlite3.sqlite_version_info < _SQLITE:
        yield finding(
            "versions.E002",
            f"SQLite is {sqlite3.sqlite_version}; ChromaDB needs 3.35.",
            Evidence("sqlite", sqlite3.sqlite_version, "Python"),
        )


def host(context: Context) -> Iterator[Finding]:
    deployment = context.settings.deployment
    facts = {
        "host": deployment.host or socket.gethostname(),
        "platform": host_of(context) or "unknown",
        "commit": deployment.commit,
        "instance": deployment.instance,
        "service": deployment.service,
        "system": platform.platform(terse=True),
        "time zone": "/".join(time.tzname),
        "process": str(os.getpid()),
    }
    yield finding(
        "environment.I001",
        f"{facts['host']}, {facts['system']}.",
        *(Evidence(name, value, "system") for name, value in facts.items() if value),
    )


def zone(context: Context) -> Iterator[Finding]:
    name = context.given.get("TZ", "").strip().lstrip(":")
    # Names such as "EST5EDT" carry their own rules.
    is_region = "/" in name and not name.startswith("/")
    if is_region and _ZONES.is_dir() and not (_ZONES / name).exists():
        yield finding("environment.W001", f"TZ is {name!r}.", Evidence("TZ", name, "environment"))


def workers(context: Context) -> Iterator[Finding]:
    count = context.given.get("WEB_CONCURRENCY", "").strip()
    if count.isdigit() and int(count) > 1:
        variable = Evidence("WEB_CONCURRENCY", count, "environment")
        yield finding("environment.I002", f"WEB_CONCURRENCY is {count}.", variable)


def second_factor(context: Context) -> Iterator[Finding]:
    names = ("DASHBOARD_USERS", "DASHBOARD_USERS_FILE", "DASHBOARD_OIDC_URL")
    passwords, file, provider = (context.given.get(name, "").strip() for name in names)
    if (passwords or file) and context.backend.persistent:
        also = ", beside the sign-in by the provider" if provider else ""
        yield finding(
            "environment.W002",
            f"People sign in with a password and nothing else{also}.",
            Evidence(names[0] if passwords else names[1], "set", "environment"),
        )


def mem0_files(context: Context) -> Iterator[Finding]:
    """Look for the database that mem0 writes by default, without changing it."""
    folder = context.given.get("MEM0_DIR", "").strip()
    home = Path(context.given.get("HOME", "").strip() or Path.home())
    path = (Path(folder) if folder else home / ".mem0") / "history.db"
    if not path.is_file():
        return
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            (mode,) = database.execute("PRAGMA journal_mode").fetchone()
    except sqlite3.Error as exc:
        mode = str(exc)
    yield finding(
        "history.I001",
        f"{str(path)!r} has {counted(path.stat().st_size, 'byte')}.",
        Evidence("file", str(path), "MEM0_DIR" if folder else "mem0's default"),
        Evidence("journal", str(mode), "SQLite"),
    )


def redeploy_tests(context: Context) -> Iterator[Finding]:
    reports = reports_in(context.objects, _SHOWN)
    if not reports:
        return
    last = reports[0]
    kind = "redeploy.I001" if last.verdict is Verdict.PASS else "redeploy.W001"
    yield finding(
        kind,
        f"{last.verdict.value} at {last.ended_at}: {last.survived} of {last.written} survived.",
        *(
            Evidence(
                report.ended_at, f"{report.verdict}, {report.level}: {report.reason}", "report"
            )
            for report in reports
        ),
    )


def alerts(context: Context) -> Iterator[Finding]:
    failures = failed_alerts(context.objects) if context.settings.alert_url else ()
    for kind, since, reason in failures:
        sentence = f"The alert on the {kind} of {since} was not delivered: {reason}."
        yield finding("alerts.W001", sentence, Evidence(since, reason, "alerts"))


CHECKS = (
    Check("versions.libraries", "No library with a known fault is installed", libraries,
          "versions.E001"),
    Check("versions.extras", "What the settings need is installed", extras,
          "versions.E003 versions.I001", needs=("backend.decided",)),
    Check("versions.sqlite", "SQLite is new enough", sqlite, "versions.E002"),
    Check("environment.host", "Where the service runs", host, "environment.I001",
          needs=("settings.values",)),
    Check("environment.zone", "The time zone is known", zone, "environment.W001"),
    Check("history.mem0", "mem0 keeps no history of its own", mem0_files, "history.I001"),
    Check("environment.workers", "One process writes, or the store is shared", workers,
          "environment.I002", needs=("backend.decided",), backend=CHROMA),
    Check("environment.factor", "A second factor guards what is kept", second_factor,
          "environment.W002", needs=("backend.decided",)),
    Check("redeploy.last", "The last redeploy test passed", redeploy_tests,
          "redeploy.I001 redeploy.W001", needs=("bucket.readable", "disk.writable")),
    Check("alerts.delivered", "The last alerts were delivered", alerts, "alerts.W001",
          needs=("bucket.readable", "disk.writable")),
)  # fmt: skip


def _numbers(text: str) -> tuple[int, ...]:
    """Return a version as numbers; an unreadable one counts as newer than all others."""
    digits = ["".join(filter(str.isdigit, part)) for part in text.split(".")[:3]]
    return tuple(map(int, digits)) if all(digits) else (10**6,)
