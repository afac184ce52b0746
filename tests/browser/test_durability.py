"""Nothing is lost by a reload, or when the server is killed."""

from conftest import CELLS, picture
from server import Server


def test_a_reload_and_a_kill_lose_nothing(open_page, browser, tmp_path):
    server = Server(tmp_path)
    case = server.new_example("Durable")
    context = browser.new_context(base_url=server.address)
    context.add_init_script("localStorage.setItem('giemsa.reviewer', 'Ada')")
    page = context.new_page()
    page.goto(f"/#/cases/{case}")
    page.locator('[data-picks="files"]').set_input_files(CELLS)
    page.locator(".upload-panel .progress", has_text=f"{len(CELLS)} of {len(CELLS)} counted").wait_for()
    page.goto(f"/#/cases/{case}/review")
    page.wait_for_selector(".holder img")
    for key in "puuds":
        page.keyboard.press(key)
        page.wait_for_timeout(50)
    page.wait_for_timeout(800)
    page.reload()
    page.wait_for_selector(".holder img")
    progress = page.locator(".review-progress p").inner_text()
    assert progress.startswith("4 reviewed")
    before = server.get(f"/api/cases/{case}"), server.get(f"/api/cases/{case}/verdicts")

    # While the server is away, a key is not lost: it is stored when the server is there again.
    server.kill()
    page.keyboard.press("p")
    page.get_by_text("1 verdict not stored").wait_for()
    picture(page, "server-away")
    server.start()
    assert (server.get(f"/api/cases/{case}"), server.get(f"/api/cases/{case}/verdicts")) == before
    page.get_by_role("button", name="Store again").click()
    page.get_by_text("1 verdict not stored").wait_for(state="hidden")
    page.reload()
    page.wait_for_selector(".holder img")
    assert page.locator(".review-progress p").inner_text().startswith("5 reviewed")
    context.close()
    server.stop()


def test_a_server_that_is_away_is_a_message_with_a_button(open_page, server, tmp_path):
    page = open_page(expected_errors=["Failed to load resource"])
    page.route("**/api/**", lambda route: route.abort())
    page.locator('[data-picks="files"]').set_input_files(CELLS[:1])
    page.get_by_text("The server cannot be reached").wait_for()
    picture(page, "offline")
    page.unroute("**/api/**")
    page.route("**/images?*", lambda route: route.abort())
    page.locator('[data-picks="files"]').set_input_files(CELLS[:1])
    page.get_by_role("button", name="Try again").wait_for()
    picture(page, "not-sent")
    page.unroute("**/images?*")
    page.get_by_role("button", name="Try again").click()
    page.locator(".upload-panel .progress", has_text="1 of 1 counted").wait_for()
