"""The tab Demo: things that go wrong in real life, made on purpose, found and put right."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import streamlit as st

from memory_core.doctor.demo_director import Scene
from memory_core.model.counting import counted

from ...auth.roles import Role
from ...services import demonstration
from ...ui import actions, messages
from ...ui.text import show
from .. import widgets

NAME: Final = "Demo"
_ACTION: Final = "demo"
_CHOICES: Final = {"data": "Memories", "deep": "All memories"}


def draw() -> None:
    """Draw the scenes that can be played here, and what is under way."""
    if not messages.draw_unless(Role.OPERATOR):
        return
    director = demonstration.director()
    if director is None:
        st.info(
            "A demo breaks things on purpose, so it plays on the embedded default and on the "
            "stand-in of `make demo` alone; an AWS account is set up here.",
            icon=":material/theater_comedy:",
        )
        return
    _run()
    state = director.state
    with widgets.row("demo-people"):
        st.markdown(f"**{counted(len(state.people), 'invented person', 'invented people')}** here")
        if not state.people:
            draw_load_button("demo.load")
        if state.people or state.scenes:
            _button("Remove all that the demo made", "reset", demonstration.reset, "restart_alt")
    for scene in director.scenes():
        _draw_scene(scene, scene.name in state.scenes, bool(state.people))


def draw_load_button(key: str) -> None:
    """Draw the button that fills an empty place, where a demo may."""
    if demonstration.director() is None:
        return
    widgets.button(
        "Load twelve invented people", key, _ask, "load", demonstration.load, icon="group_add"
    )
    _run()


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
    busy = actions.action(_ACTION).busy
    widgets.button(label, f"demo.{name}", _ask, name, work, icon=icon, disabled=busy)


def _ask(name: str, work: Callable[[], Any]) -> None:
    actions.action(_ACTION).ask(work, name)


def _run() -> None:
    action = actions.action(_ACTION)
    action.run("Working on it…")
    widgets.outcome(_ACTION)
