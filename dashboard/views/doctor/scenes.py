"""The tab Demo: invented people, a tour in two minutes, and things broken on purpose."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import streamlit as st

from memory_core.doctor.demo_director import Scene
from memory_core.model.counting import counted

from ... import routes
from ...auth.roles import Role
from ...auth.visitor import may
from ...services import demonstration
from ...ui import actions
from ...ui.progress import watch
from ...ui.text import show
from .. import widgets
from ..redeploy import start

NAME: Final = "Demo"
_ACTION: Final = "demo"
_CHOICES: Final = {"data": "Memories", "deep": "All memories"}
_ALICE: Final = "alice@example.com"
_TOUR: Final = (
    ("A question in other words", "Finds the cashews and pistachios, though nobody said “avoid”.",
     routes.MEMORIES,
     {"user": _ALICE, "view": "Ask", "q": "Which nuts does she have to avoid?"}),
    ("The same person, written differently", "Finds what is stored under the lower-cased id.",
     routes.MEMORIES,
     {"user": "ALICE @Example.com", "view": "Ask", "q": "Which pet is scared by rockets?"}),
    ("As the customer says it", "Finds who is meant by a name, and how many memories there are.",
     routes.USERS, {"who": "Alice Example <ALICE@Example.com>"}),
)  # fmt: skip


def draw() -> None:
    """Draw the scenes that can be played here, and which are under way."""
    director = demonstration.director()
    if director is None:
        st.info(
            "A demo breaks things on purpose, so it runs only on the embedded default and on the "
            "stand-in of `make demo`; an AWS account is set up here.",
            icon=":material/theater_comedy:",
        )
        return
    actions.action(_ACTION).run("Working on it…")
    widgets.outcome(_ACTION)
    state = director.state
    load = demonstration.load_job()
    if not state.people or (load and load.state != "done"):
        draw_load_button("demo.load")
    if state.people or state.scenes:
        with widgets.row("demo-people"):
            people = counted(len(state.people), "invented person", "invented people")
            st.markdown(f"**{people}** here", width="content")
            _button("Remove all that the demo made", "reset", demonstration.reset, "restart_alt")
    if state.people:
        _draw_tour(director.stand_in is not None)
    st.header("Break something on purpose", anchor=False)
    if not state.people:
        st.caption("Most of these need the invented people; load them first.")
    for scene in director.scenes():
        _draw_scene(scene, scene.name in state.scenes, bool(state.people))


def draw_load_button(key: str) -> None:
    """Draw the button that loads the invented people, if a demo may, or its progress."""
    job = demonstration.load_job()
    if job and not job.finished:
        watch(job.id, "file", doing="Loading invented people")
    elif may(Role.OPERATOR) and demonstration.director():
        widgets.button(
            "Load twelve invented people", key, demonstration.start_load, icon="group_add"
        )
        widgets.draw_failure(job, "Loading was cancelled; load again, or remove what is there.")


def _draw_tour(on_stand_in: bool) -> None:
    with st.container(border=True, key="demo-tour"):
        st.header("Show me in two minutes", anchor=False)
        for title, effect, page, parameters in _TOUR:
            with widgets.row():
                st.page_link(page, label=title, icon=":material/search:", query_params=parameters)
                st.caption(effect, width="content")
        passes, fails = "Passes: the vectors survive.", "Fails: the deployment deletes this disk."
        effect = passes if on_stand_in else fails
        _draw_simulation("Simulate a deployment here", effect, start.simulate_now)
        if not on_stand_in:
            _draw_simulation(
                "The same on a stand-in for Amazon S3 Vectors",
                "Passes, without an account.",
                demonstration.simulate_on_stand_in,
            )


def _draw_simulation(label: str, effect: str, begin: Callable[[], str]) -> None:
    with widgets.row():
        if st.button(label, icon=":material/play_arrow:", type="tertiary"):
            st.switch_page(routes.REDEPLOY, query_params={start.JOB: begin()})
        st.caption(effect, width="content")


def _draw_scene(scene: Scene, under_way: bool, loaded: bool) -> None:
    with st.container(border=True, key=f"demo-{scene.name}"):
        with widgets.row():
            st.markdown(f"**{scene.title}**" + (" · broken now" if under_way else ""))
            if under_way:
                put_right = partial(demonstration.put_right, scene.name)
                _button("Put it right", f"fix.{scene.name}", put_right, "build")
            elif loaded or scene.fault or scene.name == "wipe":
                begin = partial(demonstration.begin, scene.name)
                _button("Break it", f"break.{scene.name}", begin, "bolt")
        show(scene.effect)
        if under_way:
            choice = f" with the choice “{_CHOICES[scene.tags[0]]}”" if scene.tags else ""
            st.caption(f"The doctor finds {scene.finding}{choice}.")


def _button(label: str, name: str, work: Callable[[], Any], icon: str) -> None:
    demo = actions.action(_ACTION)
    widgets.button(label, f"demo.{name}", demo.ask, work, name, icon=icon, disabled=demo.busy)
