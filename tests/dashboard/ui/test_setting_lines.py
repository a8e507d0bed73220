"""The lines that set a variable are exact in each form, and quoted where a value needs it."""

from __future__ import annotations

import json
import shlex

import pytest

from dashboard.ui.setting_lines import FORMS, values_of

KNOWN = {"AWS_REGION": "eu-central-1", "MEMORY_PREFIX": 'it\'s "odd" $HOME/'}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("MEMORY_BACKEND=chroma", {"MEMORY_BACKEND": "chroma"}),
        ("AWS_S3_BUCKET", {"AWS_S3_BUCKET": "<name of your bucket>", "AWS_REGION": "eu-central-1"}),
        ("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
         {"AWS_ACCESS_KEY_ID": "<value>", "AWS_SECRET_ACCESS_KEY": "<value>"}),
        ("TZ", {"TZ": "<value>"}),
        ("no variable at all", {}),
    ],
)  # fmt: skip
def test_a_value_is_its_own_a_known_one_or_a_hint(text: str, values: dict[str, str]) -> None:
    assert values_of(text, KNOWN) == values


def test_each_form_reads_back_as_the_value() -> None:
    value = KNOWN["MEMORY_PREFIX"]
    lines = {name: make({"MEMORY_PREFIX": value}) for name, (_, make) in FORMS.items()}
    assert shlex.split(lines["Shell"]) == ["export", f"MEMORY_PREFIX={value}"]
    title, line = lines["Compose"].split("\n")
    assert title == "environment:"
    assert json.loads(line.partition(": ")[2]).replace("$$", "$") == value
    assert lines["Render"] == f"MEMORY_PREFIX={value}"
