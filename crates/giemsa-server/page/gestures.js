// Wheel, pointers and keys of the viewer, as zooming, moving and choosing.

/** A pointer that moved less than this many pixels is a click. */
const CLICK_PX = 5;
/** An arrow key moves by this fraction of the viewer. */
const STEP = 0.12;
const ZOOM_STEP = 1.35;

/** Translates events of `node` to calls of `view`: `zoomAt(factor, x, y)`, `moveBy(dx, dy)`, `fit()` and `choose(x, y)`, with
 * pixels from the upper left corner of the node. */
export function watchGestures(node, view, signal) {
  node.addEventListener("wheel", (event) => {
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    // A pinch on a touchpad is a wheel with Ctrl, in small steps.
    const speed = event.ctrlKey ? 0.01 : 0.0016;
    view.zoomAt(Math.exp(-event.deltaY * lines * speed), ...placeIn(node, event));
  }, { signal, passive: false });
  node.addEventListener("dblclick", (event) => view.zoomAt(2, ...placeIn(node, event)), { signal });
  node.addEventListener("keydown", (event) => pressed(node, view, event), { signal });
  watchPointers(node, view, signal);
}

function placeIn(node, event) {
  const { left, top } = node.getBoundingClientRect();
  return [event.clientX - left, event.clientY - top];
}

function pressed(node, view, event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const { clientWidth: width, clientHeight: height } = node;
  const actions = {
    "+": () => view.zoomAt(ZOOM_STEP, width / 2, height / 2),
    "=": () => view.zoomAt(ZOOM_STEP, width / 2, height / 2),
    "-": () => view.zoomAt(1 / ZOOM_STEP, width / 2, height / 2),
    0: () => view.fit(),
    ArrowLeft: () => view.moveBy(STEP * width, 0),
    ArrowRight: () => view.moveBy(-STEP * width, 0),
    ArrowUp: () => view.moveBy(0, STEP * height),
    ArrowDown: () => view.moveBy(0, -STEP * height),
  };
  const action = actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

/** One pointer moves the photograph, two of them zoom it, and one that does not move chooses. */
function watchPointers(node, view, signal) {
  const pointers = new Map();
  let moved = 0;
  const middle = (points) => [0, 1].map((axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length);
  const spread = ([one, other]) => Math.hypot(one[0] - other[0], one[1] - other[1]);
  node.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.target.closest("button")) return;
    node.setPointerCapture(event.pointerId);
    if (pointers.size === 0) moved = 0;
    pointers.set(event.pointerId, placeIn(node, event));
  }, { signal });
  node.addEventListener("pointermove", (event) => {
    if (!pointers.has(event.pointerId)) return;
    const before = [...pointers.values()];
    pointers.set(event.pointerId, placeIn(node, event));
    const after = [...pointers.values()];
    const [from, to] = [middle(before), middle(after)];
    moved += Math.hypot(to[0] - from[0], to[1] - from[1]);
    // A hand that clicks trembles.
    if (moved > CLICK_PX) view.moveBy(to[0] - from[0], to[1] - from[1]);
    if (after.length === 2) {
      moved = Infinity;
      view.zoomAt(spread(after) / Math.max(spread(before), 1), ...to);
    }
  }, { signal });
  const up = (event) => {
    if (!pointers.delete(event.pointerId)) return;
    if (event.type === "pointerup" && moved <= CLICK_PX) view.choose(...placeIn(node, event));
  };
  node.addEventListener("pointerup", up, { signal });
  node.addEventListener("pointercancel", up, { signal });
}
