// A photograph: its boxes in a viewer, its cells as a sheet beside it, and verdicts on the selected one.

import { getCase, objectsOf, RequestError, urls } from "./api.js";
import { kindOf, LOOKS, withVerdict } from "./boxes.js";
import { showMessage } from "./dialogs.js";
import { receiveDrops } from "./drop.js";
import { announce, button, element, fill, isTyping } from "./elements.js";
import { grouped, plural } from "./format.js";
import { createSelection } from "./selection.js";
import { createSheet } from "./sheet.js";
import { texts } from "./texts.js";
import { upload } from "./uploads.js";
import { reviewerName, submit, undo, unstoredAlert } from "./verdicts.js";
import { createViewer } from "./viewer.js";

/** Shows a photograph of a case. */
export async function showPhotograph([id, image], signal) {
  const [record, { objects: found }] = await Promise.all([getCase(id, signal), objectsOf(id, image, signal)]);
  const place = record.photographs.findIndex((each) => each.image === image);
  const photo = record.photographs[place];
  if (!photo) throw new RequestError(texts.errors.missingPhotograph, 404);
  receiveDrops(({ files }) => files.length && (upload(id, files), (location.hash = `#/cases/${id}`)), signal);

  let objects = found;
  let selected = null;
  const counts = element("p", { class: "counts", role: "status" });
  const viewer = createViewer({ source: urls.image(image), width: photo.width, height: photo.height, alt: "" },
    (object) => select(object?.number ?? null, { isCentred: false }), signal);
  const sheet = createSheet(viewer.picture, record.threshold, (number) => select(number, { isCentred: true }));
  const selection = createSelection(viewer.picture, give, takeBack, signal);

  function select(number, how) {
    selected = number;
    viewer.select(number, how);
    sheet.select(number);
    const object = objects.find((each) => each.number === number) ?? null;
    selection.show(object);
    if (object) announce(texts.photograph.selected(number, texts.kinds[kindOf(object)]));
  }
  function replace(changed) {
    objects = objects.map((each) => (each.number === changed.number ? changed : each));
    update();
  }
  function update() {
    viewer.setObjects(objects);
    sheet.update(objects);
    selection.show(objects.find((each) => each.number === selected) ?? null);
    const red = objects.filter((each) => each.counted && each.kind === "red_cell");
    const atEdge = objects.filter((each) => !each.counted && each.kind === "red_cell").length;
    const infected = red.filter((each) => each.class === "Parasitized").length;
    fill(counts, element("b", {}, `${grouped(infected)} ${texts.photographs.infected}`), ` ${texts.of} ${plural(red.length, "red cell")}`,
      atEdge > 0 && element("span", { class: "faint" }, ` · ${texts.photograph.atEdge(atEdge)}`));
  }
  async function give(verdict) {
    const object = objects.find((each) => each.number === selected);
    const reviewer = object && (await reviewerName());
    if (!reviewer) return;
    submit(id, object, verdict, reviewer);
    replace(withVerdict(object, verdict));
    announce(texts.photograph.reviewed(texts.verdicts[verdict]));
  }
  async function takeBack() {
    const reviewer = await reviewerName();
    if (!reviewer) return;
    try {
      const { undone } = await undo(id, reviewer);
      if (undone.image !== image) return void (location.hash = `#/cases/${id}/photo/${undone.image}`);
      objects = (await objectsOf(id, image, signal)).objects;
      update();
      select(undone.number, { isCentred: true });
      announce(texts.review.undone);
    } catch (error) {
      if (error.name !== "AbortError") showMessage(error.status === 409 ? texts.review.nothingToUndo : error.message);
    }
  }
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !isTyping(event)) select(null);
  }, { signal });

  update();
  const warnings = element("ul", { class: "warnings" }, photo.warnings.map((warning) => element("li", {}, warning.message)));
  return element("div", { class: "photograph-view" },
    headOf(record, place), unstoredAlert(signal),
    element("div", { class: "facts" }, counts, warnings),
    element("div", { class: "split" },
      element("div", { class: "photo-pane" }, viewer.node, legend(found, viewer)),
      element("div", { class: "cell-pane" }, selection.node, sheet.node)));
}

function headOf(record, place) {
  const { id, photographs } = record;
  const step = (to, label, sign) => photographs[to]
    && element("a", { href: `#/cases/${id}/photo/${photographs[to].image}`, class: "step", "aria-label": label, title: label }, sign);
  return element("div", { class: "title" }, element("a", { href: `#/cases/${id}`, class: "up" }, record.name),
    element("h1", {}, photographs[place].name),
    element("nav", { class: "steps", "aria-label": texts.photograph.steps }, step(place - 1, texts.photograph.previous, "←"),
      element("span", { class: "faint" }, `${place + 1} ${texts.of} ${photographs.length}`), step(place + 1, texts.photograph.next, "→")));
}

/** Creates the legend, whose entries show and hide the boxes of a kind. */
function legend(objects, viewer) {
  const hidden = new Set();
  const entries = Object.keys(LOOKS).map((kind) => {
    const count = objects.filter((object) => kindOf(object) === kind).length;
    const input = element("input", { type: "checkbox", checked: true, onchange: () => {
      if (input.checked) hidden.delete(kind);
      else hidden.add(kind);
      viewer.setHidden(hidden);
    } });
    return element("label", { class: "switch" }, input, swatch(LOOKS[kind]), `${texts.kinds[kind]} (${grouped(count)})`);
  });
  return element("fieldset", { class: "legend" }, element("legend", {}, texts.photograph.boxes), entries,
    element("p", { class: "faint" }, texts.photograph.struckOut));
}

/** Draws a box of the legend. */
function swatch({ colour, width, dashes }) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const box = document.createElementNS(space, "rect");
  for (const [name, value] of Object.entries({ viewBox: "0 0 42 28", "aria-hidden": "true" })) svg.setAttribute(name, value);
  const looks = { x: 5, y: 5, width: 32, height: 18, fill: "none", stroke: colour, "stroke-width": width * 1.2, "stroke-dasharray": dashes.join(" ") || "none" };
  for (const [name, value] of Object.entries(looks)) box.setAttribute(name, value);
  svg.append(box);
  return svg;
}
