"""Limit on the uploaded files of a session, which Streamlit keeps in memory."""

from typing import Final

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from streamlit.runtime import Runtime

from memory_core.model.limits import MAX_LOG_BYTES

from .access import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES: Final = 2 * MAX_LOG_BYTES + 1024**2
"""Most bytes of a session's files, over all open pages and with uploads under way."""

_FULL: Final = (
    f"At most {MOST_BYTES // 1024**2} MB may be uploaded at a time. Remove a file from the page, "
    "or close a page with one, then try again."
)


class Uploads:
    """Passes on uploads while their session has room for them.

    The path of an upload names the page and the file. Streamlit drops the files of a page some time
    after it was closed.
    """

    def __init__(self) -> None:
        self._sizes: dict[str, dict[str, int]] = {}
        self._under_way: set[str] = set()

    async def take(
        self, app: ASGIApp, scope: Scope, receive: Receive, send: Send, session_id: str
    ) -> None:
        """Pass on an upload of a declared length, or answer that there is no room for it."""
        self._forget_dropped()
        path, size = scope["path"], int(Headers(scope=scope)["content-length"])
        sizes = self._sizes.setdefault(session_id, {})
        if path in self._under_way or sum(sizes.values()) + size > MOST_BYTES:
            await PlainTextResponse(_FULL, 413)(scope, receive, send)
            return
        sizes[path] = size
        self._under_way.add(path)
        taken = False

        async def send_noting(message: Message) -> None:
            nonlocal taken
            if message["type"] == "http.response.start":
                taken = message["status"] < 300
            await send(message)

        try:
            await app(scope, receive, send_noting)
        finally:
            self._under_way.remove(path)
            if not taken:
                sizes.pop(path, None)

    def _forget_dropped(self) -> None:
        """Forget the files that Streamlit no longer holds."""
        self._sizes = {
            session_id: kept
            for session_id, sizes in self._sizes.items()
            if (kept := {path: size for path, size in sizes.items() if self._is_kept(path)})
        }

    def _is_kept(self, path: str) -> bool:
        if path in self._under_way or not Runtime.exists():
            return True
        *_, page, file = path.split("/")
        return bool(Runtime.instance().uploaded_file_mgr.get_files(page, [file]))
