"""Pages of one look that need nothing but themselves, so they open without a network and can be sent by mail.

``page.html.j2`` has what they share: the style, the title and the settings of a ``report``, and a policy by which a
browser loads nothing from elsewhere and runs no script.
"""

import base64
from pathlib import Path

import jinja2


def page_environment(folder: Path) -> jinja2.Environment:
    """Return what renders the templates of a folder, which may extend ``page.html.j2``; all they are given is text."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, Path(__file__).parent]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )


def data_uri(media_type: str, content: bytes) -> str:
    """Return an address that is the content itself."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"
