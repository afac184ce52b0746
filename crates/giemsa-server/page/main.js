// Shows the view of the address, which is the part after `#`: reloading, links and the back button work.

import { RequestError } from "./api.js";
import { button, element, fill } from "./elements.js";
import { texts } from "./texts.js";
import { showCase } from "./case.js";
import { showPhotograph } from "./photograph.js";
import { showReview } from "./review.js";
import { showStart } from "./start.js";
import { watchDrops } from "./drop.js";
import { hasUploads } from "./uploads.js";
import { hasUnstored, settled } from "./verdicts.js";

/** The views. Each returns an element, whose first heading is the title of the page. What it starts ends with the signal. */
const ROUTES = [
  [/^#?\/?$/, showStart],
  [/^#\/cases\/(\d+)$/, showCase],
  [/^#\/cases\/(\d+)\/photo\/(\d+)$/, showPhotograph],
  [/^#\/cases\/(\d+)\/review$/, showReview],
];

const main = document.getElementById("main");
const scrolls = new Map();
let leave = new AbortController();
let shown = null;
let isLink = false;

/** Shows the view of the present address. */
async function showAddress() {
  const address = location.hash;
  if (shown !== null) scrolls.set(shown, scrollY);
  const isFirst = shown === null;
  const isBack = !isLink && scrolls.has(address);
  [shown, isLink] = [address, false];
  document.querySelector("dialog[open]")?.close("");
  leave.abort();
  leave = new AbortController();
  const { signal } = leave;
  const busy = setTimeout(() => fill(main, element("p", { class: "loading" }, texts.loading)), 400);
  const view = await viewOf(address, signal).catch((error) => (signal.aborted ? null : failure(error)));
  clearTimeout(busy);
  if (signal.aborted) return;
  fill(main, view);
  const heading = main.querySelector("h1");
  document.title = heading && address.length > 2 ? `${heading.textContent} – ${texts.brand}` : texts.title;
  scrollTo(0, isBack ? scrolls.get(address) : 0);
  if (!isFirst) focusHeading(heading);
}

async function viewOf(address, signal) {
  // Verdicts of the view before are part of what the next one shows.
  await settled();
  for (const [pattern, view] of ROUTES) {
    const match = pattern.exec(address);
    if (match) return view(match.slice(1).map(Number), signal);
  }
  throw new RequestError(texts.errors.address, 404);
}

function focusHeading(heading) {
  const target = heading ?? main;
  target.tabIndex = -1;
  target.focus({ preventScroll: true });
}

function failure(error) {
  if (!(error instanceof RequestError)) console.error(error);
  const again = button(texts.again, showAddress, { class: "primary" });
  const start = element("a", { href: "#/" }, texts.nav.start);
  return element("div", { class: "failure", role: "alert" },
    element("h1", {}, error.status === 404 ? texts.errors.missing : texts.errors.failed),
    element("p", {}, error.message), element("p", { class: "actions" }, again, start));
}

addEventListener("hashchange", showAddress);
document.addEventListener("click", (event) => (isLink = event.target.closest?.('a[href^="#/"]') !== null));
document.querySelector(".skip-link").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
addEventListener("beforeunload", (event) => {
  if (hasUploads() || hasUnstored()) event.preventDefault();
});
if ("scrollRestoration" in history) history.scrollRestoration = "manual";
watchDrops();
showAddress();
