// The table: one row for each model, built once, then only shown, hidden and put in order.
import { h, icon } from "./dom.js";
import { fitCell } from "./models-fit.js";
import { axis, labelWords, track } from "./models-spectrum.js";
import { capital, freedom, month, size, tokens } from "./models-words.js";

const COLUMNS = [
  ["Model", ["name"]], ["Size", ["size", "-size"]], ["License", ["freedom"]], ["Openness", ["openness"]],
  ["Fits here", ["fits"]], ["Verdict", ["verdict"]], ["Here", ["here"]],
];
const DESCENDING = new Set(["-size", "freedom", "openness", "fits", "here"]);

export class Table {
  #rows = new Map();

  /** `on`: `open(name)` when a paper is asked for, `sort(key)` when a column's head is; `link(name)` is a paper's URL. */
  constructor(room, on) {
    this.on = on;
    this.body = h("tbody", { role: "rowgroup" });
    this.heads = COLUMNS.map(([name, sorts]) => this.#head(name, sorts));
    this.element = h("table", { role: "table", "aria-label": "Models" },
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, ...this.heads)), this.body);
    room.replaceChildren(this.element);
  }

  /** Draws every row anew. `words` are the meanings of the levels. */
  fill(rows, words, { judged }) {
    this.element.classList.toggle("judged", judged);
    this.#rows = new Map(rows.map((row) => [row.name, this.#row(row, words)]));
  }

  /** Shows `rows`, in their order, and no others. Where nothing changes nothing is touched, so that the focus stays. */
  show(rows, sort) {
    const wanted = rows.map((row) => this.#rows.get(row.name));
    const here = this.body.children;
    if (wanted.length !== here.length || wanted.some((each, at) => each !== here[at])) this.body.replaceChildren(...wanted);
    COLUMNS.forEach(([, sorts], at) => {
      const here = sorts.includes(sort);
      this.heads[at].setAttribute("aria-sort", !here ? "none" : DESCENDING.has(sort) ? "descending" : "ascending");
    });
    this.sort = sort;
  }

  /** Says of every row what fits, once the house has answered. */
  tellFits(rows) {
    for (const row of rows) this.#rows.get(row.name)?.querySelector(".c-fits").replaceChildren(...fitCell(row.brief));
  }

  link(name) {
    return this.#rows.get(name)?.querySelector(".title");
  }

  #head(name, sorts) {
    const next = () => this.on.sort(sorts[(sorts.indexOf(this.sort) + 1) % sorts.length]);
    return h("th", { role: "columnheader", scope: "col", class: `c-${name.split(" ")[0].toLowerCase()}`, "aria-sort": "none" },
      h("button", { type: "button", onclick: next }, name, icon("down")));
  }

  #row(row, words) {
    return h("tr", { role: "row" },
      h("th", { role: "rowheader", scope: "row", class: "c-model" }, this.#title(row),
        h("span", { class: "sub" }, [row.publisher ?? "Publisher unknown", row.released && month(row.released)].filter(Boolean).join(" · "))),
      h("td", { role: "cell", class: "c-size" }, ...sizeOf(row)),
      h("td", { role: "cell", class: "c-license" }, h("span", { class: known(row.license_name) ? "license-name" : "license-name unknown" }, row.license_name ?? "unknown"),
        row.freedom && h("span", { class: "sub" }, freedom(row.freedom))),
      h("td", { role: "cell", class: "c-openness" }, track(row.label), h("div", { class: "place-line" },
        h("span", { class: "label" }, labelWords(row.label, words.labels)),
        row.label && h("span", { class: "axes" }, axis("F", row.freedom, words.freedom), axis("T", row.published, words.published)))),
      h("td", { role: "cell", class: "c-fits" }, ...fitCell(row.brief)),
      h("td", { role: "cell", class: "c-verdict" }, row.verdict ? verdict(row.verdict) : h("span", { class: "sub unknown" }, "unknown")),
      h("td", { role: "cell", class: "c-here" }, ...here(row)));
  }

  #title(row) {
    return h("a", {
      class: "title", href: this.on.link(row.name),
      onclick: (event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        this.on.open(row.name);
      },
    }, row.title);
  }
}

export const verdict = (decision) => h("span", { class: `verdict ${decision.replaceAll(" ", "-")}` }, capital(decision));

const known = (name) => name !== null && name !== "unknown";

function sizeOf(row) {
  const more = [row.active_parameters && `${size(row.active_parameters)} active`, row.context_tokens && `${tokens(row.context_tokens)} context`];
  return [
    h("span", { class: row.parameters !== null ? "figure" : "figure unknown" }, size(row.parameters)),
    ...more.filter(Boolean).map((text) => h("span", { class: "sub" }, text)),
  ];
}

function here(row) {
  if (row.held.length) {
    const endpoint = row.held.find((each) => each.endpoint)?.endpoint;
    return [h("span", { class: "held" }, icon("check"), "Held"), endpoint && chatLink(endpoint, row.title)];
  }
  const place = row.pullable ? "Can be pulled" : row.weights === "withheld" ? "A service" : null;
  return [place && h("span", { class: "sub" }, place)];
}

/** A link to a conversation with an endpoint. */
export const chatLink = (endpoint, title) =>
  h("a", { class: "chat", href: `/?model=${encodeURIComponent(endpoint)}`, "aria-label": `Chat with ${title}` }, icon("chat"), "Chat");
