"""Serve the viewer until it is stopped."""

import logging
import os
import socket
import sys
import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from stages.viewer.packages import require_leaflet
from stages.viewer.results import Results
from stages.viewer.slide_handles import SlideHandles
from stages.viewer.viewer import Viewer
from utils.errors import EXIT_DONE, UsageError, one_line
from utils.lookup import require_folder

if TYPE_CHECKING:
    from stages.viewer.security import Access

logger = logging.getLogger(__name__)

USUAL_PORT = 8080
N_THREADS = 8
MAX_CONNECTIONS = 200
IDLE_S = 30  # after which a connection that asks for nothing is closed


@dataclass(frozen=True)
class ViewRequest:
    """What to show, and to whom.

    Attributes:
        results: raw results of an experiment, or the folder of several.
        slides: folders to look for slides in before those of the configuration.
        host: the address to listen at.
        port: 0: any that is free; None: the usual one, or any that is free.
        token: what visitors must know; empty: one is made up; None: none where only this machine can ask.
        cache_mib: memory for finished tiles.
        open_browser: show it here, where there is a screen.
    """

    results: Path
    slides: Sequence[Path] = ()
    host: str = "127.0.0.1"
    port: int | None = None
    token: str | None = None
    cache_mib: int = 256
    open_browser: bool = True


def view_slides(request: ViewRequest) -> int:
    """Serve until Ctrl-C, and return the exit code.

    Raises:
        UsageError: a package, folder, address or port is not there to be used.
    """
    leaflet = require_leaflet()
    from stages.viewer.app import create_app  # now that its packages are known to be there
    from stages.viewer.security import Access

    folders = [require_folder(folder, flag="--slides") for folder in request.slides]
    viewer = Viewer(Results(request.results), SlideHandles(folders), request.cache_mib)
    access = Access.of(request.host, request.token)
    server = _listen(create_app(viewer, access, leaflet), request.host, request.port)
    address = address_of(access, server.bind_addr[1])
    print(address, flush=True)
    logger.info("showing %s; Ctrl-C ends it", request.results)
    if request.open_browser and has_screen():
        webbrowser.open(address)
    try:
        server.serve()
    finally:
        server.stop()
    return EXIT_DONE


def address_of(access: "Access", port: int) -> str:
    """Return the address to open, with the token where there is one."""
    host = socket.gethostname() if access.host in ("0.0.0.0", "::") else access.host
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}/" + (f"?token={quote(access.token, safe='')}" if access.token else "")


def has_screen() -> bool:
    """Tell whether a browser that is opened here is seen; over ssh a text browser would take the terminal."""
    if "SSH_CONNECTION" in os.environ:
        return False
    return sys.platform in ("win32", "darwin") or bool({"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys())


def _listen(app: Any, host: str, port: int | None) -> Any:
    """Return cheroot's server, listening."""
    if port is not None:
        return _server(app, host, port)
    try:
        return _server(app, host, USUAL_PORT)
    except UsageError:
        return _server(app, host, 0)


def _server(app: Any, host: str, port: int) -> Any:
    from cheroot.wsgi import Server

    server = Server(
        (host, port), app, numthreads=N_THREADS, request_queue_size=MAX_CONNECTIONS, server_name="clam", timeout=IDLE_S
    )
    server.keep_alive_conn_limit = MAX_CONNECTIONS  # browsers ask for many tiles at once
    try:
        server.prepare()
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot listen at {host}, port {port}: {one_line(error)}") from error
    return server
