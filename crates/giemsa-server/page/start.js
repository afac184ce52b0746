// The start: a place to drop images, an example, and the cases.

import { addExample, changeCase, createCase, deleteCase, listCases, urls } from "./api.js";
import { askText, confirmed, showMessage } from "./dialogs.js";
import { nameOf, pickers, receiveDrops } from "./drop.js";
import { button, element, fill, updateList } from "./elements.js";
import { plural, time } from "./format.js";
import { texts } from "./texts.js";
import { upload } from "./uploads.js";

/** Shows the start. */
export async function showStart(_, signal) {
  const { cases } = await listCases(signal);
  const kind = kindChoice();
  const receive = (picked) => startCase(picked, kind.value);
  receiveDrops(receive, signal);
  const target = element("section", { class: "drop", "aria-labelledby": "drop-title" },
    element("h1", { id: "drop-title" }, texts.start.title), element("p", {}, texts.start.hint),
    element("div", { class: "actions" }, pickers(receive)),
    element("p", { class: "kind" }, element("label", { for: "kind" }, texts.start.kind), kind),
    element("p", { class: "faint" }, texts.start.local));
  const example = element("section", { class: "example-offer" }, element("p", {}, texts.start.exampleHint),
    button(texts.start.example, (event) => tryExample(event.currentTarget)));
  return element("div", { class: "start" }, target, example, caseList(cases));
}

function kindChoice() {
  const options = Object.entries(texts.start.kinds).map(([value, label]) => element("option", { value }, label));
  return element("select", { id: "kind" }, options);
}

async function startCase(picked, kind) {
  if (picked.files.length === 0) return showMessage(texts.drop.noImages);
  try {
    const { id } = await createCase(nameOf(picked));
    upload(id, picked.files, kind);
    if (picked.leftOut) showMessage(texts.drop.leftOut(picked.leftOut));
    location.hash = `#/cases/${id}`;
  } catch (error) {
    showMessage(error.message);
  }
}

async function tryExample(pressed) {
  pressed.disabled = true;
  fill(pressed, texts.start.drawing);
  try {
    const { id } = await createCase(texts.start.exampleName);
    await addExample(id);
    location.hash = `#/cases/${id}`;
  } catch (error) {
    showMessage(error.message);
    pressed.disabled = false;
    fill(pressed, texts.start.example);
  }
}

function caseList(cases) {
  const list = element("ul", { class: "cases" });
  const none = element("p", { class: "faint" }, texts.start.none);
  const training = element("p", {}, element("a", { href: urls.training(), download: true }, texts.start.training));
  const section = element("section", { "aria-labelledby": "cases-title" },
    element("h2", { id: "cases-title", tabindex: "-1" }, texts.start.cases), none, list, training);
  function update() {
    updateList(list, cases, (each) => each.id, (each) => caseItem(each, remove), updateItem);
    none.hidden = cases.length > 0;
    training.hidden = !cases.some((each) => each.reviewed > 0);
  }
  function remove(id) {
    cases = cases.filter((each) => each.id !== id);
    update();
    section.querySelector("h2").focus();
  }
  update();
  return section;
}

function caseItem(row, remove) {
  const item = element("li", {},
    element("a", { href: `#/cases/${row.id}`, class: "name" }),
    element("span", { class: "faint" }, `${contentsOf(row)} · ${time(row.created_at)}`),
    row.is_stale && element("span", { class: "tag" }, texts.start.stale),
    element("div", { class: "actions" },
      button(texts.rename, async () => (await rename(row)) && updateItem(row, item), { class: "quiet rename" }),
      button(texts.remove, () => removeCase(row, remove), { class: "quiet delete" })));
  return item;
}

function updateItem(row, node) {
  node.querySelector(".name").textContent = row.name;
  node.querySelector(".rename").setAttribute("aria-label", texts.named(texts.rename, row.name));
  node.querySelector(".delete").setAttribute("aria-label", texts.named(texts.remove, row.name));
}

/** Describes what is in a case. */
function contentsOf({ images, cells, reviewed }) {
  const photographs = images - cells;
  const parts = [
    photographs > 0 && plural(photographs, "photograph"),
    cells > 0 && plural(cells, "single cell"),
    reviewed > 0 && texts.start.reviewed(reviewed),
  ];
  return parts.filter(Boolean).join(" · ") || texts.start.empty;
}

/** Asks for a new name of a case, and stores it in `row`. Returns whether it is another one. */
export async function rename(row) {
  const name = await askText({ title: texts.renameTitle, label: texts.nameLabel, value: row.name, action: texts.rename });
  if (name === null || name === row.name) return false;
  try {
    await changeCase(row.id, { name });
  } catch (error) {
    showMessage(error.message);
    return false;
  }
  row.name = name;
  return true;
}

/** Asks whether to delete a case, and deletes it. */
export async function removeCase(row, removed) {
  const text = texts.deleteCase.text(row.name);
  if (!(await confirmed({ title: texts.deleteCase.title, text, action: texts.remove }))) return;
  try {
    await deleteCase(row.id);
    removed(row.id);
  } catch (error) {
    showMessage(error.message);
  }
}
