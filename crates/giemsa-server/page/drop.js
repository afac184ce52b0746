// Files that are dropped on the page or picked: single files and whole folders.

import { button, element } from "./elements.js";
import { texts } from "./texts.js";

/** What the ends of names of images are. Of a folder, only these are taken; of files that are chosen one by one, all. */
const IMAGE_NAME = /\.(png|jpe?g|tiff?|bmp)$/i;

let receive = null;

/** Sends everything that is dropped on the page to `receiver({ files, folder, leftOut })` until the signal. */
export function receiveDrops(receiver, signal) {
  receive = receiver;
  signal.addEventListener("abort", () => receive === receiver && (receive = null));
}

/** Watches the whole page, so that a file that misses the target does not replace the page. */
export function watchDrops() {
  const root = document.documentElement;
  let leaving = 0;
  addEventListener("dragover", (event) => {
    if (!hasFiles(event.dataTransfer)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = receive ? "copy" : "none";
    clearTimeout(leaving);
    root.classList.toggle("dropping", receive !== null);
    // There is no reliable event for leaving the window: dragover repeats while the pointer is in it.
    leaving = setTimeout(() => root.classList.remove("dropping"), 400);
  });
  addEventListener("drop", async (event) => {
    if (!hasFiles(event.dataTransfer)) return;
    event.preventDefault();
    root.classList.remove("dropping");
    const receiver = receive;
    if (receiver) receiver(await filesOf(event.dataTransfer));
  });
}

function hasFiles(transfer) {
  return transfer !== null && [...transfer.types].includes("Files");
}

/** Returns the files of a drop, with those in folders. Must be called while the event is handled. */
async function filesOf(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const folders = entries.filter((entry) => entry.isDirectory);
  if (folders.length === 0) return { files: [...transfer.files], folder: null, leftOut: 0 };
  const all = (await Promise.all(entries.map(filesIn))).flat();
  return onlyImages(all, folders[0].name);
}

/** Returns the files in an entry of a file system, in the order of their names. */
async function filesIn(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader();
  const entries = [];
  for (;;) {
    // A reader returns at most a hundred entries at once.
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) break;
    entries.push(...some);
  }
  entries.sort((one, other) => one.name.localeCompare(other.name, undefined, { numeric: true }));
  return (await Promise.all(entries.map(filesIn))).flat();
}

function onlyImages(all, folder) {
  const files = all.filter((file) => IMAGE_NAME.test(file.name));
  return { files, folder, leftOut: all.length - files.length };
}

/** Creates the buttons that pick files and a folder. */
export function pickers(receiver, look = {}) {
  const files = element("input", { type: "file", multiple: true, accept: "image/*,.tif,.tiff,.bmp", hidden: true,
    "data-picks": "files", onchange: () => taken(files, (all) => ({ files: all, folder: null, leftOut: 0 })) });
  const folder = element("input", { type: "file", webkitdirectory: true, hidden: true, "data-picks": "folder",
    onchange: () => taken(folder, (all) => onlyImages(all, all[0]?.webkitRelativePath.split("/")[0] || null)) });
  function taken(input, convert) {
    const picked = convert([...input.files]);
    input.value = "";
    if (picked.files.length || picked.leftOut) receiver(picked);
  }
  return [
    button(texts.drop.files, () => files.click(), { class: look.class ?? "primary" }),
    button(texts.drop.folder, () => folder.click()),
    files, folder,
  ];
}

/** Returns the name of a new case: that of the folder, or of the first file. */
export function nameOf({ files, folder }) {
  return folder ?? files[0]?.name.replace(/\.[^.]*$/, "") ?? texts.drop.untitled;
}
