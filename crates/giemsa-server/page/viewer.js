// A photograph that zooms and moves, with boxes over it. The picture is moved by the browser's compositor; only the boxes are
// drawn again.

import { drawBoxes, objectAt } from "./boxes.js";
import { button, element } from "./elements.js";
import { watchGestures } from "./gestures.js";
import { texts } from "./texts.js";

/** The largest enlargement, in pixels of the screen per pixel of the photograph. */
const LARGEST_SCALE = 16;
/** A selected object is shown at least so large, as a fraction of the viewer. */
const SELECTED_FRACTION = 0.12;
const FLIGHT_MS = 220;
const FLASH_MS = 900;

/** Creates a viewer of a photograph of `width` × `height` pixels. `chosen(object)` is called when a box is clicked, with `null`
 * for none. Returns the node; the picture; and `setObjects`, `setHidden` and `select`. */
export function createViewer({ source, width, height, alt }, chosen, signal) {
  const picture = element("img", { src: source, alt, width, height, draggable: "false", decoding: "async" });
  const canvas = element("canvas", { "aria-hidden": "true" });
  const context = canvas.getContext("2d");
  const controls = element("div", { class: "zoom" },
    button("+", () => zoomAt(1.6, size[0] / 2, size[1] / 2), { "aria-label": texts.photograph.zoomIn }),
    button("−", () => zoomAt(1 / 1.6, size[0] / 2, size[1] / 2), { "aria-label": texts.photograph.zoomOut }),
    button(texts.photograph.fit, fit));
  const stage = element("div", { class: "stage", tabindex: "0", role: "group", "aria-label": texts.photograph.viewer }, picture, canvas);
  const node = element("div", { class: "viewer" }, stage, controls);
  const view = { scale: 1, x: 0, y: 0 };
  const marks = { hidden: new Set(), selected: null, flash: 0 };
  let [objects, size, frame, flight, isFitted] = [[], [0, 0], 0, 0, true];

  /** Applies the view before the next frame, once, however many events arrive. */
  function redraw() {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      picture.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.scale})`;
      const density = devicePixelRatio;
      context.setTransform(density, 0, 0, density, 0, 0);
      context.clearRect(0, 0, ...size);
      drawBoxes(context, objects, view, size, marks);
    });
  }
  const fitScale = () => Math.min(size[0] / width, size[1] / height);
  /** Keeps the scale within its limits, and some of the photograph in the viewer. */
  function enter(scale, x, y) {
    view.scale = Math.min(Math.max(scale, fitScale() * 0.7), Math.max(LARGEST_SCALE, fitScale()));
    const within = (at, length, room) => Math.min(Math.max(at, 0.3 * room - length), 0.7 * room);
    view.x = within(x, width * view.scale, size[0]);
    view.y = within(y, height * view.scale, size[1]);
    redraw();
  }
  function zoomAt(factor, x, y) {
    stop();
    const scale = Math.min(Math.max(view.scale * factor, fitScale() * 0.7), Math.max(LARGEST_SCALE, fitScale()));
    const ratio = scale / view.scale;
    enter(scale, x - (x - view.x) * ratio, y - (y - view.y) * ratio);
  }
  function moveBy(dx, dy) {
    stop();
    enter(view.scale, view.x + dx, view.y + dy);
  }
  function stop() {
    cancelAnimationFrame(flight);
    isFitted = false;
  }
  function fit() {
    stop();
    isFitted = true;
    const scale = fitScale();
    enter(scale, (size[0] - width * scale) / 2, (size[1] - height * scale) / 2);
  }
  function choose(x, y) {
    chosen(objectAt(objects, (x - view.x) / view.scale, (y - view.y) / view.scale, marks.hidden));
  }
  /** Marks an object, moves it to the middle, and lets its mark flash. */
  function select(number, { isCentred = false } = {}) {
    marks.selected = number;
    marks.flash = 0;
    redraw();
    const object = objects.find((each) => each.number === number);
    if (!object) return;
    const from = { ...view };
    const scale = Math.max(view.scale, SELECTED_FRACTION * Math.min(...size) / Math.max(object.width, object.height));
    const to = isCentred ? { scale, x: size[0] / 2 - (object.x + object.width / 2) * scale, y: size[1] / 2 - (object.y + object.height / 2) * scale } : from;
    stop();
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return enter(to.scale, to.x, to.y);
    animate((elapsedMs) => {
      const part = Math.min(elapsedMs / FLIGHT_MS, 1);
      const eased = 1 - (1 - part) ** 3;
      marks.flash = elapsedMs < FLASH_MS ? Math.abs(Math.sin((elapsedMs / FLASH_MS) * 2 * Math.PI)) * (1 - elapsedMs / FLASH_MS) : 0;
      if (isCentred && part <= 1) enter(...["scale", "x", "y"].map((name) => from[name] + (to[name] - from[name]) * eased));
      redraw();
      return elapsedMs < FLASH_MS;
    });
  }
  function animate(step) {
    const start = performance.now();
    const next = (now) => step(now - start) && (flight = requestAnimationFrame(next));
    flight = requestAnimationFrame(next);
  }
  function resize() {
    const before = size;
    size = [stage.clientWidth, stage.clientHeight];
    [canvas.width, canvas.height] = size.map((length) => Math.round(length * devicePixelRatio));
    if (isFitted || before[0] === 0) fit();
    else enter(view.scale, view.x + (size[0] - before[0]) / 2, view.y + (size[1] - before[1]) / 2);
  }
  const watcher = new ResizeObserver(resize);
  watcher.observe(stage);
  signal.addEventListener("abort", () => (watcher.disconnect(), cancelAnimationFrame(frame), cancelAnimationFrame(flight)));
  watchGestures(stage, { zoomAt, moveBy, fit, choose }, signal);
  return {
    node, picture, select,
    setObjects: (next) => ((objects = next), redraw()),
    setHidden: (hidden) => ((marks.hidden = hidden), redraw()),
  };
}
