// Building elements. Text is always text here: only markdown.js turns a string into HTML.

/** An element with properties (`class`, `on…` listeners, `data-…`/`aria-…` attributes, else properties) and children. */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null) continue;
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name.includes("-") || name === "role" || name === "for") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** An icon from the page's set (views/icons.svg); it says nothing to a screen reader, its button does. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** A button that shows an icon only; `label` is its name and its tooltip. */
export function iconButton(name, label, onclick, props = {}) {
  return h("button", { type: "button", class: "icon-button", "aria-label": label, title: label, onclick, ...props }, icon(name));
}

/** The parts of a plain sentence in which `backticks` mark what is typed. */
export function coded(text) {
  const parts = text.split("`");
  return parts.length % 2 ? parts.map((part, at) => (at % 2 ? h("code", {}, part) : part)) : [text];
}

export const byId = (id) => document.getElementById(id);

/** Copies text, also where the page is not a secure context (plain http in a local network). */
export async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = h("textarea", { value: text, class: "visually-hidden" });
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  if (!copied) throw new Error("The browser refused to copy.");
}

/** Copies and shows on the button that it did. */
export async function copyWithButton(button, text) {
  const label = button.getAttribute("aria-label");
  const use = button.querySelector("use");
  const before = use.getAttribute("href");
  try {
    await copyText(text);
    use.setAttribute("href", "#i-check");
    button.setAttribute("aria-label", "Copied");
  } catch {
    button.setAttribute("aria-label", "Copying was refused");
  }
  announce(button.getAttribute("aria-label"));
  setTimeout(() => {
    use.setAttribute("href", before);
    button.setAttribute("aria-label", label);
  }, 1600);
}

/** Says something to screen readers once, politely. */
export function announce(text) {
  const region = byId("announcer");
  region.textContent = "";
  requestAnimationFrame(() => { region.textContent = text; });
}
