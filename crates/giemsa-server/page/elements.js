// Builds and updates elements. Names of files come from users: children that are strings become text, never markup.

/** Creates an element. Properties are attributes, `class`, or listeners such as `onclick`; `true` is an attribute without a
 * value, and `false`, `null` and `undefined` are left out, as they are among the children. */
export function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter(isShown));
  return node;
}

/** Replaces the children of an element. */
export function fill(node, ...children) {
  node.replaceChildren(...children.flat().filter(isShown));
}

function isShown(child) {
  return child !== undefined && child !== null && child !== false;
}

/** Creates a button. */
export function button(label, onclick, properties = {}) {
  return element("button", { type: "button", onclick, ...properties }, label);
}

/** Makes the children of a list those of the items, and keeps the nodes of items that were there before, so that focus and
 * loaded pictures stay. `create` returns a node; `update` is called for each item with its node. */
export function updateList(list, items, key, create, update = () => {}) {
  const known = new Map([...list.children].map((node) => [node.dataset.key, node]));
  const nodes = items.map((item) => {
    const node = known.get(String(key(item))) ?? create(item);
    node.dataset.key = key(item);
    update(item, node);
    return node;
  });
  const kept = new Set(nodes);
  for (const node of known.values()) if (!kept.has(node)) node.remove();
  nodes.forEach((node, place) => {
    if (list.children[place] !== node) list.insertBefore(node, list.children[place] ?? null);
  });
}

/** Shows or hides an element. */
export function show(node, isVisible) {
  node.hidden = !isVisible;
}

let lastAnnouncement = 0;

/** Has screen readers read a text, without moving the focus. Of several texts in a moment, the last one is read. */
export function announce(text) {
  clearTimeout(lastAnnouncement);
  lastAnnouncement = setTimeout(() => (document.getElementById("announcements").textContent = text), 80);
}

/** Returns whether keys that are pressed now are text, or belong to a dialog or to a control that uses them. */
export function isTyping(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return true;
  if (document.querySelector("dialog[open]")) return true;
  const target = event.target;
  if (target instanceof HTMLInputElement) return !["checkbox", "radio", "button", "file"].includes(target.type);
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement || target.isContentEditable;
}

/** Reads a value that this browser keeps; `null` if there is none, or the browser keeps nothing. */
export function remembered(name) {
  try {
    return localStorage.getItem(`giemsa.${name}`);
  } catch {
    return null;
  }
}

/** Keeps a value in this browser, if it keeps any. */
export function remember(name, value) {
  try {
    localStorage.setItem(`giemsa.${name}`, value);
  } catch {
    // Private windows may refuse; the value is then asked for again.
  }
}
