// Boxes around the objects of a photograph, in the colours and line styles of the reports.

/** The kinds of boxes in the order of the legend: colour, width as a multiple of the thinnest line, and dashes. The line styles
 * distinguish all of them without colours. */
export const LOOKS = {
  infected: { colour: "#d55e00", width: 3, dashes: [] },
  uninfected: { colour: "#0072b2", width: 1, dashes: [] },
  cluster: { colour: "#009e73", width: 2, dashes: [10, 5] },
  white_cell: { colour: "#000000", width: 2, dashes: [12, 4, 2, 4] },
  platelet: { colour: "#cc79a7", width: 2, dashes: [3, 3] },
  artefact: { colour: "#5a5a5a", width: 1, dashes: [2, 5] },
};

/** Lines are not thicker than this many pixels of the screen, however far the photograph is enlarged. */
const THICKEST_UNIT = 2;
/** Objects have numbers from this size on the screen. */
const NUMBERED_PX = 26;

/** Returns the kind of box of an object. */
export function kindOf(object) {
  if (object.kind !== "red_cell") return object.kind;
  return object.class === "Parasitized" ? "infected" : "uninfected";
}

/** Returns the object as it is with a verdict on it. */
export function withVerdict(object, verdict) {
  const computed = object.computed ?? { kind: object.kind, class: object.class };
  const changes = {
    parasitized: { kind: "red_cell", class: "Parasitized" },
    uninfected: { kind: "red_cell", class: "Uninfected" },
    not_a_cell: { kind: "artefact", class: null },
  };
  return { ...object, ...(changes[verdict] ?? computed), computed, verdict };
}

/** Draws boxes. `view` is `{ scale, x, y }` from the pixels of the photograph to those of the screen, `size` that of the screen.
 * `selected` is a number, and `flash` how strongly it is marked, from 0 to 1. */
export function drawBoxes(context, objects, view, size, { hidden, selected, flash }) {
  const visible = objects.filter((object) => isOn(object, view, size) && (!hidden.has(kindOf(object)) || object.number === selected));
  const unit = Math.min(Math.max(view.scale * 1.6, 0.9), THICKEST_UNIT);
  // Infected cells last, on top of the others.
  for (const kind of Object.keys(LOOKS).reverse()) {
    const ofKind = visible.filter((object) => kindOf(object) === kind);
    if (ofKind.length > 0) drawKind(context, ofKind, LOOKS[kind], view, unit);
    if (kind === "infected") drawNumbers(context, ofKind, view);
  }
  const marked = visible.find((object) => object.number === selected);
  if (marked) drawSelection(context, placeOf(marked, view), flash);
}

/** Returns the box of an object on the screen. */
function placeOf(object, { scale, x, y }) {
  return [x + object.x * scale, y + object.y * scale, object.width * scale, object.height * scale];
}

function isOn(object, view, [width, height]) {
  const [left, top, across, down] = placeOf(object, view);
  return left + across > 0 && top + down > 0 && left < width && top < height;
}

function drawKind(context, objects, look, view, unit) {
  const path = new Path2D();
  const width = look.width * unit;
  for (const object of objects) {
    const [left, top, across, down] = placeOf(object, view);
    // The line is outside of the box, so that it covers no parasite.
    path.rect(left - width / 2, top - width / 2, across + width, down + width);
    if (!object.counted) {
      path.moveTo(left, top + down);
      path.lineTo(left + across, top);
    }
    if (object.verdict) {
      // A reviewed object has a mark in its upper right corner.
      path.moveTo(left + across - 9, top + 5);
      path.lineTo(left + across - 6, top + 8);
      path.lineTo(left + across - 1, top + 1);
    }
  }
  context.setLineDash(look.dashes.map((dash) => dash * unit));
  for (const [colour, lineWidth] of [["#ffffff", width + 1.5], [look.colour, width]]) {
    context.strokeStyle = colour;
    context.lineWidth = lineWidth;
    context.stroke(path);
  }
  context.setLineDash([]);
}

function drawNumbers(context, objects, view) {
  context.font = "600 12px system-ui, sans-serif";
  context.textBaseline = "bottom";
  for (const object of objects) {
    const [left, top, across] = placeOf(object, view);
    if (across < NUMBERED_PX) continue;
    const text = String(object.number);
    context.fillStyle = LOOKS.infected.colour;
    context.fillRect(left - 3, top - 20, context.measureText(text).width + 8, 17);
    context.fillStyle = "#ffffff";
    context.fillText(text, left + 1, top - 4);
  }
}

function drawSelection(context, [left, top, width, height], flash) {
  const gap = 6 + 10 * flash;
  const frame = [left - gap, top - gap, width + 2 * gap, height + 2 * gap];
  for (const [colour, lineWidth] of [["#000000", 7], ["#ffe600", 4]]) {
    context.strokeStyle = colour;
    context.lineWidth = lineWidth + 4 * flash;
    context.strokeRect(...frame);
  }
}

/** Returns the smallest object at a place of the photograph. */
export function objectAt(objects, x, y, hidden) {
  const there = objects.filter((object) => !hidden.has(kindOf(object)) && x >= object.x && y >= object.y
    && x <= object.x + object.width && y <= object.y + object.height);
  return there.sort((one, other) => one.width * one.height - other.width * other.height)[0] ?? null;
}
