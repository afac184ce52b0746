"""A photograph: zooming, moving, boxes, cells beside it, and verdicts."""

import json
import re

import pytest

from conftest import percentage, picture

#: A zoom step is computed and drawn within a frame of a display with 60 frames per second.
FRAME_MS = 16.0


@pytest.fixture
def example(server):
    case = server.new_example()
    image = server.get(f"/api/cases/{case}")["photographs"][0]["image"]
    return case, image


def opened(open_page, example, **settings):
    page = open_page(f"/#/cases/{example[0]}/photo/{example[1]}", **settings)
    page.wait_for_function("() => document.querySelector('.stage img').complete")
    page.wait_for_timeout(500)
    return page


def scale_of(page) -> float:
    return float(re.search(r"scale\(([\d.]+)", page.locator(".stage img").get_attribute("style"))[1])


def infected_of(server, example):
    objects = server.get(f"/api/cases/{example[0]}/objects?image={example[1]}")["objects"]
    infected = [each for each in objects if each["kind"] == "red_cell" and each["class"] == "Parasitized"]
    return sorted(infected, key=lambda each: -each["probability_parasitized"])


def test_the_sheet_has_the_infected_cells_the_most_probable_first(open_page, server, example):
    page = opened(open_page, example)
    shown = page.locator(".sheet .value").all_inner_texts()
    probabilities = [each["probability_parasitized"] for each in infected_of(server, example)]
    # A probability below 1 is not rounded to 1.
    assert shown == ["> 0.999" if p > 0.9995 else f"{p:.3f}" for p in probabilities]
    picture(page, "photograph")


def test_zooms_at_the_pointer_and_moves(open_page, example):
    page = opened(open_page, example)
    stage = page.locator(".stage")
    box = stage.bounding_box()
    x, y = box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.4

    def under_pointer():
        return page.evaluate("""([x, y]) => { const r = document.querySelector('.stage img').getBoundingClientRect();
            return [(x - r.left) / r.width, (y - r.top) / r.height] }""", [x, y])

    before, scale = under_pointer(), scale_of(page)
    page.mouse.move(x, y)
    for _ in range(5):
        page.mouse.wheel(0, -120)
        page.wait_for_timeout(40)
    assert scale_of(page) > 2 * scale
    assert under_pointer() == pytest.approx(before, abs=0.002)
    page.mouse.down()
    page.mouse.move(x + 90, y + 50, steps=4)
    page.mouse.up()
    page.wait_for_timeout(100)
    moved = page.evaluate("(() => { const r = document.querySelector('.stage img').getBoundingClientRect(); return [r.width, r.height] })()")
    assert under_pointer() == pytest.approx([before[0] - 90 / moved[0], before[1] - 50 / moved[1]], abs=0.002)
    stage.focus()
    page.keyboard.press("0")
    page.wait_for_timeout(100)
    assert scale_of(page) == pytest.approx(scale)
    page.keyboard.press("+")
    page.wait_for_timeout(100)
    assert scale_of(page) == pytest.approx(1.35 * scale)


def test_a_box_and_its_cell_are_selected_together(open_page, server, example):
    page = opened(open_page, example)
    second = infected_of(server, example)[1]
    page.locator(".sheet button").nth(1).click()
    page.get_by_role("heading", name=f"Object {second['number']}: infected red cell").wait_for()
    page.wait_for_timeout(1000)
    # Its box is now in the middle of the viewer.
    middle = page.evaluate("""([x, y]) => { const r = document.querySelector('.stage img').getBoundingClientRect(),
        s = document.querySelector('.stage').getBoundingClientRect(), image = document.querySelector('.stage img');
        return [r.left + x * r.width / image.naturalWidth - s.left - s.width / 2, r.top + y * r.height / image.naturalHeight - s.top - s.height / 2] }""",
                           [second["x"] + second["width"] / 2, second["y"] + second["height"] / 2])
    assert middle == pytest.approx([0, 0], abs=1)
    picture(page, "photograph-selected")
    page.keyboard.press("Escape")
    box = page.locator(".stage").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.get_by_role("heading", name=f"Object {second['number']}: infected red cell").wait_for()
    assert page.locator('.sheet [aria-pressed="true"]').count() == 1


def test_a_verdict_changes_the_count_and_undo_takes_it_back(open_page, server, example):
    page = opened(open_page, example)
    infected = infected_of(server, example)
    counts = page.locator(".facts .counts b")
    before = counts.inner_text()
    page.locator(".sheet button").first.click()
    page.keyboard.press("u")
    page.get_by_role("heading", name=f"Object {infected[0]['number']}: uninfected red cell").wait_for()
    counted = server.get(f"/api/cases/{example[0]}")
    page.wait_for_timeout(500)
    photo = server.get(f"/api/cases/{example[0]}")["photographs"][0]
    assert counts.inner_text() == f"{photo['counts']['infected']} infected" != before
    log = server.get(f"/api/cases/{example[0]}/verdicts")["verdicts"]
    assert [(each["number"], each["verdict"], each["reviewer"]) for each in log] == [(infected[0]["number"], "uninfected", "Ada")]
    picture(page, "photograph-verdict")
    page.keyboard.press("z")
    page.get_by_role("heading", name=f"Object {infected[0]['number']}: infected red cell").wait_for()
    assert counts.inner_text() == before
    page.goto(f"/#/cases/{example[0]}")
    page.locator(".lead .value").wait_for()
    assert page.locator(".lead .value").inner_text() == percentage(counted["computed"]["parasitaemia"]["value"])


def test_kinds_of_boxes_can_be_hidden(open_page, example):
    # The browser advises against reading the pixels of a canvas as often as this test does.
    page = opened(open_page, example, expected_errors=["willReadFrequently"])
    orange = """() => { const c = document.querySelector('.stage canvas'), d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        let n = 0; for (let i = 0; i < d.length; i += 4) n += d[i] === 213 && d[i + 1] === 94 && d[i + 2] === 0; return n }"""
    assert page.evaluate(orange) > 100
    page.get_by_label(re.compile("^infected red cell")).uncheck()
    page.wait_for_timeout(100)
    assert page.evaluate(orange) == 0


def test_a_zoom_step_with_500_boxes_fits_into_a_frame(open_page, example):
    def many(route):
        objects = [{"image": example[1], "number": 1 + i, "x": 40 * (i % 25), "y": 40 * (i // 25), "width": 38, "height": 36, "kind": "red_cell",
                    "counted": True, "class": "Parasitized" if i % 9 == 0 else "Uninfected", "probability_parasitized": i / 500, "verdict": None}
                   for i in range(500)]
        route.fulfill(status=200, content_type="application/json", body=json.dumps({"objects": objects}))

    page = open_page("/")
    page.route("**/objects?image=*", many)
    page.goto(f"/#/cases/{example[0]}/photo/{example[1]}")
    page.wait_for_selector(".sheet canvas")
    page.wait_for_timeout(1000)
    page.evaluate("""() => { window.steps = []; const frame = window.requestAnimationFrame;
        window.requestAnimationFrame = draw => frame(now => { const start = performance.now(); draw(now); steps.push(performance.now() - start) }) }""")
    box = page.locator(".stage").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    for step in range(30):
        page.mouse.wheel(0, -40 if step < 10 else 40)
        page.wait_for_timeout(40)
    steps = sorted(page.evaluate("steps"))
    print(f"zoom steps: {len(steps)}, median {steps[len(steps) // 2]:.1f} ms, longest {steps[-1]:.1f} ms")
    assert len(steps) >= 20 and steps[len(steps) // 2] < FRAME_MS
