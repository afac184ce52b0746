// The cells of a photograph as a sheet of pictures, which are cut from the photograph in the browser.

import { kindOf } from "./boxes.js";
import { button, element, fill, show, updateList } from "./elements.js";
import { grouped, probability } from "./format.js";
import { texts } from "./texts.js";

/** The number of cells that are shown at first, and added by each press of the button. */
const AT_ONCE = 60;
/** Doubtful cells are at most this many. */
const MOST_DOUBTFUL = 60;
/** A picture shows its object with a margin of this fraction of its size. */
const MARGIN = 0.25;

const logit = (value) => Math.log(Math.max(value, 1e-9) / Math.max(1 - value, 1e-9));
const isRed = (object) => object.probability_parasitized !== null && object.counted;
const byProbability = (one, other) => other.probability_parasitized - one.probability_parasitized;

/** What the sheet can show, each in its order. */
const FILTERS = {
  infected: (objects) => objects.filter((each) => kindOf(each) === "infected").sort(byProbability),
  doubtful: (objects, threshold) => {
    const doubt = (object) => Math.abs(logit(object.probability_parasitized) - logit(threshold));
    return objects.filter((each) => isRed(each) && each.verdict === null).sort((one, other) => doubt(one) - doubt(other)).slice(0, MOST_DOUBTFUL);
  },
  red: (objects) => objects.filter((each) => each.kind === "red_cell").sort(byProbability),
  other: (objects) => objects.filter((each) => each.kind !== "red_cell"),
};

/** Creates the sheet. `chosen(number)` is called for a cell that is pressed. Returns the node, `update` and `select`. */
export function createSheet(picture, threshold, chosen) {
  const list = element("ul", { class: "sheet" });
  const none = element("p", { class: "faint" }, texts.photograph.none);
  const more = button("", () => ((limit += AT_ONCE), draw()));
  const options = Object.keys(FILTERS).map((name) => element("option", { value: name }, texts.photograph.filters[name]));
  const filter = element("select", { id: "sheet-filter", onchange: () => ((limit = AT_ONCE), list.replaceChildren(), choose()) }, options);
  const node = element("section", { "aria-label": texts.photograph.sheet }, element("p", { class: "filter" },
    element("label", { for: "sheet-filter" }, texts.photograph.sheetOf), filter), none, list, more);
  let [objects, numbers, limit, selected] = [[], [], AT_ONCE, null];

  /** Chooses the cells. They stay the same while verdicts are given, so that nothing moves under the pointer. */
  function choose() {
    numbers = FILTERS[filter.value](objects, threshold).map((object) => object.number);
    draw();
  }
  function draw() {
    const byNumber = new Map(objects.map((object) => [object.number, object]));
    const shown = numbers.slice(0, limit).map((number) => byNumber.get(number)).filter(Boolean);
    updateList(list, shown, (object) => object.number, (object) => item(picture, object, chosen), updateItem);
    for (const each of list.children) each.firstChild.setAttribute("aria-pressed", String(Number(each.dataset.key) === selected));
    show(none, shown.length === 0);
    show(more, numbers.length > limit);
    fill(more, texts.photograph.more(grouped(numbers.length - limit)));
  }
  function update(next) {
    const isFirst = objects.length === 0;
    objects = next;
    if (isFirst) choose();
    else draw();
  }
  function select(number) {
    selected = number;
    draw();
    const found = list.querySelector('[aria-pressed="true"]');
    if (found && found !== document.activeElement) scrollTo(list, found);
  }
  return { node, update, select };
}

/** Scrolls a cell of the sheet into sight, without moving the page. */
function scrollTo(list, found) {
  const [room, place] = [list.getBoundingClientRect(), found.getBoundingClientRect()];
  if (place.top < room.top || place.bottom > room.bottom) list.scrollTop += place.top - room.top - room.height / 3;
}

function item(picture, object, chosen) {
  const canvas = element("canvas", { width: 112, height: 112, "aria-hidden": "true" });
  drawObject(canvas, picture, object);
  return element("li", {}, button([canvas, element("span", { class: "value" })], () => chosen(object.number)));
}

function updateItem(object, node) {
  const kind = kindOf(object);
  const value = probability(object.probability_parasitized);
  const notes = [!object.counted && texts.photograph.notCounted, object.verdict && texts.verdicts[object.verdict]].filter(Boolean);
  node.className = object.counted ? kind : `${kind} uncounted`;
  node.firstChild.setAttribute("aria-label", [texts.photograph.item(object.number, texts.kinds[kind], value), ...notes].join(", "));
  node.querySelector(".value").textContent = object.verdict ? `${value} ✓` : value;
}

/** Draws an object of a photograph with some margin, as a square, when the photograph is there. */
export async function drawObject(canvas, picture, object) {
  try {
    await picture.decode();
  } catch {
    return; // The photograph was replaced, or cannot be shown: the texts remain.
  }
  const side = (1 + 2 * MARGIN) * Math.max(object.width, object.height);
  const [left, top] = [object.x + (object.width - side) / 2, object.y + (object.height - side) / 2];
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, left, top, side, side, 0, 0, canvas.width, canvas.height);
}
