// What is still to be reviewed. The server sorts it: the most doubtful objects first, skipped ones last.

import { reviewQueue } from "./api.js";
import { settled } from "./verdicts.js";

/** The number of objects that are asked for at once. */
export const AT_ONCE = 200;
/** More are asked for when fewer than this are left. */
const FEW = 20;

const keyOf = (object) => `${object.image}/${object.number}`;

/** Creates the queue of a case from the server's first answer. */
export function createQueue(id, answer, signal) {
  let objects = answer.objects;
  let left = answer.left;
  let asking = null;
  /** What has a verdict that the server may not have stored yet. */
  const decided = new Set();

  /** Asks for more. What waits to be stored is stored first, so that it is not among the answer. */
  async function ask() {
    await settled();
    const more = await reviewQueue(id, AT_ONCE, signal);
    const known = new Set([...objects.map(keyOf), ...decided]);
    const added = more.objects.filter((object) => !known.has(keyOf(object)));
    objects = [...objects, ...added];
    left = Math.max(left, objects.length);
    return added.length > 0;
  }
  return {
    /** Returns the object to review; `null` if there is none. */
    current: () => objects[0] ?? null,
    /** Returns the objects after it. */
    next: (count) => objects.slice(1, 1 + count),
    /** Returns how many have no verdict. */
    left: () => left,
    /** Goes to the next object. */
    advance(isDecided) {
      const [object, ...others] = objects;
      objects = others;
      if (!isDecided) return;
      decided.add(keyOf(object));
      left -= 1;
    },
    /** Makes an object the current one again. */
    putBack(object, wasDecided) {
      objects = [object, ...objects.filter((each) => keyOf(each) !== keyOf(object))];
      decided.delete(keyOf(object));
      if (wasDecided) left += 1;
    },
    /** Asks for more objects if few are left. Returns whether some were added to a queue that was empty. */
    async refill() {
      if (objects.length >= FEW || objects.length >= left) return false;
      asking ??= ask().finally(() => (asking = null));
      const wasEmpty = objects.length === 0;
      return (await asking) && wasEmpty;
    },
  };
}
