// Numbers as texts, as the reports of giemsa write them.

/** Writes a count with a comma between groups of three digits. */
export function grouped(count) {
  return Math.round(count).toLocaleString("en-US");
}

/** Writes a fraction as a percentage with two significant digits. */
export function percentage(fraction) {
  const decimals = (value) => (value > 0 ? Math.min(Math.max(1 - Math.floor(Math.log10(value)), 0), 6) : 0);
  const percent = Number((100 * fraction).toFixed(decimals(100 * fraction)));
  return `${percent.toFixed(decimals(percent))} %`;
}

/** Writes the ends of an interval of fractions, with one unit. */
export function percentInterval({ low, high }) {
  return `${percentage(low).replace(" %", "")} to ${percentage(high)}`;
}

/** Writes a density with two significant digits: a count allows no more. */
export function density(value) {
  return grouped(Number(value.toPrecision(2)));
}

/** Writes a probability or a threshold; a dash if there is none. */
export function probability(value) {
  if (value === null || value === undefined) return "–";
  if (value > 0.9995 && value < 1) return "> 0.999";
  if (value < 0.0005 && value > 0) return "< 0.001";
  return value.toFixed(3);
}

/** Writes a number with its noun: `plural(1, "cell")` is "1 cell". */
export function plural(count, one, many = `${one}s`) {
  return `${grouped(count)} ${count === 1 ? one : many}`;
}

/** Writes a fraction in words: "about 52 of 1,000". */
export function perThousand(fraction) {
  const whole = [1000, 10_000, 100_000].find((size) => fraction * size >= 9.5) ?? 1_000_000;
  return `about ${grouped(fraction * whole)} of ${grouped(whole)}`;
}

/** Writes a time (RFC 3339) in the reader's zone. */
export function time(text) {
  return new Date(text).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

/** Begins a sentence with a capital letter and ends it with a full stop. */
export function sentence(text) {
  return text && `${text[0].toUpperCase()}${text.slice(1)}${text.endsWith(".") ? "" : "."}`;
}
