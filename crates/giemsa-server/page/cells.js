// The single cells of a case as a grid: class, probability, verdict, and the saliency map of a cell on demand.

import { urls } from "./api.js";
import { button, element, fill, show, updateList } from "./elements.js";
import { grouped, probability } from "./format.js";
import { removeImage } from "./photographs.js";
import { texts } from "./texts.js";

/** The number of cells that are shown at first, and added by each press of the button. */
const AT_ONCE = 240;

/** Creates the grid. `changed` is called after a cell is deleted. Returns the node, and `update(record)`. */
export function cellGrid(changed) {
  const list = element("ul", { class: "cells" });
  const heading = element("h2", { id: "cells-title", tabindex: "-1" });
  const more = button("", () => ((limit += AT_ONCE), update(record)));
  const node = element("section", { "aria-labelledby": "cells-title" }, heading, list, more);
  let limit = AT_ONCE;
  let record;
  function update(next) {
    record = next;
    const cells = byProbability(record.single_cells);
    show(node, cells.length > 0);
    heading.textContent = texts.cells.title(grouped(cells.length));
    const remove = (cell) => removeImage(record.id, cell, async () => (await changed(), heading.focus()));
    updateList(list, cells.slice(0, limit), (cell) => cell.image, (cell) => item(cell, remove), updateItem);
    show(more, cells.length > limit);
    fill(more, texts.cells.more(grouped(cells.length - limit)));
  }
  return { node, update };
}

/** Sorts cells: the most probable infected ones first, then those that are no cells. */
function byProbability(cells) {
  const rank = (cell) => (cell.class === null ? -1 : cell.probability_parasitized);
  return [...cells].sort((one, other) => rank(other) - rank(one));
}

function item(cell, remove) {
  const picture = element("img", { src: urls.image(cell.image), alt: "", loading: "lazy", decoding: "async" });
  const saliency = button(texts.cells.saliency, () => toggleSaliency(cell, picture, saliency), { class: "quiet",
    "aria-pressed": "false", "aria-label": texts.named(texts.cells.saliency, cell.name) });
  return element("li", {},
    element("div", { class: "cell" }, picture),
    element("p", { class: "class" }), element("p", { class: "faint detail" }),
    element("p", { class: "name faint" }, cell.name),
    element("div", { class: "actions" }, saliency,
      button(texts.remove, () => remove(cell), { class: "quiet delete", "aria-label": texts.named(texts.remove, cell.name) })));
}

function updateItem(cell, node) {
  const name = cell.class === null ? texts.classes.none : texts.classes[cell.class];
  node.className = cell.class === null ? "not-a-cell" : cell.class.toLowerCase();
  node.querySelector(".class").textContent = cell.verdict ? `${name} ✓` : name;
  const computed = cell.class === null && !cell.verdict ? texts.cells.cellProbability(probability(cell.cell))
    : texts.cells.probability(probability(cell.probability_parasitized));
  const reviewed = cell.verdict ? ` · ${texts.cells.reviewed(texts.verdicts[cell.verdict].toLowerCase())}` : "";
  node.querySelector(".detail").textContent = computed + reviewed;
}

/** Changes between the picture of a cell and its saliency map. */
function toggleSaliency(cell, picture, pressed) {
  const isOn = pressed.getAttribute("aria-pressed") === "true";
  pressed.setAttribute("aria-pressed", String(!isOn));
  picture.src = isOn ? urls.image(cell.image) : urls.saliency(cell.image, 1);
  picture.alt = isOn ? "" : texts.cells.saliencyOf(cell.name);
}
