// The requests of the page. Every failure is a `RequestError` with a message for people.

import { texts } from "./texts.js";

/** How often a request that the server has no time for is sent again, unless the caller says otherwise. */
const TRIES_IF_BUSY = 6;

/** A request that failed. */
export class RequestError extends Error {
  /** @param {number} status of HTTP; 0 if the server was not reached */
  constructor(message, status) {
    super(message);
    this.status = status;
  }
  get isOffline() {
    return this.status === 0;
  }
}

/** Sends a request, and again after the time that a busy server asks for. Returns the JSON of the answer, if it has one. */
async function send(method, path, { json, body, signal, tries = TRIES_IF_BUSY, onbusy } = {}) {
  const headers = json === undefined ? {} : { "Content-Type": "application/json" };
  for (let attempt = 1; ; attempt += 1) {
    const response = await reach(path, { method, headers, signal, body: json === undefined ? body : JSON.stringify(json) });
    if (response.ok) return response.status === 204 ? null : response.json();
    if (![503, 429].includes(response.status) || attempt >= tries) throw await problem(response);
    onbusy?.();
    await pause(1000 * (Number(response.headers.get("Retry-After")) || 1), signal);
  }
}

async function reach(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new RequestError(texts.errors.offline, 0);
  }
}

async function problem(response) {
  if (response.status === 401) return new RequestError(texts.errors.login, 401);
  const { title, detail } = await response.json().catch(() => ({}));
  return new RequestError(detail || title || texts.errors.status(response.status), response.status);
}

function pause(delayMs, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, delayMs);
    signal?.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason)), { once: true });
  });
}

const get = (path, signal) => send("GET", path, { signal });

export const listCases = (signal) => get("/api/cases", signal);
export const getCase = (id, signal) => get(`/api/cases/${id}`, signal);
export const createCase = (name) => send("POST", "/api/cases", { json: { name } });
export const changeCase = (id, changes) => send("PATCH", `/api/cases/${id}`, { json: changes });
export const deleteCase = (id) => send("DELETE", `/api/cases/${id}`);
export const recount = (id) => send("POST", `/api/cases/${id}/recount`);
export const countAt = (id, threshold, signal) => get(`/api/cases/${id}/count?threshold=${threshold}`, signal);
export const objectsOf = (id, image, signal) => get(`/api/cases/${id}/objects?image=${image}`, signal);
export const reviewQueue = (id, limit, signal) => get(`/api/cases/${id}/review?limit=${limit}`, signal);
export const addExample = (id) => send("POST", `/api/cases/${id}/example`);
export const deleteImage = (id, image) => send("DELETE", `/api/cases/${id}/images/${image}`);
export const giveVerdict = (id, verdict) => send("POST", `/api/cases/${id}/verdicts`, { json: verdict, tries: 3 });
export const undoVerdict = (id, reviewer) => send("POST", `/api/cases/${id}/verdicts/undo`, { json: { reviewer } });

/** Adds a file to a case. Waits as long as the server is busy. */
export function addImage(id, file, kind, onbusy) {
  const path = `/api/cases/${id}/images?kind=${kind}&name=${encodeURIComponent(file.name)}`;
  return send("POST", path, { body: file, tries: Infinity, onbusy });
}

/** Addresses of pictures and downloads. */
export const urls = {
  image: (image) => `/api/images/${image}/file`,
  picture: (image, number) => `/api/images/${image}/objects/${number}/picture`,
  saliency: (image, number) => `/api/images/${image}/objects/${number}/saliency`,
  report: (id) => `/api/cases/${id}/report.html`,
  cells: (id) => `/api/cases/${id}/export/cells.csv`,
  coco: (id) => `/api/cases/${id}/export/coco.json`,
  training: (id) => `/api/export/training.zip${id ? `?case=${id}` : ""}`,
};
