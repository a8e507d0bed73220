"""Nothing says "1 memories": in the source of every sentence, and in what is printed of one thing.

The nouns are those that the product counts anywhere, so that a new sentence is held by itself.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from memory_core import transfer
from memory_core.activity import ChainReport, Page
from memory_core.doctor import Diagnosis
from memory_core.doctor.logs.report import LogReport
from memory_core.memories.erasure_proof import Traces
from memory_core.memories.merge_users import Merge, MergePlan
from memory_core.memories.search import Recall
from memory_core.model.census import Adoption, Census, OtherPlaces, StoreScan, UserSearch
from memory_core.model.counting import counted
from memory_core.model.records import (
    AuditReport,
    Event,
    MemoryRecord,
    RebuildReport,
    Receipt,
    SavedMemories,
    SearchResult,
    Status,
)
from memory_core.model.user_id import UserId
from memory_core.redeploy_test.report import Report
from memory_core.render import (
    activity_log,
    audit_report,
    diagnosis,
    memory_records,
    redeploy_test,
    storage_status,
    user_tables,
)
from memory_core.render import transfer as render_transfer
from memory_core.transfer.reports import ExportReport, ImportReport
from tests.support.filled import of_one
from tests.support.paths import ROOT

ANN = UserId("ann")
UNITS = "byte character day dimension hour minute month number piece second step year".split()
VERBS = "are|were|have|do|differ|match|stay|wait|(?:[a-z]+ )+(?:they|them|their)"
NOT_NOUNS = "has|have|is|are|with|of|and|to|in|no"
DETERMINERS = "a|all|again|each|the"
TEXTS: dict[str, Callable[[], str]] = {
    "status": lambda: storage_status.status_text(of_one(Status)),
    "save": lambda: memory_records.saved_text(ANN, "chroma", SavedMemories([of_one(MemoryRecord)])),
    "query": lambda: memory_records.search_text(ANN, of_one(SearchResult)),
    "list": lambda: memory_records.list_text(ANN, [of_one(MemoryRecord)]),
    "get": lambda: memory_records.record_text(of_one(MemoryRecord)),
    "history": lambda: memory_records.history_text(ANN, [of_one(Event)]),
    "delete": lambda: memory_records.receipt_text(of_one(Receipt)),
    "explain": lambda: memory_records.recall_text(of_one(Recall)),
    "audit": lambda: audit_report.audit_text(of_one(AuditReport)),
    "rebuild": lambda: audit_report.rebuild_text(of_one(RebuildReport)),
    "scan": lambda: audit_report.scan_text(of_one(StoreScan)),
    "elsewhere": lambda: audit_report.other_places_text(of_one(OtherPlaces)),
    "users": lambda: user_tables.users_text(of_one(Census)),
    "find": lambda: user_tables.user_search_text(of_one(UserSearch)),
    "adopt": lambda: user_tables.adoption_text(of_one(Adoption)),
    "erasure proof": lambda: user_tables.erasure_proof_text(of_one(Traces)),
    "merge plan": lambda: user_tables.merge_plan_text(of_one(MergePlan)),
    "merge": lambda: user_tables.merge_text(of_one(Merge), "undo.json"),
    "activity": lambda: activity_log.page_text(of_one(Page)),
    "activity check": lambda: activity_log.check_text(of_one(ChainReport)),
    "redeploy-test": lambda: redeploy_test.report_text(of_one(Report)),
    "export": lambda: render_transfer.export_text(of_one(ExportReport)),
    "import": lambda: render_transfer.import_text(of_one(ImportReport)),
    "migrate plan": lambda: render_transfer.plan_text(of_one(transfer.reports.MigrationPlan)),
    "migrate apply": lambda: render_transfer.report_text(of_one(transfer.reports.MigrationReport)),
    "migrate verify": lambda: render_transfer.verification_text(
        of_one(transfer.reports.Verification)
    ),
    "doctor": lambda: diagnosis.diagnosis_text(of_one(Diagnosis)),
    "logs": lambda: diagnosis.logs_text(of_one(LogReport)),
}


@cache
def sources() -> dict[Path, ast.Module]:
    folders = ("memory_core", "dashboard", "pages")
    paths = [
        ROOT / "app.py",
        *(path for folder in folders for path in (ROOT / folder).rglob("*.py")),
    ]
    return {path: ast.parse(path.read_text()) for path in sorted(paths)}


@cache
def nouns() -> frozenset[str]:
    """Return the last words of all that is counted: memory, user, entry."""
    counts = (
        call.args[1].value
        for module in sources().values()
        for call in ast.walk(module)
        if isinstance(call, ast.Call)
        and ast.unparse(call.func).endswith("counted")
        and len(call.args) == 2
        and isinstance(call.args[1], ast.Constant)
    )
    return frozenset({*(str(noun).split()[-1] for noun in counts), *UNITS})


@cache
def plurals() -> str:
    return "|".join(sorted(counted(2, noun).partition(" ")[2] for noun in nouns()))


def test_the_nouns_are_those_that_the_product_counts() -> None:
    assert {"memory", "user", "entry", "event", "probe", "vector", "line"} <= nouns()
    assert {"memories", "entries", "probes"} <= set(plurals().split("|"))


def in_source(module: ast.Module) -> Iterator[str]:
    """Yield where a number stands right before a plural, or what is counted before its verb.

    Constants, and numbers that exceed a limit, are never 1.
    """
    before_plural = re.compile(
        rf" (?:(?!(?:{NOT_NOUNS}) )[a-z-]+ )?(?:{plurals()})\b(?! (?:{DETERMINERS})\b)"
    )
    before_verb = re.compile(rf" (?:{VERBS})\b")
    for text in ast.walk(module):
        if not isinstance(text, ast.JoinedStr):
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                yield from re.findall(rf"%d (?:{plurals()})\b", text.value)
            continue
        if "the limit" in ast.unparse(text):
            continue
        for value, rest in zip(text.values, text.values[1:], strict=False):
            if not isinstance(value, ast.FormattedValue) or not isinstance(rest, ast.Constant):
                continue
            expression = ast.unparse(value.value)
            pattern = before_verb if expression.startswith("counted(") else before_plural
            if not expression.strip("_").isupper() and pattern.match(str(rest.value)):
                yield f"{{{expression}}}{rest.value}"


def test_no_sentence_puts_a_number_before_a_plural() -> None:
    wrong = {
        f"{path.relative_to(ROOT)}: {sentence}"
        for path, module in sources().items()
        for sentence in in_source(module)
    }
    assert wrong == set()


def test_the_search_for_such_sentences_finds_them() -> None:
    program = (
        "f'{count} memories', f'{len(x):,} stored vectors.', '%d jobs', "
        "f\"{counted(n, 'memory')} were lost\", f'{MOST} users', f'{n} bytes, the limit is {m}'"
    )
    assert len([*in_source(ast.parse(program))]) == 4


@pytest.mark.parametrize("command", TEXTS)
def test_one_of_each_is_printed_in_the_singular(command: str) -> None:
    text = TEXTS[command]()
    assert re.search(r"\b1\b", text) or command in ("get", "history", "activity", "logs"), text
    assert re.findall(rf"(?<![\d.,:-])1 +(?:[a-z-]+ )?(?:{plurals()})\b.*", text) == []
