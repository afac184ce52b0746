// Verdicts: they are shown at once, sent in their order, and kept until the server has stored them.

import { giveVerdict, undoVerdict } from "./api.js";
import { askText } from "./dialogs.js";
import { button, element, fill, isTyping, remember, remembered, show } from "./elements.js";
import { texts } from "./texts.js";

/** The verdicts with their keys. The first key is shown. */
export const VERDICTS = [
  { verdict: "parasitized", keys: ["p"] },
  { verdict: "uninfected", keys: ["u"] },
  { verdict: "not_a_cell", keys: ["n"] },
  { verdict: "unsure", keys: ["d", "?"] },
  { verdict: "skip", keys: ["s"] },
];

/** Verdicts that are not stored yet, oldest first: `{ id, object, body }`. */
const waiting = [];
const changes = new EventTarget();
let sending = null;
let failure = null;

/** Returns the name of the reviewer, which is asked for once; `null` if it is not given. */
export async function reviewerName({ isNew = false } = {}) {
  const known = remembered("reviewer");
  if (known && !isNew) return known;
  const { title, text, label, action } = texts.reviewer;
  const name = await askText({ title, text, label, action, value: known ?? "", autocomplete: "name" });
  if (name) remember("reviewer", name.slice(0, 100));
  return name?.slice(0, 100) ?? known;
}

/** Gives a verdict on an object of a case. */
export function submit(id, object, verdict, reviewer) {
  const body = { image: object.image, number: object.number, verdict, reviewer, key: uniqueText() };
  waiting.push({ id, object, body });
  sendAll();
}

/** Sends what waits, one after the other: the order of verdicts counts, and undo takes the last one. */
function sendAll() {
  sending ??= (async () => {
    failure = null;
    while (waiting.length > 0 && failure === null) {
      const first = waiting[0];
      try {
        const answer = await giveVerdict(first.id, first.body);
        waiting.shift();
        notify({ id: first.id, object: first.object, verdict: first.body.verdict, count: answer.count });
      } catch (error) {
        failure = error;
      }
    }
    sending = null;
    notify({});
  })();
  return sending;
}

/** Waits until what can be stored is stored. */
export async function settled() {
  while (sending) await sending;
}

/** Takes back the last verdict of a reviewer. Returns the object, as it is without it. */
export async function undo(id, reviewer) {
  await settled();
  const last = waiting.at(-1);
  if (last?.id === id && failure !== null) {
    waiting.pop();
    if (waiting.length === 0) failure = null;
    notify({});
    return { object: last.object, undone: last.body, count: null };
  }
  return undoVerdict(id, reviewer);
}

/** Returns whether there are verdicts that are not stored. */
export function hasUnstored() {
  return waiting.length > 0;
}

/** Calls a function after each verdict that is stored, with `{ id, object, verdict, count }`. */
export function onStored(listener, signal) {
  changes.addEventListener("stored", (event) => event.detail.count && listener(event.detail), { signal });
}

function notify(detail) {
  changes.dispatchEvent(new CustomEvent("stored", { detail }));
}

/** Creates the alert about verdicts that could not be stored, which is hidden while there are none. */
export function unstoredAlert(signal) {
  const text = element("span");
  const discard = button(texts.unstored.discard, () => (waiting.shift(), (failure = null), waiting.length ? sendAll() : notify({})));
  const node = element("div", { class: "unstored notice", role: "alert" }, text,
    button(texts.unstored.retry, sendAll, { class: "primary" }), discard);
  function update() {
    show(node, failure !== null);
    // Only what the server refuses can be discarded; what did not reach it can be sent again.
    show(discard, failure !== null && !failure.isOffline);
    fill(text, failure === null ? "" : texts.unstored.text(waiting.length, failure.message));
  }
  changes.addEventListener("stored", update, { signal });
  update();
  return node;
}

/** Creates the buttons of verdicts, with their keys. `give(verdict)` is called for a button and for a key. */
export function verdictButtons(give, { skip = false, signal }) {
  const shown = VERDICTS.filter(({ verdict }) => skip || verdict !== "skip");
  const buttons = shown.map(({ verdict, keys }) => button("", () => give(verdict), { class: `verdict ${verdict}`, "data-verdict": verdict, "aria-keyshortcuts": keys[0].toUpperCase() }));
  buttons.forEach((node, place) => fill(node, texts.verdicts[shown[place].verdict], " ", element("kbd", { "aria-hidden": "true" }, shown[place].keys[0].toUpperCase())));
  document.addEventListener("keydown", (event) => {
    if (isTyping(event) || event.repeat || !keysAreOn()) return;
    const found = shown.find(({ keys }) => keys.includes(event.key.toLowerCase()));
    if (!found || buttons[0].disabled || !buttons[0].isConnected) return;
    event.preventDefault();
    give(found.verdict);
  }, { signal });
  return element("div", { class: "verdicts", role: "group", "aria-label": texts.review.question }, buttons);
}

/** Creates the switch of the keys: people who dictate to their computer need them off. */
export function keySwitch() {
  const input = element("input", { type: "checkbox", checked: keysAreOn(), onchange: () => remember("keys", input.checked ? "on" : "off") });
  return element("label", { class: "switch" }, input, texts.review.keys);
}

/** Returns whether single keys give verdicts. */
export function keysAreOn() {
  return remembered("keys") !== "off";
}

/** Returns a text that no other verdict has. `randomUUID` exists on HTTPS and on localhost only. */
function uniqueText() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
