// The photographs of a case, and the files that were refused.

import { deleteImage, urls } from "./api.js";
import { confirmed, showMessage } from "./dialogs.js";
import { button, element, fill, show, updateList } from "./elements.js";
import { grouped, percentage, plural } from "./format.js";
import { texts } from "./texts.js";

/** Creates the list of photographs. `changed` is called after one is deleted. Returns the node, and `update(record)`. */
export function photographList(changed) {
  const list = element("ul", { class: "photograph-list" });
  const heading = element("h2", { id: "photographs-title", tabindex: "-1" });
  const node = element("section", { "aria-labelledby": "photographs-title" }, heading, list);
  function update(record) {
    show(node, record.photographs.length > 0);
    heading.textContent = texts.photographs.title(grouped(record.photographs.length));
    const remove = (photo) => removeImage(record.id, photo, async () => (await changed(), heading.focus()));
    updateList(list, record.photographs, (photo) => photo.image, (photo) => item(record.id, photo, remove), updateItem);
  }
  return { node, update };
}

function item(id, photo, remove) {
  const picture = element("img", { src: urls.image(photo.image), alt: "", loading: "lazy", decoding: "async",
    width: photo.width, height: photo.height });
  return element("li", {},
    element("a", { href: `#/cases/${id}/photo/${photo.image}` }, element("span", { class: "thumbnail" }, picture),
      element("span", { class: "name" }, photo.name)),
    element("p", { class: "counts" }),
    element("ul", { class: "warnings" }),
    button(texts.remove, () => remove(photo), { class: "quiet delete", "aria-label": texts.named(texts.remove, photo.name) }));
}

function updateItem(photo, node) {
  const { infected, red_cells: red, in_clusters: clustered } = photo.counts;
  const fraction = photo.parasitaemia ? ` (${percentage(photo.parasitaemia.value)})` : "";
  const clusters = clustered ? `, ${texts.count.inClusters(grouped(clustered))}` : "";
  const infectedText = `${grouped(infected)} ${texts.photographs.infected}`;
  fill(node.querySelector(".counts"), element("b", {}, infectedText), ` ${texts.of} ${plural(red, "red cell")}${fraction}${clusters}`);
  fill(node.querySelector(".warnings"), photo.warnings.map((warning) => element("li", {}, warning.message)));
}

/** Asks whether to delete an image, and deletes it. */
export async function removeImage(id, image, removed) {
  const text = texts.deleteImage.text(image.name);
  if (!(await confirmed({ title: texts.deleteImage.title, text, action: texts.remove }))) return;
  try {
    await deleteImage(id, image.image);
    await removed();
  } catch (error) {
    showMessage(error.message);
  }
}

/** Creates the list of refused files. Returns the node, and `update(record)`. */
export function refusedList(changed) {
  const list = element("ul", { class: "refused" });
  const summary = element("h2", { id: "refused-title", tabindex: "-1" });
  const node = element("section", { "aria-labelledby": "refused-title" }, summary, list);
  async function dismiss(id, file) {
    try {
      await deleteImage(id, file.image);
      await changed();
      summary.focus();
    } catch (error) {
      showMessage(error.message);
    }
  }
  function update(record) {
    show(node, record.refused.length > 0);
    summary.textContent = texts.refused.title(plural(record.refused.length, "refused file"));
    updateList(list, record.refused, (file) => file.image, (file) => element("li", {},
      element("span", {}, element("b", {}, file.name), `: ${file.error}`),
      button(texts.refused.dismiss, () => dismiss(record.id, file), { class: "quiet", "aria-label": texts.named(texts.refused.dismiss, file.name) })));
  }
  return { node, update };
}
