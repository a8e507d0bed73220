"""The environment is read in one place, and says what is wrong by name."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from memory_core import Settings, SettingsError
from memory_core.embedders import open_embedder
from memory_core.settings import Deployment
from memory_core.storage.backend import select_backend

DEFAULTS = Settings(
    backend="auto",
    require_persistent=False,
    data_dir=Path("data"),
    chroma_path=Path("data/chroma"),
    index=None,
    embedder="auto",
    embedding_model="text-embedding-3-small",
    llm=None,
    openai_api_key=None,
    openai_base_url=None,
    bucket=None,
    region=None,
    aws_profile=None,
    aws_access_key_id=None,
    vector_bucket=None,
    prefix="memory/",
)

VARIABLES = [
    ("MEMORY_BACKEND", "chroma", "backend", "chroma"),
    ("MEMORY_BACKEND", "S3_Vectors", "backend", "s3_vectors"),
    ("MEMORY_REQUIRE_PERSISTENT", "1", "require_persistent", True),
    ("MEMORY_INDEX", "mine", "index", "mine"),
    ("MEMORY_EMBEDDER", "local", "embedder", "local"),
    ("MEMORY_EMBEDDER", "openai", "embedder", "openai"),
    ("MEMORY_EMBEDDING_MODEL", "text-embedding-3-large", "embedding_model", None),
    ("MEMORY_LLM", "openai:gpt", "llm", "openai:gpt"),
    ("OPENAI_API_KEY", "sk-1", "openai_api_key", "sk-1"),
    ("OPENAI_BASE_URL", "http://h/v1", "openai_base_url", "http://h/v1"),
    ("AWS_S3_BUCKET", "docs", "bucket", "docs"),
    ("AWS_REGION", "eu-central-1", "region", "eu-central-1"),
    ("AWS_DEFAULT_REGION", "us-east-1", "region", "us-east-1"),
    ("AWS_PROFILE", "staff", "aws_profile", "staff"),
    ("AWS_ACCESS_KEY_ID", "AKIA1", "aws_access_key_id", "AKIA1"),
    ("AWS_SECRET_ACCESS_KEY", "s3cret\r", "spoiled_keys", ("AWS_SECRET_ACCESS_KEY",)),
    ("AWS_SESSION_TOKEN", "to ken", "spoiled_keys", ("AWS_SESSION_TOKEN",)),
    ("MEMORY_VECTOR_BUCKET", "vectors", "vector_bucket", "vectors"),
    ("MEMORY_PREFIX", "/a/b/", "prefix", "a/b/"),
    ("AWS_ENDPOINT_URL_S3", "http://h/s3", "endpoint_s3", None),
    ("AWS_ENDPOINT_URL_S3VECTORS", "http://h/v", "endpoint_s3vectors", None),
    ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://h/b", "endpoint_bedrock", None),
    ("MEMORY_EMBEDDER", "Multilingual", "embedder", "multilingual"),
    ("MEMORY_EMBEDDER", "OpenAI:Org/Model@768", "embedder", "openai:Org/Model@768"),
    ("MEMORY_EMBEDDER", "bedrock:amazon.titan-embed-text-v2:0", "embedder", None),
    ("CHROMA_PATH", "/mnt/c", "chroma_path", Path("/mnt/c")),
    ("MEMORY_RECEIPT_KEY", "s3cret", "receipt_key", "s3cret"),
    ("MEMORY_ACTIVITY_KEY", "s3cret", "activity_key", "s3cret"),
    ("MEMORY_ACTIVITY_DAYS", "30", "activity_days", 30),
    ("MEMORY_RECALL_LOG", "30", "recall_days", 30),
    ("MEMORY_AUTO_MIGRATE", "0", "auto_migrate", False),
    ("MEMORY_WATCH", "15m", "watch_s", 900),
    ("MEMORY_WATCH", "5s", "watch_s", 5),
    ("MEMORY_WATCH", "off", "watch_s", 0),
    ("MEMORY_ALERT_URL", "https://hooks.example.com/a", "alert_url", "https://hooks.example.com/a"),
    ("MEMORY_ALERT_URL", "http://[::1]:9/a", "alert_url", "http://[::1]:9/a"),
    ("DASHBOARD_URL", "https://a.example https://b.example", "dashboard_url", "https://a.example"),
    ("RENDER_GIT_COMMIT", "1a2b", "deployment", Deployment(commit="1a2b")),
    ("RENDER_INSTANCE_ID", "srv-1", "deployment", Deployment(instance="srv-1")),
    ("RENDER_SERVICE_ID", "srv", "deployment", Deployment(service="srv")),
    ("RENDER_DEPLOY_HOOK_URL", "https://h/d", "deployment", Deployment(hook_url="https://h/d")),
    ("MEMORY_HOST", "web-1", "deployment", Deployment(host="web-1")),
]


def test_nothing_set_means_the_defaults() -> None:
    assert Settings.from_env({}) == DEFAULTS == Settings()


@pytest.mark.parametrize(("name", "value", "field", "expected"), VARIABLES)
def test_each_variable_sets_one_field(name: str, value: str, field: str, expected: object) -> None:
    wanted: Any = {field: value if expected is None else expected}
    assert Settings.from_env({name: value}) == dataclasses.replace(DEFAULTS, **wanted)


@pytest.mark.parametrize("name", sorted({name for name, *_ in VARIABLES} | {"MEMORY_DATA_DIR"}))
def test_empty_counts_as_not_set(name: str) -> None:
    assert Settings.from_env({name: ""}) == DEFAULTS
    assert Settings.from_env({name: " \t"}) == DEFAULTS


def test_every_field_has_a_variable_in_this_table() -> None:
    tested = {field for _, _, field, _ in VARIABLES} | {"data_dir"}
    assert {field.name for field in dataclasses.fields(Settings)} == tested


def test_chroma_lies_in_the_data_folder_unless_it_has_a_path() -> None:
    moved = Settings.from_env({"MEMORY_DATA_DIR": "/srv/memories"})
    assert moved.data_dir == Path("/srv/memories")
    assert moved.chroma_path == Path("/srv/memories/chroma")
    both = Settings.from_env({"MEMORY_DATA_DIR": "/srv/memories", "CHROMA_PATH": "/other"})
    assert (both.data_dir, both.chroma_path) == (Path("/srv/memories"), Path("/other"))


def test_aws_region_comes_before_aws_default_region() -> None:
    both = {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "us-east-1"}
    assert Settings.from_env(both).region == "eu-west-1"
    assert Settings.from_env({**both, "AWS_REGION": " "}).region == "us-east-1"


def test_outer_whitespace_is_not_part_of_a_value() -> None:
    assert Settings.from_env({"AWS_S3_BUCKET": " docs\n"}).bucket == "docs"


@pytest.mark.parametrize("value", ['"docs"', "'docs'", ' "docs" '])
@pytest.mark.parametrize("name", ["AWS_S3_BUCKET", "OPENAI_API_KEY", "MEMORY_DATA_DIR"])
def test_quotation_marks_are_refused_by_the_variables_name(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({name: value})
    assert name in str(caught.value)
    assert "docs" not in str(caught.value)


@pytest.mark.parametrize("value", ["do'cs", '"docs', "it's"])
def test_a_quotation_mark_inside_a_value_is_kept(value: str) -> None:
    assert Settings.from_env({"MEMORY_LLM": value}).llm == value


@pytest.mark.parametrize(
    "value",
    [
        "my.docs-1",
        "s3://my.docs-1",
        "S3://my.docs-1/",
        "s3a://my.docs-1/",
        "my.docs-1/",
        "arn:aws:s3:::my.docs-1",
        "arn:aws-us-gov:s3:::my.docs-1/",
    ],
)
def test_a_bucket_is_understood_as_a_name_an_address_or_an_arn(value: str) -> None:
    assert Settings.from_env({"AWS_S3_BUCKET": value}).bucket == "my.docs-1"


def test_the_arn_of_an_access_point_is_kept() -> None:
    arn = "arn:aws:s3:eu-central-1:123456789012:accesspoint/memories"
    assert Settings.from_env({"AWS_S3_BUCKET": arn}).bucket == arn


@pytest.mark.parametrize(
    "value", ["s3://docs/a/b", "docs/a/b/", "arn:aws:s3:::docs/a/b", "s3://docs//a/b//"]
)
def test_a_path_behind_the_bucket_is_said_to_belong_into_the_prefix(value: str) -> None:
    with pytest.raises(
        SettingsError, match=r"AWS_S3_BUCKET .* set it to docs, and MEMORY_PREFIX to a/b/"
    ):
        Settings.from_env({"AWS_S3_BUCKET": value})


@pytest.mark.parametrize(
    "value",
    [
        "https://docs.s3.eu-central-1.amazonaws.com/",
        "my docs",
        "do'cs",
        "s3://",
        "arn:aws:s3vectors:eu-central-1:123456789012:bucket/docs",
    ],
)
def test_what_no_bucket_can_be_called_is_refused_by_the_variables_name(value: str) -> None:
    with pytest.raises(SettingsError, match=r"AWS_S3_BUCKET .* not a name"):
        Settings.from_env({"AWS_S3_BUCKET": value})


@pytest.mark.parametrize("value", ["s3://docs/a", "arn:aws:s3:::docs/a"])
def test_an_address_is_no_prefix(value: str) -> None:
    with pytest.raises(SettingsError, match=r"MEMORY_PREFIX .* the path alone"):
        Settings.from_env({"MEMORY_PREFIX": value})


@pytest.mark.parametrize("extra", ["\r", " ", "\n", "\u200b", "\u00a0", "\t", "'"])
@pytest.mark.parametrize("pattern", ["{}s3cret", "s3cret{}", "s3{}cret"])
def test_a_key_with_what_no_key_has_is_named_where_it_is_needed(extra: str, pattern: str) -> None:
    on_s3 = {"AWS_S3_BUCKET": "docs", "AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "AKIA1"}
    given = {**on_s3, "AWS_SECRET_ACCESS_KEY": pattern.format(extra), "MEMORY_EMBEDDER": "local"}
    settings = Settings.from_env(given)
    embedder = open_embedder(settings)
    with pytest.raises(SettingsError, match="no key has is in AWS_SECRET_ACCESS_KEY, so") as caught:
        select_backend(settings, embedder)
    assert "cret" not in str(caught.value)
    unused = Settings.from_env({**given, "MEMORY_BACKEND": "chroma"})
    assert select_backend(unused, embedder).name == "chroma"


@pytest.mark.parametrize(
    ("name", "choices"),
    [
        ("MEMORY_BACKEND", ("auto", "s3_vectors", "chroma")),
        ("MEMORY_EMBEDDER", ("auto", "local", "openai")),
    ],
)
def test_a_bad_choice_names_variable_value_and_choices(name: str, choices: tuple[str, ...]) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({name: "s4"})
    assert name in str(caught.value)
    assert "'s4'" in str(caught.value)
    assert all(choice in str(caught.value) for choice in choices)


@pytest.mark.parametrize("word", ["1", "true", "Yes", "ON"])
def test_a_flag_is_set_by(word: str) -> None:
    assert Settings.from_env({"MEMORY_REQUIRE_PERSISTENT": word}).require_persistent is True


@pytest.mark.parametrize("word", ["0", "false", "No", "OFF", ""])
def test_a_flag_is_not_set_by(word: str) -> None:
    assert Settings.from_env({"MEMORY_REQUIRE_PERSISTENT": word}).require_persistent is False


def test_a_flag_that_is_neither_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"MEMORY_REQUIRE_PERSISTENT is 'maybe'.*1 or 0"):
        Settings.from_env({"MEMORY_REQUIRE_PERSISTENT": "maybe"})


@pytest.mark.parametrize(("given", "prefix"), [("a", "a/"), ("a/", "a/"), ("/a//", "a/")])
def test_a_prefix_ends_with_one_slash_and_begins_with_none(given: str, prefix: str) -> None:
    assert Settings.from_env({"MEMORY_PREFIX": given}).prefix == prefix


def test_a_prefix_of_a_slash_alone_is_no_folder_without_a_name() -> None:
    assert not Settings.from_env({"MEMORY_PREFIX": "/"}).prefix.startswith("/")


def test_secrets_do_not_show() -> None:
    settings = Settings.from_env({"OPENAI_API_KEY": "sk-hidden", "AWS_ACCESS_KEY_ID": "AKIAHIDE"})
    for shown in (repr(settings), str(settings), f"{settings}"):
        assert "sk-hidden" not in shown
        assert "AKIAHIDE" not in shown


def test_settings_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().backend = "chroma"  # type: ignore[misc]


def test_only_the_mapping_that_is_given_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMORY_BACKEND", "nonsense")
    assert Settings.from_env(MappingProxyType({"MEMORY_INDEX": "mine"})).index == "mine"
    with pytest.raises(SettingsError, match="MEMORY_BACKEND is 'nonsense'"):
        Settings.from_env()


WATCH = """
import os, pkgutil, importlib
read = []
class Watched(type(os.environ)):
    def __getitem__(self, name):
        read.append(name)
        return super().__getitem__(name)
