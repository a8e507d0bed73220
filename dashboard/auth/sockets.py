"""Sockets of signed-in people, closed as soon as their session is over."""

from __future__ import annotations

import asyncio
from typing import Final

from google.protobuf.message import DecodeError
from streamlit.proto.BackMsg_pb2 import BackMsg

from dashboard.auth.asgi import ASGIApp, Message, Receive, Scope, Send
from dashboard.auth.sessions import Session, Sessions

CHECK_S: Final = 2.0
"""How often a socket on which nothing is said is looked at."""

SIGNED_OUT: Final = 4401


class Sockets:
    """Passes messages on while the session lasts."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def serve(
        self, app: ASGIApp, scope: Scope, receive: Receive, send: Send, session: Session
    ) -> None:
        """Serve a socket until either side, or the end of the session, closes it."""
        socket = _Socket(self._sessions, session.id, receive, send)
        watching = asyncio.create_task(socket.watch())
        try:
            await app(scope, socket.receive, socket.send)
        finally:
            watching.cancel()


class _Socket:
    def __init__(self, sessions: Sessions, session_id: str, receive: Receive, send: Send) -> None:
        self._sessions, self._session_id = sessions, session_id
        self._receive, self._send = receive, send
        self._opened = self._closed = False
        self._role: object = None

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] != "websocket.receive":
            return message
        if self._closed or not self._still(active=_by_a_person(message)):
            await self.close()
            return {"type": "websocket.disconnect", "code": SIGNED_OUT}
        return message

    async def send(self, message: Message) -> None:
        if self._closed:
            # Streamlit may have something to say still; nobody hears it.
            return
        if message["type"] == "websocket.close":
            self._closed = True
        elif message["type"] == "websocket.send" and not self._still():
            await self.close()
            return
        self._opened = True
        await self._send(message)

    async def watch(self) -> None:
        while not self._closed:
            await asyncio.sleep(CHECK_S)
            if self._opened and not self._still():
                await self.close()

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            await self._send({"type": "websocket.close", "code": SIGNED_OUT})

    def _still(self, *, active: bool = False) -> bool:
        """Whether the session lasts, with the role that the socket began with or a higher one."""
        session = self._sessions.find(self._session_id, active=active)
        if session is None:
            return False
        self._role = self._role or session.role
        return self._role == session.role


def _by_a_person(message: Message) -> bool:
    """Whether somebody did something, rather than a part of the page drawing itself anew."""
    said = BackMsg()
    try:
        said.ParseFromString(message.get("bytes") or b"")
    except DecodeError:
        return False
    return said.WhichOneof("type") == "rerun_script" and not said.rerun_script.is_auto_rerun
