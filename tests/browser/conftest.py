"""The server, the browser, and the checks that every test ends with."""

import json
import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from server import Server

OUT = Path(os.environ.get("OUT", "target/browser"))
CELLS = sorted(Path("docs/images/cells").glob("*.png"))
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("data"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def photographs(server, tmp_path_factory):
    """Files of the drawn photographs."""
    folder = tmp_path_factory.mktemp("slide")
    case = server.get(f"/api/cases/{server.new_example()}")
    files = []
    for place, photograph in enumerate(case["photographs"], 1):
        files.append(folder / f"field {place}.png")
        files[-1].write_bytes(server.get(f"/api/images/{photograph['image']}/file"))
    (folder / "notes.txt").write_text("no image")
    return files


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, server):
    """Opens pages. At the end of the test, none may have written an error to its console."""
    contexts, errors = [], []

    def open_one(path="/", reviewer="Ada", width=1280, height=800, expected_errors=(), **settings) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, base_url=server.address, **settings)
        contexts.append(context)
        if reviewer:
            context.add_init_script(f"localStorage.setItem('giemsa.reviewer', {json.dumps(reviewer)})")
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: message.type in ("error", "warning")
                and not any(part in message.text for part in expected_errors) and errors.append(message.text))
        page.goto(path)
        page.wait_for_selector("h1")
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def page(open_page):
    return open_page()


def picture(page: Page, name: str, full_page: bool = False) -> None:
    """Keeps a picture of the page."""
    OUT.mkdir(parents=True, exist_ok=True)
    page.wait_for_timeout(300)
    page.screenshot(path=OUT / f"{name}.png", full_page=full_page)


def barriers(page: Page) -> list[str]:
    """Returns what axe-core finds."""
    page.evaluate(Path(os.environ["AXE"]).read_text())
    found = page.evaluate("tags => axe.run(document, { runOnly: { type: 'tag', values: tags } })", TAGS)
    return [f"{each['id']}: {[node['html'] for node in each['nodes']][:3]}" for each in found["violations"]]


def overflow(page: Page) -> int:
    """Returns by how many pixels the page is wider than the window."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def percentage(fraction: float) -> str:
    """Writes a fraction as the reports do: two significant digits."""
    percent = 100 * fraction
    if percent == 0:
        return "0 %"
    decimals = max(0, min(6, 1 - int(f"{percent:.1e}".split("e")[1])))
    return f"{percent:.{decimals}f} %"
