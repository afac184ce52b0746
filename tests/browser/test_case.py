"""Images become a case: the example, drops, picked files and folders, the threshold, and downloads."""

import base64
import csv
import io
import json
import re
import zipfile

from conftest import CELLS, percentage, picture

HOSTILE = "<img src=x onerror=alert(1)>.png"


def case_of(page) -> int:
    return int(re.search(r"#/cases/(\d+)", page.url)[1])


def drop(page, files) -> None:
    """Drops files, as [(name, bytes)], on the page."""
    files = [[name, base64.b64encode(content).decode()] for name, content in files]
    transfer = page.evaluate_handle("""files => {
        const transfer = new DataTransfer();
        for (const [name, content] of files) {
            const bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0));
            transfer.items.add(new File([bytes], name));
        }
        return transfer;
    }""", files)
    for event in ("dragenter", "dragover", "drop"):
        page.dispatch_event("main", event, {"dataTransfer": transfer})


def wait_until_counted(page, files: int) -> None:
    page.locator(".upload-panel .progress", has_text=f"{files} of {files} counted").wait_for()
    # The case is read again soon after the last file.
    page.wait_for_timeout(800)


def test_the_example_is_one_click(page, server):
    picture(page, "start")
    assert page.get_by_text("For research use only, not for diagnosis.").is_visible()
    page.get_by_role("button", name="Try the drawn example").click()
    value = page.locator(".lead .value")
    value.wait_for()
    case = server.get(f"/api/cases/{case_of(page)}")
    assert len(case["photographs"]) == 2
    assert value.inner_text() == percentage(case["computed"]["parasitaemia"]["value"])
    red, infected = case["computed"]["counts"]["red_cells"], case["computed"]["counts"]["infected"]
    assert page.get_by_text(f"{infected} of {red}", exact=True).is_visible() and infected > 0
    page.wait_for_load_state("networkidle")
    picture(page, "case")


def test_files_that_are_dropped_become_a_case(page, server, photographs):
    cell = CELLS[0]
    files = [(path.name, path.read_bytes()) for path in photographs]
    drop(page, [*files, (cell.name, cell.read_bytes()), (HOSTILE, cell.read_bytes()), ("broken.jpg", b"no image")])
    page.wait_for_selector(".upload-panel li")
    # Every file is there at once.
    assert page.locator(".uploads li").count() == 5
    picture(page, "uploading")
    wait_until_counted(page, 5)
    case = server.get(f"/api/cases/{case_of(page)}")
    assert (len(case["photographs"]), len(case["single_cells"]), len(case["refused"])) == (2, 2, 1)
    assert page.get_by_role("heading", level=1).inner_text() == case["name"] == "field 1"
    assert page.locator(".refused li").last.inner_text().startswith("broken.jpg: expected a PNG")
    # The name of a file is text, wherever it is shown.
    assert page.locator(".cells .name", has_text=HOSTILE).count() == 1
    assert page.locator("img[src='x']").count() == 0
    picture(page, "case-with-cells", full_page=True)


def test_dropping_on_a_case_adds_to_it(open_page, server):
    case = server.post("/api/cases", {"name": "Empty"})["id"]
    page = open_page(f"/#/cases/{case}")
    picture(page, "case-empty")
    drop(page, [(path.name, path.read_bytes()) for path in CELLS])
    wait_until_counted(page, len(CELLS))
    assert len(server.get(f"/api/cases/{case}")["single_cells"]) == len(CELLS)
    assert page.locator(".cells li").count() == len(CELLS)


def test_a_folder_gives_its_name_and_only_its_images(page, server, photographs):
    page.locator('[data-picks="folder"]').set_input_files(photographs[0].parent)
    wait_until_counted(page, len(photographs))
    assert page.get_by_text("1 other file in the folder was left out.").is_visible()
    assert page.get_by_role("heading", level=1).inner_text() == photographs[0].parent.name


def test_saliency_is_drawn_on_demand(page):
    page.locator('[data-picks="files"]').set_input_files(CELLS)
    wait_until_counted(page, len(CELLS))
    first = page.locator(".cells li").first
    assert first.locator(".class").inner_text() == "Parasitized"
    first.get_by_role("button", name=re.compile("Saliency map")).click()
    page.wait_for_function("() => { const image = document.querySelector('.cells img'); return image.src.endsWith('saliency') && image.complete && image.naturalWidth > 0 }")
    picture(page, "saliency")
    first.get_by_role("button", name=re.compile("Saliency map")).click()
    assert first.locator("img").get_attribute("src").endswith("/file")


def test_the_threshold_counts_live_and_is_stored(open_page, server):
    case = server.new_example()
    page = open_page(f"/#/cases/{case}")
    slider = page.get_by_label("Threshold")
    model = server.get(f"/api/cases/{case}")["model_threshold"]
    box = slider.bounding_box()
    page.mouse.move(box["x"] + box["width"] * (model - 0.01) / 0.98, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.12, box["y"] + box["height"] / 2, steps=8)
    page.wait_for_timeout(500)
    threshold = float(page.locator(".threshold output").inner_text())
    expected = server.get(f"/api/cases/{case}/count?threshold={threshold}")["counts"]
    assert server.get(f"/api/cases/{case}")["threshold_is_own"] is False
    assert expected["infected"] > server.get(f"/api/cases/{case}")["computed"]["counts"]["infected"]
    page.get_by_text(f"{expected['infected']} of {expected['red_cells']}", exact=True).wait_for()
    page.mouse.up()
    page.wait_for_timeout(500)
    assert abs(server.get(f"/api/cases/{case}")["threshold"] - threshold) < 1e-6
    picture(page, "threshold")
    page.get_by_role("button", name=re.compile("Reset to the model")).click()
    page.wait_for_timeout(500)
    assert server.get(f"/api/cases/{case}")["threshold_is_own"] is False
    assert page.locator(".threshold output").inner_text() == f"{model:.3f}"


