// The count of a case: the parasitaemia in large, what it is based on, and the threshold, which counts again while it moves.

import { changeCase, countAt } from "./api.js";
import { showMessage } from "./dialogs.js";
import { announce, button, element, fill, show } from "./elements.js";
import { density, grouped, percentInterval, percentage, perThousand, plural, probability, sentence } from "./format.js";
import { texts } from "./texts.js";

/** The slider asks for a count after it rests for so long. */
const REST_MS = 40;

/** Creates the panel. `stored` is called after a threshold is stored. Returns the node, and `update(record)`. */
export function countPanel(stored, signal) {
  const figures = element("dl", { class: "metrics" });
  const notes = element("div", { class: "notes" });
  const slider = thresholdSlider((count, threshold) => draw(count, threshold), stored, signal);
  const node = element("section", { class: "count", "aria-label": texts.count.title }, figures, notes, slider.node);
  let record;
  function draw(count, threshold) {
    fill(figures, cardsOf(record, count, threshold));
    fill(notes, notesOf(count));
  }
  function update(next) {
    record = next;
    const isEmpty = record.photographs.length + record.single_cells.length === 0;
    show(node, !isEmpty);
    draw(record.current, record.threshold);
    slider.update(record);
  }
  return { node, update };
}

function cardsOf(record, count, threshold) {
  const { computed, single_cells: cells } = record;
  const isComputed = count.reviewed === 0 && threshold === record.model_threshold;
  const title = count.reviewed > 0 ? texts.count.afterReview : isComputed ? texts.count.computed : texts.count.atThreshold;
  const parasitaemia = count.parasitaemia;
  const cards = [];
  if (parasitaemia) {
    cards.push(card(texts.count.parasitaemia(title), percentage(parasitaemia.value), ["lead"],
      texts.count.interval(percentInterval(parasitaemia)), parasitaemia.value > 0 && texts.count.inWords(perThousand(parasitaemia.value)),
      parasitaemia.corrected ? texts.count.corrected : texts.count.notCorrected));
    if (!isComputed && computed.parasitaemia) {
      cards.push(card(texts.count.parasitaemia(texts.count.computed), percentage(computed.parasitaemia.value), [],
        texts.count.interval(percentInterval(computed.parasitaemia)),
        computed.parasitaemia.corrected ? texts.count.corrected : texts.count.notCorrected));
    }
    const infected = `${grouped(count.counts.infected)} ${texts.of} ${grouped(count.counts.red_cells)}`;
    cards.push(card(texts.count.infected, infected, [], checkedOf(count)));
    const microlitre = parasitaemia.parasites_per_microlitre;
    const ends = `${density(microlitre.low)} to ${density(microlitre.high)}`;
    cards.push(card(texts.count.perMicrolitre, density(microlitre.value), [], texts.count.interval(ends),
      texts.count.assumes(grouped(parasitaemia.red_cells_per_microlitre))));
  } else if (record.photographs.length > 0) {
    cards.push(card(texts.count.parasitaemia(title), "–", ["lead"], texts.count.noCells));
  }
  if (cells.length > 0) {
    const { parasitized, uninfected, not_a_cell: others } = count.cells;
    cards.push(card(texts.count.singleCells(title), `${grouped(parasitized)} ${texts.of} ${grouped(cells.length)}`,
      parasitaemia ? [] : ["lead"], texts.count.others(uninfected, others), !parasitaemia && checkedOf(count)));
  }
  return cards;
}

function card(title, value, looks, ...lines) {
  const texts = lines.filter(Boolean).map((line) => element("dd", { class: "faint" }, line));
  return element("div", { class: looks.join(" ") }, element("dt", {}, title), element("dd", { class: "value" }, value), ...texts);
}

/** Returns how many of the infected cells a person has checked. */
function checkedOf(count) {
  const infected = count.counts.infected + count.cells.parasitized;
  const checked = texts.count.checked(grouped(count.infected_reviewed), plural(infected, "infected cell"));
  return count.unsure ? `${checked} · ${texts.count.unsure(grouped(count.unsure))}` : checked;
}

function notesOf({ parasitaemia, counts }) {
  if (!parasitaemia) return [];
  const { detection, sufficiency } = parasitaemia;
  const others = [
    counts.in_clusters && texts.count.inClusters(grouped(counts.in_clusters)),
    counts.white_cells && plural(counts.white_cells, "white cell"),
    counts.platelets && plural(counts.platelets, "platelet"),
    counts.artefacts && plural(counts.artefacts, "artefact"),
  ].filter(Boolean);
  return [
    element("p", { class: sufficiency.sufficient ? "" : "notice" }, sufficiency.reason),
    detection && element("p", { class: detection.decision === "distinguishable" ? "" : "notice" }, sentence(detection.sentence)),
    others.length > 0 && element("p", { class: "faint" }, texts.count.notCounted(others.join(", "))),
  ];
}

/** Creates the slider of the decision threshold. */
function thresholdSlider(counted, stored, signal) {
  const slider = element("input", { type: "range", id: "threshold", min: "0.01", max: "0.99", step: "any" });
  const output = element("output", { for: "threshold" });
  const reset = button("", () => store(null), { class: "quiet" });
  const node = element("div", { class: "threshold" }, element("label", { for: "threshold" }, texts.threshold.label), slider, output,
    reset, element("p", { class: "faint" }, texts.threshold.hint));
  let record;
  let rest = 0;
  let asked = new AbortController();
  function write(threshold) {
    output.textContent = probability(threshold);
    slider.setAttribute("aria-valuetext", probability(threshold));
    show(reset, threshold !== record.model_threshold);
  }
  const chosen = () => Number(Number(slider.value).toFixed(3));
  slider.addEventListener("input", () => {
    write(chosen());
    clearTimeout(rest);
    rest = setTimeout(ask, REST_MS);
  });
  slider.addEventListener("change", () => store(chosen()));
  async function ask() {
    // Only the latest answer is drawn.
    asked.abort();
    asked = new AbortController();
    try {
      const threshold = chosen();
      const count = await countAt(record.id, threshold, asked.signal);
      counted(count, threshold);
      if (count.parasitaemia) announce(texts.count.announced(percentage(count.parasitaemia.value)));
    } catch (error) {
      if (error.name !== "AbortError") showMessage(error.message);
    }
  }
  async function store(threshold) {
    clearTimeout(rest);
    asked.abort();
    const focused = document.activeElement === reset;
    try {
      await changeCase(record.id, { threshold });
      await stored();
    } catch (error) {
      showMessage(error.message);
    }
    if (focused) slider.focus();
  }
  signal.addEventListener("abort", () => (clearTimeout(rest), asked.abort()));
  function update(next) {
    record = next;
    // A refresh must not move the slider under the pointer.
    if (!slider.matches(":active")) slider.value = record.threshold;
    fill(reset, texts.threshold.reset(probability(record.model_threshold)));
    write(record.threshold);
  }
  return { node, update };
}
