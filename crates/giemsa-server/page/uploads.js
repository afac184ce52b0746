// Files on their way to the server: two at a time, for all cases together. They continue when another view is shown.

import { addImage } from "./api.js";
import { announce, button, element, show, updateList } from "./elements.js";
import { texts } from "./texts.js";

const AT_ONCE = 2;

/** The uploads of each case: `{ key, file, kind, url, state, reason }`. The states are waiting, working, busy, done,
 * refused, and failed if the server was not reached. */
const uploads = new Map();
const changes = new EventTarget();
let working = 0;
let keys = 0;

/** Adds files to a case. */
export function upload(id, files, kind = "auto") {
  const items = files.map((file) => ({ key: (keys += 1), file, kind, url: URL.createObjectURL(file), state: "waiting" }));
  // What is done is shown with the results, so a new batch begins with an empty list.
  const earlier = isBusy(id) ? uploadsOf(id) : [];
  uploads.set(id, [...earlier, ...items]);
  changed(id);
  startNext();
}

/** Returns the uploads of a case. */
export function uploadsOf(id) {
  return uploads.get(id) ?? [];
}

/** Returns whether files are waiting or on their way: to a case, or to any. */
export function hasUploads() {
  return [...uploads.keys()].some(isBusy);
}

function isBusy(id) {
  return uploadsOf(id).some((item) => ["waiting", "working", "busy"].includes(item.state));
}

/** Calls a function when an upload of a case changes. `event.detail` is whether an image was added. */
export function onUploads(id, listener, signal) {
  changes.addEventListener(String(id), listener, { signal });
}

function changed(id, isAdded = false) {
  changes.dispatchEvent(new CustomEvent(String(id), { detail: isAdded }));
}

function startNext() {
  for (const [id, items] of uploads) {
    for (const item of items.filter((candidate) => candidate.state === "waiting")) {
      if (working >= AT_ONCE) return;
      send(id, item);
    }
  }
}

async function send(id, item) {
  working += 1;
  enter(id, item, "working");
  try {
    const { images } = await addImage(id, item.file, item.kind, () => enter(id, item, "busy"));
    const refused = images.find((image) => image.status === "refused");
    enter(id, item, refused ? "refused" : "done", refused?.error);
  } catch (error) {
    enter(id, item, error.isOffline ? "failed" : "refused", error.message);
  }
  working -= 1;
  startNext();
}

function enter(id, item, state, reason) {
  Object.assign(item, { state, reason });
  changed(id, state === "done" || state === "refused");
}

function retry(id, items) {
  for (const item of items) item.state = "waiting";
  changed(id);
  startNext();
}

/** Forgets the uploads of a case, except those on their way. */
function dismiss(id) {
  for (const item of uploadsOf(id)) URL.revokeObjectURL(item.url);
  uploads.delete(id);
  changed(id);
}

/** Creates the list of the uploads of a case, which is hidden while there are none. */
export function uploadPanel(id, signal) {
  const progress = element("progress", { "aria-label": texts.uploads.progress });
  const summary = element("p", { class: "progress" });
  const list = element("ul", { class: "uploads" });
  const again = button(texts.uploads.retry, () => retry(id, uploadsOf(id).filter((item) => item.state === "failed")), { class: "primary" });
  const hide = button(texts.uploads.hide, () => dismiss(id));
  const panel = element("section", { class: "upload-panel", "aria-label": texts.uploads.title },
    element("div", { class: "bar" }, summary, again, hide), progress, list);
  function update() {
    const items = uploadsOf(id);
    const finished = items.filter((item) => ["done", "refused"].includes(item.state)).length;
    const failed = items.filter((item) => item.state === "failed").length;
    const text = texts.uploads.summary(finished, items.length, items.filter((item) => item.state === "refused").length, failed);
    if (summary.textContent !== text && items.length) announce(text);
    summary.textContent = text;
    [progress.max, progress.value] = [items.length || 1, finished];
    show(panel, items.length > 0);
    show(progress, finished < items.length);
    show(again, failed > 0);
    show(hide, items.length > 0 && !isBusy(id));
    updateList(list, items, (item) => item.key, tile, updateTile);
  }
  onUploads(id, update, signal);
  update();
  return panel;
}

function tile(item) {
  const picture = element("img", { src: item.url, alt: "", decoding: "async", loading: "lazy" });
  // Browsers do not show TIFF files.
  picture.addEventListener("error", () => picture.remove());
  return element("li", {}, element("span", { class: "thumbnail" }, picture),
    element("span", { class: "name" }, item.file.name), element("span", { class: "state" }));
}

function updateTile(item, node) {
  node.className = item.state;
  const state = texts.uploads.states[item.state];
  node.querySelector(".state").textContent = item.reason ? `${state}: ${item.reason}` : state;
}
