"""Who may look: only programs of this machine, or whoever has the token; and what their browsers may do with a page."""

import hashlib
import hmac
import ipaddress
import secrets
from dataclasses import dataclass

from flask import Flask, Response, abort, request

METHODS = ("GET", "HEAD")
TOKEN_BYTES = 24
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True)
class Access:
    """Who may look.

    Attributes:
        host: the address that is listened at.
        token: what visitors must know; empty: nothing, for this machine alone.
    """

    host: str
    token: str

    @classmethod
    def of(cls, host: str, token: str | None) -> "Access":
        """Decide on the token: the one given; one made up where it is empty, or others than this machine can ask."""
        if token or (token is None and is_loopback(host)):
            return cls(host, token or "")
        return cls(host, secrets.token_urlsafe(TOKEN_BYTES))

    @property
    def cookie(self) -> str:
        """What a browser keeps instead of the token."""
        return _digest("value", self.token)

    @property
    def cookie_name(self) -> str:
        """The cookie's name; browsers keep one set for all ports of a machine, and other viewers may run there."""
        return f"clam_viewer_{_digest('name', self.token)[:8]}"

    def admits(self, token: str, cookie: str) -> bool:
        """Tell whether a visitor knows the token, or has been here with it; takes as long whatever is wrong."""
        knows = hmac.compare_digest(token.encode(errors="replace"), self.token.encode())
        was_here = hmac.compare_digest(cookie.encode(errors="replace"), self.cookie.encode())
        return not self.token or knows or was_here

    def is_called(self, host: str) -> bool:
        """Tell whether a request's host is a name of this machine.

        On the loopback a page of a stranger could otherwise ask, by a name of its own that it has led here ("DNS
        rebinding"). Elsewhere the name is not known, and the token keeps strangers out.
        """
        return not is_loopback(self.host) or is_loopback(_without_port(host))


def _digest(purpose: str, token: str) -> str:
    return hashlib.sha256(f"{purpose} {token}".encode()).hexdigest()


def is_loopback(host: str) -> bool:
    """Tell whether an address is this machine's own, which no other machine reaches."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _without_port(host: str) -> str:
    """Take the port off ``name:port`` or ``[::1]:port``."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def guard(app: Flask, access: Access) -> None:
    """Let an application answer only those that may look, and tell browsers what its pages may do."""

    @app.before_request
    def check() -> None:
        if request.method not in METHODS:
            abort(405)
        if not access.is_called(request.headers.get("Host", "")):
            abort(400, "this address is not one of the viewer's")
        if not access.admits(request.args.get("token", ""), request.cookies.get(access.cookie_name, "")):
            abort(403, "open the address that the viewer has printed: it ends in a token")

    @app.after_request
    def protect(response: Response) -> Response:
        response.headers.update(HEADERS)
        response.headers.setdefault("Cache-Control", "no-cache")
        if access.token and access.admits(request.args.get("token", ""), ""):
            response.set_cookie(access.cookie_name, access.cookie, httponly=True, samesite="Strict")
        return response
