// A case: its count, its images, and what to do next.

import { getCase, recount, urls } from "./api.js";
import { cellGrid } from "./cells.js";
import { countPanel } from "./count.js";
import { showMessage } from "./dialogs.js";
import { pickers, receiveDrops } from "./drop.js";
import { button, element, fill, show } from "./elements.js";
import { grouped } from "./format.js";
import { photographList, refusedList } from "./photographs.js";
import { removeCase, rename } from "./start.js";
import { texts } from "./texts.js";
import { onUploads, upload, uploadPanel, uploadsOf } from "./uploads.js";

/** The case is read again at most this often while files arrive. */
const REFRESH_MS = 300;

/** Shows a case. */
export async function showCase([id], signal) {
  let record = await getCase(id, signal);
  const receive = (picked) => addFiles(id, picked);
  receiveDrops(receive, signal);
  const parts = [countPanel(refresh, signal), refusedList(refresh), photographList(refresh), cellGrid(refresh)];
  const [count, refused, photographs, cells] = parts;
  const title = element("h1");
  const stale = element("div", { class: "notice" }, element("p", {}, texts.stale.text),
    button(texts.stale.recount, (event) => countAgain(id, event.currentTarget, refresh)));
  const empty = element("p", { class: "empty" }, texts.case.empty);
  const actions = element("div", { class: "actions" });
  async function refresh() {
    record = await getCase(id, signal);
    update();
  }
  function update() {
    title.textContent = record.name;
    show(stale, record.is_stale);
    show(empty, record.images + record.refused.length + uploadsOf(id).length === 0);
    drawActions(actions, record);
    for (const part of parts) part.update(record);
  }
  onUploads(id, refreshSometimes(refresh), signal);
  const head = element("div", { class: "title" }, element("a", { href: "#/", class: "up" }, texts.nav.all), title,
    button(texts.rename, async () => (await rename(record)) && update(), { class: "quiet", "aria-label": texts.case.rename }),
    button(texts.remove, () => removeCase(record, () => (location.hash = "#/")), { class: "quiet delete", "aria-label": texts.case.remove }));
  const add = element("div", { class: "add actions" }, pickers(receive, { class: "" }), element("span", { class: "faint" }, texts.case.dropHint));
  update();
  return element("div", { class: "case" }, head, stale, uploadPanel(id, signal), count.node, actions, empty, refused.node,
    photographs.node, cells.node, add);
}

function addFiles(id, { files, leftOut }) {
  if (files.length === 0) return showMessage(texts.drop.noImages);
  upload(id, files);
  if (leftOut) showMessage(texts.drop.leftOut(leftOut));
}

/** Returns a listener to uploads that refreshes after each added image, but not all the time. */
function refreshSometimes(refresh) {
  let timer = 0;
  return (event) => {
    if (!event.detail || timer) return;
    timer = setTimeout(() => {
      timer = 0;
      refresh().catch((error) => error.name === "AbortError" || showMessage(error.message));
    }, REFRESH_MS);
  };
}

async function countAgain(id, pressed, refresh) {
  pressed.disabled = true;
  fill(pressed, texts.stale.recounting);
  try {
    await recount(id);
    await refresh();
  } catch (error) {
    showMessage(error.message);
  }
  pressed.disabled = false;
  fill(pressed, texts.stale.recount);
}

/** Draws the link to the review and the downloads, once there is something to review. */
function drawActions(actions, record) {
  const { id, current } = record;
  const hasImages = record.images > 0;
  show(actions, hasImages);
  if (!hasImages || actions.children.length > 0) {
    const link = actions.querySelector(".review");
    if (link) link.textContent = reviewLabel(current);
    return;
  }
  const links = [
    [urls.report(id), texts.downloads.report, { target: "_blank", rel: "noopener" }],
    [urls.cells(id), texts.downloads.cells, { download: true }],
    [urls.coco(id), texts.downloads.coco, { download: true }],
    [urls.training(id), texts.downloads.training, { download: true }],
  ];
  const items = links.map(([href, label, how]) => element("li", {}, element("a", { href, ...how }, label)));
  fill(actions, element("a", { href: `#/cases/${id}/review`, class: "primary review" }, reviewLabel(current)),
    element("details", { class: "menu" }, element("summary", {}, texts.downloads.title), element("ul", {}, items)));
}

function reviewLabel(count) {
  return count.reviewed ? texts.case.continueReview(grouped(count.reviewed)) : texts.case.review;
}
