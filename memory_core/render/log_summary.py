"""The summary of a log report: whether all is well, and what is wrong."""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from ..doctor.logs import LogReport
from ..model.counting import counted


class Problem(NamedTuple):
    """A problem found in a log, in a sentence, and the doctor's finding about it."""

    sentence: str
    finding_id: str = ""


class LogSummary(NamedTuple):
    """The result in one `sentence`; `problems` are what is wrong, the worst first.

    `is_log` is true if anything looks like a log, `clean` for a log with nothing wrong in it.
    """

    sentence: str
    is_log: bool
    clean: bool
    problems: tuple[Problem, ...]


def summarize_log(report: LogReport) -> LogSummary:
    """Summarize a report."""
    problems = tuple(_problems(report))
    is_log = bool(report.first_at or report.errors or problems or report.order)
    if problems:
        sentence, count = problems[0].sentence, len(problems)
        if count > 1:
            sentence = f"{counted(count, 'problem')}, the first of them: {sentence}"
    elif report.order:
        sentence = "No problem was found in this log."
    elif is_log:
        sentence = "No error was found in this log, and none of the seven known lines."
    else:
        sentence = "This does not look like a log: no line has a time, a level or a known text."
    return LogSummary(sentence, is_log, is_log and not problems, problems)


def _problems(report: LogReport) -> Iterator[Problem]:
    persistent = [span.persistent for span in report.spans]
    if persistent and not persistent[-1]:
        after = " after a deployment" if any(persistent) and report.spans[-1].deployment else ""
        storage = f"The storage {'became' if any(persistent) else 'is'} temporary{after}"
        yield Problem(f"{storage}: the next deployment deletes all memories.", "disk.E001")
    elif not all(persistent):
        sentence = "The storage was temporary for a while: memories saved then may be lost."
        yield Problem(sentence, "backend.W001")
    if sure := sum(pair.sure for pair in report.other_ids):
        asked = counted(sure, "id was", "ids were")
        sentence = f"{asked} asked for while memories were saved under another form."
        yield Problem(sentence, "identity.W002")
    users = counted(len(report.found_nothing), "user")
    if any(user.after_switch for user in report.found_nothing):
        sentence = f"Nothing was found for {users} who had memories in another storage before."
        yield Problem(sentence, "backend.W001")
    elif report.found_nothing:
        yield Problem(f"Nothing was found for {users} who had saved before.", "records.E001")
    counts: Counter[tuple[str, str]] = Counter()
    for group in report.errors:
        if group.level == "error":
            title = group.kind.title if group.kind else group.explanation or group.template
            counts[title.rstrip("."), group.kind.id if group.kind else ""] += group.seen.count
    for (title, finding_id), count in counts.most_common():
        yield Problem(f"{counted(count, 'error')}: {title}.", finding_id)
    if report.unread:
        lines = f"{counted(report.unread.count, 'line')} with [Mem0] or [API] could not be read"
        yield Problem(f"{lines}; the first is line {report.unread.first.line:,}.")
