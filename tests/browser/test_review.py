"""The review by keys: what is shown, what is stored, undo, and a server that goes away."""

import re

import pytest

from conftest import picture

OFFLINE = "Failed to load resource"


@pytest.fixture
def case(server):
    return server.new_example("Review")


def reviewing(open_page, case, **settings):
    page = open_page(f"/#/cases/{case}/review", **settings)
    page.wait_for_selector(".holder img")
    return page


def current(page) -> str:
    return page.locator(".review-stage .place").inner_text()


def progress(page) -> str:
    return page.locator(".review-progress p").inner_text()


def press(page, key: str) -> None:
    page.keyboard.press(key)
    page.wait_for_timeout(60)


def names(server, case, objects):
    photos = {photo["image"]: photo["name"] for photo in server.get(f"/api/cases/{case}")["photographs"]}
    return [f"Object {each['number']} of {photos[each['image']]}" for each in objects]


def test_each_key_stores_a_verdict_and_shows_the_next_object(open_page, server, case):
    review = server.get(f"/api/cases/{case}/review?limit=6")
    order, left = names(server, case, review["objects"]), review["left"]
    page = reviewing(open_page, case)
    assert progress(page) == f"0 reviewed, {left} left"
    picture(page, "review")
    for place, key in enumerate("pund?"):
        assert current(page) == order[place]
        press(page, key)
    press(page, "s")
    assert progress(page) == f"5 reviewed, {left - 5} left"
    page.wait_for_timeout(800)
    log = server.get(f"/api/cases/{case}/verdicts")["verdicts"]
    expected = ["parasitized", "uninfected", "not_a_cell", "unsure", "unsure", "skip"]
    assert [each["verdict"] for each in log] == expected
    assert names(server, case, log) == order
    assert {each["reviewer"] for each in log} == {"Ada"}


def test_the_next_picture_is_there_before_the_key(open_page, case):
    page = reviewing(open_page, case)
    page.wait_for_load_state("networkidle")
    for _ in range(3):
        page.keyboard.press("u")
        assert page.evaluate("document.querySelector('.holder img').complete && document.querySelector('.holder img').naturalWidth > 0")


def test_undo_goes_back_to_the_object_and_stays_there(open_page, server, case):
    page = reviewing(open_page, case)
    first = current(page)
    press(page, "p")
    second = current(page)
    press(page, "u")
    press(page, "z")
    page.locator(".review-stage .place", has_text=second).wait_for()
    page.keyboard.press("Backspace")
    page.locator(".review-stage .place", has_text=first).wait_for()
    page.wait_for_timeout(800)
    assert current(page) == first
    assert progress(page).startswith("0 reviewed")
    rows = server.get(f"/api/cases/{case}/verdicts")["verdicts"]
    assert [row["verdict"] for row in rows] == ["parasitized", "uninfected", None, None]
    assert [row["undoes"] for row in rows[2:]] == [rows[1]["id"], rows[0]["id"]]


def test_the_name_is_asked_for_once_and_keys_are_text_there(open_page, server, case):
    page = reviewing(open_page, case, reviewer=None)
    page.get_by_label("Your name").wait_for()
    picture(page, "reviewer")
    page.keyboard.type("punds")
    page.keyboard.press("Enter")
    page.get_by_text("Reviewing as punds").wait_for()
    assert progress(page).startswith("0 reviewed")
    press(page, "p")
    page.wait_for_timeout(400)
    assert server.get(f"/api/cases/{case}/verdicts")["verdicts"][0]["reviewer"] == "punds"
    page.reload()
    page.wait_for_selector(".holder img")
    assert page.get_by_role("dialog").count() == 0


def test_keys_can_be_switched_off(open_page, server, case):
    page = reviewing(open_page, case)
    page.get_by_label("Keys give verdicts").uncheck()
    press(page, "p")
    assert progress(page).startswith("0 reviewed")
    page.get_by_role("button", name=re.compile("Unsure")).click()
    assert progress(page).startswith("1 reviewed")


def test_a_verdict_that_is_not_stored_is_shown_and_stored_later(open_page, server, case):
    page = reviewing(open_page, case, expected_errors=[OFFLINE])
    page.wait_for_load_state("networkidle")
    page.route("**/verdicts", lambda route: route.abort())
    press(page, "p")
    press(page, "u")
    alert = page.get_by_text(re.compile("2 verdicts not stored"))
    alert.wait_for()
    picture(page, "not-stored")
    assert server.get(f"/api/cases/{case}/verdicts")["verdicts"] == []
    page.unroute("**/verdicts")
    page.get_by_role("button", name="Store again").click()
    alert.wait_for(state="hidden")
    assert [each["verdict"] for each in server.get(f"/api/cases/{case}/verdicts")["verdicts"]] == ["parasitized", "uninfected"]


def test_an_answer_that_is_lost_stores_no_verdict_twice(open_page, server, case):
    page = reviewing(open_page, case, expected_errors=[OFFLINE])
    page.wait_for_load_state("networkidle")

    def lose_answer(route):
        route.fetch()
        route.abort()

    page.route("**/verdicts", lose_answer)
    press(page, "p")
    page.get_by_text(re.compile("1 verdict not stored")).wait_for()
    page.unroute("**/verdicts")
    page.get_by_role("button", name="Store again").click()
    page.get_by_text(re.compile("1 verdict not stored")).wait_for(state="hidden")
    assert len(server.get(f"/api/cases/{case}/verdicts")["verdicts"]) == 1


def test_the_end_of_the_review(open_page, server):
    case = server.post("/api/cases", {"name": "Short"})["id"]
    page = open_page(f"/#/cases/{case}")
    page.locator('[data-picks="files"]').set_input_files(["docs/images/cells/parasitized-1.png", "docs/images/cells/uninfected-1.png"])
    page.locator(".upload-panel .progress", has_text="2 of 2 counted").wait_for()
    page.get_by_role("link", name="Review the cells").click()
    page.wait_for_selector(".holder img")
    picture(page, "review-cell")
    press(page, "s")
    press(page, "p")
    # What was skipped comes last.
    page.wait_for_selector(".holder img")
    press(page, "u")
    page.get_by_role("heading", name="Everything is reviewed").wait_for()
    picture(page, "review-end")
    assert progress(page) == "2 reviewed, 0 left"
    press(page, "z")
    page.wait_for_selector(".holder img >> visible=true")
    assert progress(page) == "1 reviewed, 1 left"
