"""Everybody can use the page: by keyboard, in dark and light, on small and large displays, with a screen reader."""

import re

import pytest

from conftest import CELLS, barriers, overflow, picture

SIZES = {"narrow": (360, 740), "usual": (1280, 800), "huge": (3840, 2160)}


@pytest.fixture(scope="module")
def case(server):
    """A case with photographs, single cells, a refused file and a verdict."""
    case = server.new_example("A case with a long name, as laboratories have: patient 2026-11-28/0042, thin smear, slide 3 of 4")
    import urllib.request
    for path in [*CELLS, None]:
        name = path.name if path else "a_very_long_name_without_any_spaces_that_a_camera_or_a_person_may_have_given_to_a_file.txt"
        body = path.read_bytes() if path else b"no image"
        urllib.request.urlopen(urllib.request.Request(f"{server.address}/api/cases/{case}/images?kind=auto&name={name}", data=body)).read()
    image = server.get(f"/api/cases/{case}")["photographs"][0]["image"]
    server.post(f"/api/cases/{case}/verdicts", {"image": image, "number": 30, "verdict": "not_a_cell", "reviewer": "Ada"})
    return case


@pytest.fixture(scope="module")
def addresses(server, case):
    image = server.get(f"/api/cases/{case}")["photographs"][0]["image"]
    return {"start": "/", "case": f"/#/cases/{case}", "photograph": f"/#/cases/{case}/photo/{image}", "review": f"/#/cases/{case}/review"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("view", ["start", "case", "photograph", "review"])
def test_no_barriers_and_no_sideways_scrolling(open_page, addresses, view, size, scheme):
    width, height = SIZES[size]
    page = open_page(addresses[view], width=width, height=height, color_scheme=scheme)
    page.wait_for_load_state("networkidle")
    assert page.get_by_text("For research use only, not for diagnosis.").is_visible()
    assert overflow(page) <= 0
    picture(page, f"{view}-{size}-{scheme}", full_page=size == "narrow")
    assert barriers(page) == []
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert dark == ("rgb(23, 23, 28)" if scheme == "dark" else "rgb(252, 252, 253)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_dialogs_menus_and_selections_have_no_barriers(open_page, addresses, scheme):
    page = open_page(addresses["case"], color_scheme=scheme, expected_errors=["404"])
    page.locator(".menu summary").click()
    assert barriers(page) == []
    page.get_by_role("button", name="Delete this case").click()
    assert barriers(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Rename this case").click()
    assert barriers(page) == []
    page.keyboard.press("Escape")
    page.goto(addresses["photograph"])
    page.locator(".sheet button").first.click()
    page.keyboard.press("p")
    page.wait_for_timeout(1000)
    picture(page, f"selected-{scheme}")
    assert barriers(page) == []
    page.keyboard.press("z")
    page.wait_for_timeout(500)
    page.goto("/#/cases/999999")
    page.get_by_role("heading", name="Not found").wait_for()
    picture(page, f"missing-{scheme}")
    assert barriers(page) == []


def focus_on(page, name: str, presses: int = 60) -> None:
    """Presses Tab until the control with this name has the focus."""
    for _ in range(presses):
        page.keyboard.press("Tab")
        focused = page.evaluate("""(() => { const e = document.activeElement;
            return e === document.body ? '' : e.getAttribute('aria-label') || e.innerText || '' })()""")
        if name in focused:
            return
    raise AssertionError(f"Tab does not reach {name}")


def test_the_keyboard_suffices(open_page, server):
    page = open_page(reviewer=None)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.innerText") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main" and "#main" not in page.url
    focus_on(page, "Try the drawn example")
    page.keyboard.press("Enter")
    page.locator(".lead .value").wait_for()
    # The focus is on the heading of the new view.
    assert page.evaluate("document.activeElement.tagName") == "H1"
    focus_on(page, "Review the cells")
    page.keyboard.press("Enter")
    page.get_by_label("Your name").wait_for()
    page.keyboard.type("Keyboard")
    page.keyboard.press("Enter")
    page.get_by_text("Reviewing as Keyboard").wait_for()
    page.keyboard.press("p")
    page.get_by_text(re.compile("^1 reviewed")).wait_for()
    focus_on(page, "Back to the case")
    page.keyboard.press("Enter")
    page.get_by_text("Continue the review (1 done)").wait_for()
    focus_on(page, "drawn photograph 1.png")
    page.keyboard.press("Enter")
    page.locator(".stage").wait_for()
    focus_on(page, "Photograph. Plus and minus zoom")
    page.keyboard.press("+")
    page.keyboard.press("ArrowLeft")
    focus_on(page, "infected red cell, P")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name=re.compile("^Object .* infected red cell")).wait_for()
    page.keyboard.press("d")
    page.locator(".selected").get_by_text("Verdict: Unsure").wait_for()
    page.go_back()
    page.get_by_text("Continue the review (2 done)").wait_for()
    focus_on(page, "Delete this case")
    page.keyboard.press("Enter")
    focus_on(page, "Delete")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Cases").wait_for()


def test_the_back_button_returns_to_the_place(open_page, addresses):
    page = open_page(addresses["case"], height=500)
    page.wait_for_load_state("networkidle")
    page.locator(".photograph-list a").last.scroll_into_view_if_needed()
    before = page.evaluate("scrollY")
    page.locator(".photograph-list a").last.click()
    page.locator(".stage").wait_for()
    assert page.evaluate("scrollY") == 0
    page.go_back()
    page.locator(".lead .value").wait_for()
    assert before > 0 and page.evaluate("scrollY") == pytest.approx(before, abs=2)
