// The six stops from closed to open science, with how many models stand at each: a picture, a legend and a filter in one.
import { h } from "./dom.js";
import { capital } from "./models-words.js";

export class Stops {
  #label = "";

  /** `change(label)` is called with the levels chosen, as digits: "34". None chosen is "". */
  constructor(element, change) {
    this.element = element;
    this.change = change;
  }

  fill(names) {
    this.buttons = names.map((name, level) => this.#button(name, level));
    this.element.replaceChildren(...this.buttons.map(({ button }) => button));
  }

  /** `rows` are those that fit everything but this filter, `label` the levels that are chosen. */
  show(rows, label) {
    this.#label = label;
    const counts = this.buttons.map(() => ({ sure: 0, perhaps: 0 }));
    for (const row of rows) if (row.label) counts[row.label[0]][row.label[0] === row.label[1] ? "sure" : "perhaps"] += 1;
    const most = Math.max(1, ...counts.map(({ sure, perhaps }) => sure + perhaps));
    this.buttons.forEach((each, level) => draw(each, counts[level], most, label === "" ? null : label.includes(level)));
  }

  #button(name, level) {
    const sure = h("i", { class: "column sure" });
    const perhaps = h("i", { class: "column perhaps" });
    const figure = h("span", { class: "stop-count" });
    const button = h("button", { type: "button", class: "stop-button", "aria-pressed": "false", onclick: () => this.#toggle(level) },
      h("span", { class: "columns", "aria-hidden": "true" }, figure, perhaps, sure), h("i", { class: "mark", "aria-hidden": "true" }),
      h("span", { class: "stop-name" }, h("span", { class: "stop-level" }, `L${level} `), capital(name)));
    button.style.setProperty("--low", level / 5);
    return { button, sure, perhaps, figure, name, level };
  }

  #toggle(level) {
    const digits = new Set(this.#label);
    if (!digits.delete(String(level))) digits.add(String(level));
    this.change([...digits].sort().join(""));
  }
}

function draw({ button, sure, perhaps, figure, name, level }, count, most, chosen) {
  const all = count.sure + count.perhaps;
  sure.style.setProperty("--share", count.sure / most);
  perhaps.style.setProperty("--share", count.perhaps / most);
  figure.textContent = all;
  button.setAttribute("aria-pressed", String(chosen === true));
  button.classList.toggle("aside", chosen === false);
  const more = count.perhaps ? `, of which ${count.perhaps} might be more open` : "";
  button.setAttribute("aria-label", `L${level} ${name}: ${all}${more}`);
}
