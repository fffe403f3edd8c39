// What the house drew: the one place of the Usage and the Admin page where a string becomes HTML.
import { byId } from "./dom.js";
import { ask } from "./house.js";

const policy = globalThis.trustedTypes?.createPolicy("freehold", { createHTML: (html) => html });
const shown = new WeakMap();

/** Shows `html` in `element`. What has the keyboard's focus there keeps it, by its id. */
export function show(element, html) {
  if (shown.get(element) === html) return;
  shown.set(element, html);
  const held = element.contains(document.activeElement) ? document.activeElement.id : "";
  element.innerHTML = policy ? policy.createHTML(html) : html;
  if (held) byId(held)?.focus({ preventScroll: true });
}

export function clear(element) {
  shown.delete(element);
  element.replaceChildren();
}

/** The house's drawing at `path`. Throws HouseError. */
export const drawing = async (path) => (await ask(path, { accept: "text/html" })).text();
