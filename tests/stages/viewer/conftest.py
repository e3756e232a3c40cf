"""What tests of the viewer share: results, the application, a server, a browser."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Browser, Page, StorageState, expect, sync_playwright

from stages.viewer.app import create_app
from stages.viewer.packages import require_leaflet
from stages.viewer.results import Results
from stages.viewer.security import Access
from stages.viewer.slide_handles import SlideHandles
from stages.viewer.viewer import Viewer
from tests.stages.viewer.fabricated import fabricate_experiment, write_config

ROOT = Path(__file__).resolve().parents[3]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
expect.set_options(timeout=20_000)  # ms; a busy machine takes its time


@pytest.fixture(scope="session")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Raw results of an experiment, to be looked at only."""
    return fabricate_experiment(tmp_path_factory.mktemp("viewer"))


@pytest.fixture
def own_experiment(experiment: Path, tmp_path: Path) -> Path:
    """A copy of the results, and of the slides in ``tmp_path / "slides"``, to be changed."""
    root = experiment.parent.parent
    shutil.copytree(root, tmp_path, dirs_exist_ok=True)
    copy = tmp_path / experiment.relative_to(root)
    write_config(copy, tmp_path / "slides")
    return copy


@pytest.fixture(scope="module")
def viewer(experiment: Path) -> Viewer:
    """What is shown of the experiment."""
    return Viewer(Results(experiment), SlideHandles(), cache_mib=16)


@pytest.fixture(scope="module")
def client(viewer: Viewer) -> FlaskClient:
    """A visitor of this machine."""
    return visitor(viewer, Access.of("127.0.0.1", None))


def visitor(viewer: Viewer, access: Access) -> FlaskClient:
    """Return a visitor of an application that admits whom ``access`` says."""
    return create_app(viewer, access, require_leaflet()).test_client()


def key_of(viewer: Viewer, slide_id: str) -> str:
    """Return what addresses call a slide."""
    return next(slide.key for slide in viewer.results.scan() if slide.layers.slide_id == slide_id)


@pytest.fixture(scope="module")
def address(experiment: Path) -> Iterator[str]:
    """The address that the program prints, with a token, while it runs."""
    command = [sys.executable, "view_slides.py", "--results", str(experiment), "--port", "0", "--no_browser", "--token"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as program:
        assert program.stdout is not None
        yield program.stdout.readline().strip()
        program.terminate()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser without a window."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no browser to look at pages with ({', '.join(BROWSERS)})")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def cookies(browser: Browser, address: str) -> StorageState:
    """What the browser keeps of its first visit, with the token, which then leaves the address bar."""
    with closing(browser.new_context()) as context:
        page = context.new_page()
        page.goto(f"{address}#sort=1")
        page.wait_for_url(f"{address.partition('?')[0]}#sort=1")
        return context.storage_state()


@pytest.fixture
def page(browser: Browser, address: str, cookies: StorageState) -> Iterator[Page]:
    """A page of a desktop; nothing may go wrong on it, and nothing be asked of another machine."""
    yield from watched_page(browser, address, cookies, viewport={"width": 1280, "height": 800})


@pytest.fixture
def phone(browser: Browser, address: str, cookies: StorageState) -> Iterator[Page]:
    """The same of a phone."""
    size = {"width": 390, "height": 780}
    yield from watched_page(browser, address, cookies, viewport=size, has_touch=True, is_mobile=True)


def watched_page(browser: Browser, address: str, cookies: StorageState, **options: Any) -> Iterator[Page]:
    """Yield a page whose addresses are those of the program, and fail where one of its requests or scripts did."""
    address = address.partition("?")[0]
    context = browser.new_context(base_url=address, storage_state=cookies, **options)
    page, wrong = context.new_page(), []
    page.set_default_timeout(8000)
    page.on("console", lambda message: message.type in ("error", "warning") and wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "request", lambda asked: asked.url.startswith((address, "about:")) or wrong.append(f"asked for {asked.url}")
    )
    page.on("dialog", lambda dialog: (wrong.append(f"dialog {dialog.message}"), dialog.dismiss()))
    yield page
    context.close()
    assert not wrong
