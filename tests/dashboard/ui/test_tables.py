"""A table of many users is sent page by page."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest


def _draw_many() -> None:
    import datetime as dt

    from dashboard.ui import tables
    from memory_core.model.records import UserSummary
    from memory_core.model.user_id import UserId

    now = dt.datetime(2025, 11, 12, tzinfo=dt.UTC)
    tables.pick_user([UserSummary(UserId(f"user{n}"), 1, now, now) for n in range(1_201)], "many")


def test_beyond_a_thousand_users_a_page_of_them_is_sent() -> None:
    app = AppTest.from_function(_draw_many, default_timeout=60).run()
    assert len(app.dataframe[0].value) == 500
    app.pagination[0].set_value(3).run()
    assert not app.exception
    assert app.dataframe[0].value["User"].tolist()[0] == "user1000"
    assert app.caption[0].value.startswith("Users 1,001 to 1,201 of 1,201")