os.environ.__class__ = Watched
import memory_core
late = ("mem0_adapter", "metrics", "__main__")
for module in pkgutil.walk_packages(memory_core.__path__, "memory_core."):
    if module.name.rpartition(".")[2] not in late:
        importlib.import_module(module.name)
ours = ("AWS_", "CHROMA_", "DASHBOARD_", "MEM0_", "MEMORY_", "OPENAI_", "RENDER")
print([name for name in read if name.startswith(ours)])
os.environ["MEMORY_BACKEND"]
print(read[-1])
"""


def test_nothing_is_read_at_import() -> None:
    environ = {"MEMORY_BACKEND": "nonsense", "MEMORY_REQUIRE_PERSISTENT": "maybe"}
    done = subprocess.run(
        [sys.executable, "-c", WATCH], env=environ, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == ["[]", "MEMORY_BACKEND"], done.stderr


@pytest.mark.parametrize("value", ["4s", "15", "m", "1.5h", "-5m", "15 minutes", "9999999d", "on"])
def test_an_interval_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(
        SettingsError, match=r"MEMORY_WATCH is .*; set it to 5s or more, such as 15m"
    ):
        Settings.from_env({"MEMORY_WATCH": value})


@pytest.mark.parametrize(
    "value",
    [
        "http://hooks.example.com/s3cret", "http://127.evil.example/s3cret", "https:///s3cret",
        "ftp://localhost/s3cret", "s3cret", "http://[::1/s3cret", "http://10.0.0.1/s3cret",
    ],
)  # fmt: skip
def test_alerts_leave_this_machine_encrypted_only(value: str) -> None:
    with pytest.raises(SettingsError, match="MEMORY_ALERT_URL is not an https address") as caught:
        Settings.from_env({"MEMORY_ALERT_URL": value})
    assert "s3cret" not in str(caught.value)
