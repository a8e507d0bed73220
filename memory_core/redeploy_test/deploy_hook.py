"""Starting a deployment on the host: Render's deploy hook, an address that takes a POST."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request

from ..errors import BackendUnavailable, SettingsError
from ..settings import Settings

_TIMEOUT_S = 20.0


def start_deployment(settings: Settings) -> None:
    """Ask the host for a new deployment of the latest commit.

    Raises:
        SettingsError: there is no hook, or it is no https address (http on this machine alone).
        BackendUnavailable: the host did not take it; the address is a secret and is not shown.
    """
    url = settings.deployment.hook_url
    if not url:
        raise SettingsError(
            "RENDER_DEPLOY_HOOK_URL is not set; copy the deploy hook from the service's settings "
            "on Render, or start the deployment there"
        )
    if not url.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
        raise SettingsError("RENDER_DEPLOY_HOOK_URL is no https address; copy it from Render")
    request = urllib.request.Request(url, method="POST", data=b"")
    try:
        with _opener().open(request, timeout=_TIMEOUT_S):
            return
    except urllib.error.HTTPError as exc:
        exc.close()
        said = f"answered {exc.code}"
    except (OSError, ValueError, http.client.HTTPException):
        said = "did not answer"
    raise BackendUnavailable(
        f"the deploy hook {said}, so no deployment was started; check RENDER_DEPLOY_HOOK_URL, or "
        "start the deployment on the host",
        backend="render",
        operation="deploy",
    )


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would turn the POST into a GET, which starts nothing."""

    def redirect_request(self, *_: object) -> None:
        return None


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_NoRedirect)