def test_results_are_downloaded(open_page, server):
    case = server.new_example("Slide")
    photos = {photo["image"]: photo for photo in server.get(f"/api/cases/{case}")["photographs"]}

    def is_whole(each):
        photo = photos[each["image"]]
        return min(each["x"], each["y"], photo["width"] - each["x"] - each["width"], photo["height"] - each["y"] - each["height"]) > 5

    first = next(each for each in server.get(f"/api/cases/{case}/review?limit=50")["objects"] if is_whole(each))
    verdict = {"image": first["image"], "number": first["number"], "verdict": "parasitized", "reviewer": "Ada"}
    server.post(f"/api/cases/{case}/verdicts", verdict)
    page = open_page(f"/#/cases/{case}")

    def download(name, role="link"):
        page.locator(".menu summary").click()
        picture(page, "downloads")
        with page.expect_download() as download:
            page.get_by_role(role, name=name).click()
        page.keyboard.press("Escape")
        assert page.locator(".menu[open]").count() == 0
        return download.value.path().read_bytes()

    rows = list(csv.DictReader(io.StringIO(download("All cells (CSV)").decode())))
    objects = [each for photo in server.get(f"/api/cases/{case}")["photographs"]
               for each in server.get(f"/api/cases/{case}/objects?image={photo['image']}")["objects"]]
    assert len(rows) == len(objects)
    assert [row["reviewer"] for row in rows if row["verdict"] == "parasitized"] == ["Ada"]
    names = zipfile.ZipFile(io.BytesIO(download("Reviewed cells for training (ZIP)", "button"))).namelist()
    assert len([name for name in names if name.startswith("Parasitized/") and name.endswith(".png")]) == 1
    assert len(json.loads(download("Boxes (COCO JSON)"))["annotations"]) == len(objects)


def test_the_report_opens_in_a_tab_of_its_own(open_page, server):
    case = server.new_example("Slide")
    page = open_page(f"/#/cases/{case}")
    page.locator(".menu summary").click()
    with page.context.expect_page() as report:
        page.get_by_role("link", name="Report (HTML page)").click()
    assert "For research use only" in report.value.inner_text("body")


def test_a_case_without_reviewed_cells_has_no_images_for_training(open_page, server):
    case = server.new_example("Slide")
    edge = [each for each in server.get(f"/api/cases/{case}/objects?image=" + str(server.get(f"/api/cases/{case}")["photographs"][0]["image"]))["objects"]
            if not each["counted"]][0]
    page = open_page(f"/#/cases/{case}", expected_errors=["409"])
    page.locator(".menu summary").click()
    button = page.get_by_role("button", name="Reviewed cells for training (ZIP)")
    assert not button.is_visible()
    # A cell at the edge of a photograph is not whole.
    verdict = {"image": edge["image"], "number": edge["number"], "verdict": "uninfected", "reviewer": "Ada"}
    server.post(f"/api/cases/{case}/verdicts", verdict)
    page.reload()
    page.locator(".menu summary").click()
    button.click()
    page.get_by_text("no whole cell has a verdict").wait_for()


def test_cases_are_renamed_and_deleted(page, server):
    name = "Slide <b>7</b>"
    case = server.post("/api/cases", {"name": "Old name"})["id"]
    page.reload()
    item = page.locator(".cases li", has_text="Old name")
    item.get_by_role("button", name="Rename Old name").click()
    page.get_by_label("Name", exact=True).fill(name)
    picture(page, "rename")
    page.get_by_role("dialog").get_by_role("button", name="Rename").click()
    page.get_by_role("link", name=name, exact=True).wait_for()
    page.get_by_role("button", name=f"Delete {name}").click()
    picture(page, "delete")
    page.get_by_role("button", name="Cancel").click()
    assert case in [each["id"] for each in server.get("/api/cases")["cases"]]
    page.get_by_role("button", name=f"Delete {name}").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.get_by_role("link", name=name, exact=True).wait_for(state="detached")
    assert case not in [each["id"] for each in server.get("/api/cases")["cases"]]


def test_a_busy_server_is_asked_again(open_page):
    page = open_page(expected_errors=["503"])
    answers = []

    def busy_twice(route):
        answers.append(route.request.url)
        if len(answers) > 2:
            return route.continue_()
        route.fulfill(status=503, headers={"Retry-After": "1"}, content_type="application/problem+json",
                      body='{"title": "The server is busy", "status": 503}')

    page.route("**/images?*", busy_twice)
    page.locator('[data-picks="files"]').set_input_files(CELLS[:1])
    page.get_by_text("the server is busy, waiting").wait_for()
    wait_until_counted(page, 1)
    assert len(answers) == 3
