"""Pages on S3 Vectors: what they say, what that costs, and what they say when AWS refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.services import memory_calls
from memory_core import MemoryService
from tests.support.app_test import charts_of, text_of
from tests.support.other_servers import server
from tests.support.s3_bench import Bench

WANDA = "wanda@example.com"


def test_it_is_persistent_and_says_that_it_is_a_stand_in(
    s3: Bench, app: AppTest, shared: MemoryService
) -> None:
    shared.add_text_memory("alice@example.com", "likes tea")
    app.session_state["overview.why"] = True
    app.run()
    assert not app.exception
    words = text_of(app)
    assert "**Demo**" in app.sidebar.markdown[0].value
    assert "a stand-in for Amazon S3 Vectors at http" in words
    assert "nothing is in an AWS account" in words
    assert "**Persistent**" not in words
    assert not app.info
    for part in (s3.bucket, s3.environ["AWS_REGION"], "mem0-wordllama-256", "memory/"):
        assert part in words
    assert not app.warning
    alts = [chart.alt for chart in charts_of(app)]
    assert alts[2].startswith("Memories on record compared with S3 Vectors: in both: 1,")


def test_at_amazon_there_is_no_band(
    s3: Bench, app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memory_core.storage.aws.endpoint._AMAZON", ("127.0.0.1",))
    app.run()
    assert "**Persistent**" in text_of(app)
    assert "S3 Vectors · memories survive deployments" in text_of(app)
    assert not app.info
    assert not app.warning


def test_a_large_index_is_counted_when_somebody_asks(
    s3: Bench, app: AppTest, shared: MemoryService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_calls, "COUNTED_UP_TO", 1)
    for text in ("likes tea", "likes rye"):
        shared.add_text_memory("alice@example.com", text)
    s3.standin.reset_requests()
    app.run()
    assert s3.asked("ListVectors") == 0
    assert not [chart for chart in charts_of(app) if "in both" in chart.alt]
    app.button(key="overview.count").click().run()
    assert not app.exception
    assert s3.asked("ListVectors") > 0
    assert "in both: 2," in charts_of(app)[2].alt
    app.toggle(key="overview.total").set_value(True).run()
    assert "in both: 2," in charts_of(app)[2].alt, "it stays while something else is done"
    app.button(key="overview.check").click().run()
    assert "in both: 2," in charts_of(app)[2].alt
    shared.add_text_memory("alice@example.com", "likes figs")
    s3.standin.reset_requests()
    app.run()
    assert s3.asked("ListVectors") == 0, "another count costs again"


@pytest.mark.parametrize("action", ["s3:ListBucket", "s3vectors:GetIndex"])
def test_what_is_denied_is_named_and_nothing_is_written_elsewhere(
    s3: Bench, app: AppTest, data_dir: Path, action: str
) -> None:
    s3.standin.set_switches(deny_actions=[action])
    app.run()
    assert not app.exception
    words = text_of(app)
    assert "**Broken**" in words
    assert action in words
    assert not app.error, "said once"
    assert not data_dir.exists()
    s3.standin.reset_switches()
    app.button[0].click().run()
    assert "**Demo**" in text_of(app)


def test_a_refused_save_is_a_sentence_and_nothing_typed_is_lost(
    s3: Bench, memories: AppTest, shared: MemoryService
) -> None:
    shared.add_text_memory(WANDA, "Prefers tea.")
    memories.query_params["user"] = WANDA
    memories.query_params["tab"] = "Save"
    memories.run()
    s3.standin.set_switches(deny_actions=["s3:PutObject"])
    memories.text_area(key="save.text").input("Her sister lives in Lisbon.")
    _save(memories)
    assert "AWS refused s3:PutObject on" in text_of(memories)
    assert memories.text_area(key="save.text").value == "Her sister lives in Lisbon."
    s3.standin.reset_switches()
    _save(memories)
    assert "**Stored 1 memory**, verified, in " in text_of(memories)
    assert len(shared.list_memories(WANDA)) == 2


def _save(page: AppTest) -> None:
    next(button for button in page.button if button.label == "Save").click()
    page.run()
    assert not page.exception


def test_the_overview_shows_what_another_server_can_do(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    with server("noobaa") as (standin, settings):
        for name, value in standin.environ().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_S3_BUCKET", str(settings.bucket))
        monkeypatch.setenv("MEMORY_VECTOR_BUCKET", str(settings.vector_bucket))
        app.session_state["overview.why"] = True
        app.run()
        assert not app.exception
        words = text_of(app)
    assert "a stand-in for NooBaa at" in words
    assert "What this server can do" in [heading.value for heading in app.header]
    assert "Exactly one of eight simultaneous puts of a new object wins" in words
