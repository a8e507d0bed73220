"""A port for a server that cannot choose one itself, kept from everybody else until it listens."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def held_port() -> Iterator[int]:
    """Hold a port of 127.0.0.1 on which nobody listens.

    The kernel gives it to no other program meanwhile, and to no connection. A server that asks for
    this very port gets it, provided it sets SO_REUSEADDR as all of them do; without one,
    connections are refused.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]
