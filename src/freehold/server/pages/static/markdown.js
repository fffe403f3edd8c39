// Markdown as it streams. The house renders it (and makes it safe); only the block that still grows is sent again.
import { ask } from "./house.js";
import { copyWithButton, h, iconButton } from "./dom.js";

const LONGEST = 60_000;
const PAUSE_MS = 90;

// The one place of the page where a string becomes HTML, and the string is what the house's sanitizer let through.
const policy = globalThis.trustedTypes?.createPolicy("freehold", { createHTML: (html) => html });

/** Shows a growing markdown text inside `target`. */
export class Markdown {
  #text = "";
  #settled = 0;
  #open = [];
  #working = null;

  constructor(target) {
    this.target = target;
  }

  /** Shows `text`, which starts with what was shown before. Resolves once all of it is rendered. */
  show(text) {
    this.#text = text.replace(/\r\n?/g, "\n");
    this.#working ??= this.#work();
    return this.#working;
  }

  async #work() {
    for (let shown = null; shown !== this.#text;) {
      const text = this.#text;
      const began = performance.now();
      const whole = await this.#pass(text);
      if (whole) shown = text;
      // A rendering that took long is asked for less often: the answer itself goes first.
      await new Promise((resolve) => setTimeout(resolve, whole ? Math.max(PAUSE_MS, 2 * (performance.now() - began)) : 0));
    }
    this.#working = null;
  }

  /** Renders what has not settled; false where the text is longer than one call takes. */
  async #pass(text) {
    const rest = text.slice(this.#settled);
    const slice = rest.length > LONGEST ? rest.slice(0, rest.lastIndexOf("\n", LONGEST) + 1 || LONGEST) : rest;
    const whole = slice.length === rest.length;
    let answer;
    try {
      answer = await (await ask("/ui/markdown", { body: { text: slice.toWellFormed?.() ?? slice } })).json();
    } catch {
      this.#replace([h("div", { class: "plain" }, rest)]);
      return true;
    }
    const settled = fragment(answer.settled_html);
    this.#settled += afterLines(slice, answer.settled_lines);
    if (!whole && answer.settled_lines === 0) {
      settled.append(fragment(answer.open_html));
      this.#settled += slice.length;
      answer.open_html = "";
    }
    this.#replace([...settled.childNodes], [...fragment(answer.open_html).childNodes]);
    return whole;
  }

  #replace(settled, open = null) {
    for (const node of this.#open) node.remove();
    this.target.append(...settled, ...(open ?? []));
    this.#open = open ?? settled;
  }
}

function afterLines(text, lines) {
  let at = 0;
  for (let line = 0; line < lines; line += 1) at = text.indexOf("\n", at) + 1 || text.length;
  return at;
}

function fragment(html) {
  const template = document.createElement("template");
  template.innerHTML = policy ? policy.createHTML(html) : html;
  for (const pre of template.content.querySelectorAll("pre")) frameCode(pre);
  for (const table of template.content.querySelectorAll("table")) {
    const frame = h("div", { class: "table-frame", tabIndex: 0, role: "region", "aria-label": "Table" });
    table.replaceWith(frame);
    frame.append(table);
  }
  return template.content;
}

function frameCode(pre) {
  const language = pre.dataset.language ?? "text";
  const copy = iconButton("copy", "Copy code", () => copyWithButton(copy, pre.textContent.replace(/\n$/, "")));
  const frame = h("figure", { class: "code" }, h("figcaption", {}, h("span", { class: "language" }, language), copy));
  pre.tabIndex = 0;
  pre.setAttribute("role", "region");
  pre.setAttribute("aria-label", `Code, ${language}`);
  pre.replaceWith(frame);
  frame.append(pre);
}
