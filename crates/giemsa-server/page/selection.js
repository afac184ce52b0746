// The selected object of a photograph: its picture, what it is, and the buttons of verdicts.

import { urls } from "./api.js";
import { kindOf } from "./boxes.js";
import { button, element, fill, isTyping, show } from "./elements.js";
import { probability } from "./format.js";
import { drawObject } from "./sheet.js";
import { texts } from "./texts.js";
import { keysAreOn, keySwitch, verdictButtons } from "./verdicts.js";

/** Creates the panel. `give(verdict)` and `undo()` are called for buttons and keys. Returns the node, and `show(object)`. */
export function createSelection(picture, give, undo, signal) {
  const hint = element("p", { class: "faint hint" }, texts.photograph.select);
  const canvas = element("canvas", { width: 240, height: 240, "aria-hidden": "true" });
  const map = element("img", { alt: "", hidden: true });
  const title = element("h2");
  const lines = element("div");
  const saliency = button(texts.photograph.saliency, toggle, { class: "quiet", "aria-pressed": "false" });
  const back = button([texts.photograph.undo, " ", element("kbd", { "aria-hidden": "true" }, "Z")], undo, { class: "quiet", "aria-keyshortcuts": "Z" });
  const verdicts = verdictButtons((verdict) => object && give(verdict), { signal });
  const body = element("div", { class: "selected" },
    element("div", { class: "crop" }, canvas, map),
    element("div", { class: "about" }, title, lines, saliency));
  const node = element("section", { class: "selection", "aria-label": texts.photograph.selection }, hint, body, verdicts,
    element("div", { class: "actions" }, back, keySwitch()));
  let object = null;

  function toggle() {
    const isOn = saliency.getAttribute("aria-pressed") === "true";
    saliency.setAttribute("aria-pressed", String(!isOn));
    if (!isOn) {
      map.src = urls.saliency(object.image, object.number);
      map.alt = texts.photograph.saliencyOf(object.number);
    }
    show(map, !isOn);
  }
  function showObject(next) {
    const isOther = next?.number !== object?.number;
    object = next;
    show(hint, object === null);
    show(body, object !== null);
    for (const each of verdicts.children) {
      each.disabled = object === null;
      each.setAttribute("aria-pressed", String(object?.verdict === each.dataset.verdict));
    }
    if (object === null) return;
    if (isOther) {
      drawObject(canvas, picture, object);
      show(map, false);
      saliency.setAttribute("aria-pressed", "false");
    }
    const isRed = object.probability_parasitized !== null;
    show(saliency, isRed);
    title.textContent = texts.photograph.selected(object.number, texts.kinds[kindOf(object)]);
    fill(lines,
      isRed && element("p", {}, texts.photograph.probability(probability(object.probability_parasitized))),
      object.verdict && element("p", {}, texts.photograph.reviewed(texts.verdicts[object.verdict])),
      !object.counted && element("p", { class: "faint" }, texts.photograph.notCounted));
  }
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "z" || isTyping(event) || event.repeat || !keysAreOn()) return;
    event.preventDefault();
    undo();
  }, { signal });
  showObject(null);
  return { node, show: showObject };
}
