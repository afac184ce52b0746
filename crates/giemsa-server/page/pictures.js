// The pictures of the review: an object with its surroundings, and where it lies on its photograph.

import { urls } from "./api.js";
import { element, fill, show } from "./elements.js";
import { probability } from "./format.js";
import { texts } from "./texts.js";

/** Pictures that are kept, besides those ahead. */
const KEPT = 24;

/** Creates the stage of the review. `images` are the images of the case by their numbers. */
export function createStage(images) {
  const pictures = new Map();
  const photographs = new Map();
  const frame = element("div", { class: "frame", "aria-hidden": "true" });
  const holder = element("div", { class: "holder" });
  const failure = element("p", { class: "fault", hidden: true }, texts.errors.picture);
  const value = element("p", { class: "value" });
  const place = element("p", { class: "place" });
  const mark = element("div", { class: "mark", "aria-hidden": "true" });
  const locator = element("div", { class: "locator" });
  const open = element("a", {}, texts.review.open);
  const node = element("div", { class: "review-stage" }, element("div", { class: "big" }, holder, failure),
    element("div", { class: "about" }, value, place, locator, element("p", {}, open)));

  /** Returns the picture of an object, which may have been loaded before. */
  function pictureOf(object) {
    const key = `${object.image}/${object.number}`;
    const picture = pictures.get(key) ?? element("img", { src: urls.picture(object.image, object.number) });
    pictures.delete(key);
    pictures.set(key, picture);
    for (const old of [...pictures.keys()].slice(0, Math.max(pictures.size - KEPT, 0))) pictures.delete(old);
    return picture;
  }
  function placeOf(object) {
    const { name } = images.get(object.image);
    return isCell(object) ? name : texts.review.place(object.number, name);
  }
  /** Single cells have no place on a photograph. */
  const isCell = (object) => "class" in images.get(object.image);

  function showObject(object) {
    const image = images.get(object.image);
    const picture = pictureOf(object);
    picture.alt = texts.review.picture(placeOf(object));
    picture.onerror = () => show(failure, true);
    show(failure, picture.complete && picture.naturalWidth === 0 && picture.src !== "");
    const shown = isCell(object) ? { left: 0, top: 0, width: object.width, height: object.height } : surroundings(object, image);
    // The largest size at which the picture fits; the sheet bounds both sides.
    holder.style.aspectRatio = `${shown.width} / ${shown.height}`;
    holder.style.setProperty("--ratio", shown.width / shown.height);
    fill(holder, picture, !isCell(object) && frame);
    position(frame, object, shown);
    fill(value, texts.review.probability(probability(object.probability_parasitized)));
    fill(place, placeOf(object));
    show(locator, !isCell(object));
    show(open, !isCell(object));
    if (isCell(object)) return;
    open.href = `${location.hash.replace(/\/review$/, "")}/photo/${object.image}`;
    fill(locator, photographOf(image), mark);
    position(mark, object, { left: 0, top: 0, width: image.width, height: image.height });
  }
  /** Returns the picture of a whole photograph, one per photograph, so that each is decoded once. */
  function photographOf(image) {
    if (!photographs.has(image.image)) {
      photographs.set(image.image, element("img", { src: urls.image(image.image), alt: texts.review.locator, decoding: "async" }));
    }
    return photographs.get(image.image);
  }
  return { node, show: showObject, placeOf, preload: (objects) => objects.forEach(pictureOf) };
}

/** Returns the part of a photograph that the picture of an object shows: the object with a margin of half its size. */
function surroundings({ x, y, width, height }, image) {
  const [left, top] = [Math.max(x - Math.floor(width / 2), 0), Math.max(y - Math.floor(height / 2), 0)];
  const right = Math.min(x + width + Math.floor(width / 2), image.width);
  const bottom = Math.min(y + height + Math.floor(height / 2), image.height);
  return { left, top, width: right - left, height: bottom - top };
}

/** Places a frame around an object in a picture that shows a part of the photograph. */
function position(frame, object, part) {
  frame.style.left = `${(100 * (object.x - part.left)) / part.width}%`;
  frame.style.top = `${(100 * (object.y - part.top)) / part.height}%`;
  frame.style.width = `${(100 * object.width) / part.width}%`;
  frame.style.height = `${(100 * object.height) / part.height}%`;
}
