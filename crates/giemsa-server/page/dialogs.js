// Questions in dialogs. The browser keeps the focus in an open dialog and returns it afterwards.

import { button, element } from "./elements.js";
import { texts } from "./texts.js";

/** Asks whether to do something. Returns whether the answer is yes. */
export async function confirmed({ title, text, action }) {
  const answer = await ask(title, [element("p", {}, text)], action, "danger");
  return answer !== null;
}

/** Asks for a text. Returns it, or `null` if it is empty or the dialog is closed. */
export async function askText({ title, text, label, value = "", action, autocomplete = "off" }) {
  const input = element("input", { type: "text", value, maxlength: 200, autocomplete, required: true, id: "answer" });
  const parts = [text && element("p", {}, text), element("label", { for: "answer" }, label), input];
  const answer = await ask(title, parts, action, "primary", input);
  return answer === null ? null : input.value.trim() || null;
}

/** Opens a dialog. Returns `null` if it is closed without the action. */
function ask(title, parts, action, look, input) {
  const heading = element("h2", { id: "question" }, title);
  const cancel = button(texts.dialogs.cancel, () => dialog.close(""));
  const confirm = element("button", { type: "submit", class: look, value: "yes" }, action);
  const form = element("form", { method: "dialog" }, heading, ...parts, element("div", { class: "actions" }, cancel, confirm));
  const dialog = element("dialog", { "aria-labelledby": "question" }, form);
  document.body.append(dialog);
  dialog.showModal();
  input?.select();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes" ? true : null);
    });
  });
}

/** Shows a message at the end of the page for some seconds, and has it read. */
export function showMessage(text) {
  document.querySelector(".message")?.remove();
  const close = button(texts.dialogs.close, () => message.remove());
  const message = element("div", { class: "message", role: "alert" }, element("span", {}, text), close);
  document.body.append(message);
  setTimeout(() => message.remove(), 12_000);
}
