"""Three people who may use the dashboard, and what a browser does to sign one of them in."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import httpx
from argon2 import PasswordHasher

ROLES = {"vera": "viewer", "olaf": "operator", "anna": "admin"}
PASSWORD = "a long password of everybody"
SECRET = "0123456789abcdef0123456789abcdef"
CHEAP = PasswordHasher(time_cost=5, memory_cost=7 * 1024, parallelism=1)
"""The least that is accepted."""
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""Where nothing depends on what a hash costs."""


@cache
def hashed(password: str = PASSWORD, hasher: PasswordHasher = CHEAP) -> str:
    """Return a hash that costs little, and is the same in every process."""
    return hasher.hash(password, salt=b"salt of the test")


def entries(hasher: PasswordHasher = CHEAP, **roles: str) -> str:
    """Return the lines of `DASHBOARD_USERS` for these people."""
    password = hashed(hasher=hasher)
    return "\n".join(f"{name}:{role}:{password}" for name, role in (roles or ROLES).items())


def sign_in(
    client: Any, name: str, password: str = PASSWORD, *, to: str = "/", **headers: str
) -> httpx.Response:
    """Fetch the form and send it back, as a browser does; redirects are not followed."""
    form = client.get("/login", params={"next": to})
    fields = dict(re.findall(r'name="(token|next)" value="([^"]*)"', form.text))
    origin = str(client.base_url).rstrip("/")
    return client.post(
        "/login",
        data={**fields, "name": name, "password": password},
        headers={"Origin": origin, **headers},
        follow_redirects=False,
    )
