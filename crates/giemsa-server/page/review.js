// The review: one object at a time, the most doubtful first. A key gives the verdict and shows the next object.

import { getCase, reviewQueue } from "./api.js";
import { showMessage } from "./dialogs.js";
import { receiveDrops } from "./drop.js";
import { announce, button, element, fill, isTyping, remembered, show } from "./elements.js";
import { grouped, probability } from "./format.js";
import { createStage } from "./pictures.js";
import { AT_ONCE, createQueue } from "./queue.js";
import { texts } from "./texts.js";
import { upload } from "./uploads.js";
import { keysAreOn, keySwitch, reviewerName, submit, undo, unstoredAlert, verdictButtons } from "./verdicts.js";

/** So many pictures are loaded before they are shown. */
const AHEAD = 8;

/** Shows the review of a case. */
export async function showReview([id], signal) {
  const [record, first] = await Promise.all([getCase(id, signal), reviewQueue(id, AT_ONCE, signal)]);
  receiveDrops(({ files }) => files.length && (upload(id, files), (location.hash = `#/cases/${id}`)), signal);
  const images = new Map([...record.photographs, ...record.single_cells].map((image) => [image.image, image]));
  const stage = createStage(images);
  const queue = createQueue(id, first, signal);
  let { reviewed } = record.current;
  const progress = createProgress();
  const verdicts = verdictButtons(give, { skip: true, signal });
  const back = button([texts.review.undo, " ", element("kbd", { "aria-hidden": "true" }, "Z")], takeBack, { class: "undo", "aria-keyshortcuts": "Z Backspace" });
  const end = element("div", { class: "review-end" }, element("h2", { tabindex: "-1" }), element("p"),
    element("a", { href: `#/cases/${id}`, class: "primary" }, texts.review.back));
  let isUndoing = false;

  function update() {
    const object = queue.current();
    show(stage.node, object !== null);
    show(verdicts, object !== null);
    show(end, object === null);
    progress.update(reviewed, queue.left());
    if (object === null) return showEnd();
    stage.show(object);
    stage.preload(queue.next(AHEAD));
    announce(texts.review.now(stage.placeOf(object), probability(object.probability_parasitized)));
  }
  function showEnd() {
    const isNothing = reviewed === 0;
    const wasHidden = end.dataset.shown !== "yes";
    fill(end.firstChild, isNothing ? texts.review.nothing : texts.review.done);
    fill(end.children[1], isNothing ? texts.review.nothingText : texts.review.doneText);
    end.dataset.shown = "yes";
    if (wasHidden && end.isConnected) end.firstChild.focus();
  }
  async function give(verdict) {
    const object = queue.current();
    if (object === null || isUndoing) return;
    const reviewer = await reviewerName();
    showReviewer();
    // While the name was asked for, nothing else could be reviewed.
    if (!reviewer || queue.current() !== object) return;
    submit(id, object, verdict, reviewer);
    if (verdict !== "skip") reviewed += 1;
    queue.advance(verdict !== "skip");
    flash(verdicts, verdict);
    update();
    await refill();
  }
  async function refill() {
    try {
      if (await queue.refill()) update();
    } catch (error) {
      if (error.name !== "AbortError") showMessage(error.message);
    }
  }
  async function takeBack() {
    const reviewer = isUndoing ? null : await reviewerName();
    if (!reviewer) return;
    isUndoing = true;
    try {
      const { object, undone } = await undo(id, reviewer);
      if (undone.verdict !== "skip") reviewed -= 1;
      if (object) queue.putBack({ ...object, verdict: null }, undone.verdict !== "skip");
      end.dataset.shown = "no";
      update();
      announce(`${texts.review.undone}: ${texts.verdicts[undone.verdict]}`);
    } catch (error) {
      if (error.name !== "AbortError") showMessage(error.status === 409 ? texts.review.nothingToUndo : error.message);
    }
    isUndoing = false;
  }
  document.addEventListener("keydown", (event) => {
    if (!["z", "backspace"].includes(event.key.toLowerCase()) || isTyping(event) || event.repeat || !keysAreOn()) return;
    event.preventDefault();
    takeBack();
  }, { signal });

  const who = element("p", { class: "reviewer faint" });
  function showReviewer() {
    const name = remembered("reviewer");
    fill(who, name && texts.reviewer.as(name), button(name ? texts.reviewer.change : texts.reviewer.title,
      async () => (await reviewerName({ isNew: true }), showReviewer()), { class: "quiet" }));
  }
  showReviewer();
  update();
  if (queue.current()) setTimeout(() => signal.aborted || reviewerName().then(showReviewer), 0);
  return element("div", { class: "review-view" },
    element("div", { class: "title" }, element("a", { href: `#/cases/${id}`, class: "up" }, texts.review.back),
      element("h1", {}, texts.review.title(record.name))),
    unstoredAlert(signal), progress.node, stage.node, end, verdicts,
    element("div", { class: "review-foot" }, back, keySwitch(), who, element("p", { class: "faint" }, texts.review.keyHint)));
}

/** Creates the text and the bar of the progress. */
function createProgress() {
  const bar = element("progress", { "aria-label": texts.review.bar });
  const text = element("p");
  const node = element("div", { class: "review-progress" }, text, bar);
  function update(reviewed, left) {
    text.textContent = texts.review.progress(grouped(reviewed), grouped(left));
    [bar.max, bar.value] = [Math.max(reviewed + left, 1), reviewed];
  }
  return { node, update };
}

/** Shows for a moment which verdict was given. */
function flash(verdicts, verdict) {
  const given = verdicts.querySelector(`[data-verdict="${verdict}"]`);
  given.classList.add("given");
  setTimeout(() => given.classList.remove("given"), 160);
}
