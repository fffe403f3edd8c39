// The drawings: a model's place between closed and open science, and its two axes. They are never added up. What is
// shown to hold is a filled dot or cell, what may also be is striped, and what nobody can say of a model is dashed.
import { h } from "./dom.js";
import { capital, levels, meaning } from "./models-words.js";

export const LAST = 5;

/** The line from L0 to L5 with the model on it. `label` null: nothing is known. It is decoration: say it beside. */
export function track(label, kind = "track") {
  if (label === null) return h("span", { class: `${kind} blank`, "aria-hidden": "true" });
  const [low, high] = label;
  const line = h("span", { class: kind, "aria-hidden": "true" }, ...Array.from({ length: LAST + 1 }, (_, at) => {
    const stop = h("i", { class: "stop" });
    stop.style.setProperty("--at", at / LAST);
    return stop;
  }));
  line.style.setProperty("--low", low / LAST);
  line.style.setProperty("--high", high / LAST);
  if (low < high) line.append(h("i", { class: "span" }), h("i", { class: "best" }));
  line.append(h("i", { class: "dot" }));
  return line;
}

/** Cells of one axis, as many as it has steps above nothing. */
export function cells([low, high], most) {
  return h("span", { class: "cells", "aria-hidden": "true" }, ...Array.from({ length: most }, (_, at) =>
    h("i", { class: at < low ? "cell full" : at < high ? "cell maybe" : "cell" })));
}

/** One axis beside the track: its letter, its cells, its level; its meaning for who hears it. */
export function axis(letter, bounds, words) {
  const said = `${letter === "F" ? "License" : "Published"} ${levels(letter, bounds)}: ${meaning(words, bounds)}`;
  return h("span", { class: "axis", title: said },
    h("span", { class: "axis-name", "aria-hidden": "true" }, levels(letter, bounds)), cells(bounds, words.length - 1),
    h("span", { class: "visually-hidden" }, `. ${said}`));
}

/** The label in words: "L3 open weights", or "L1–5 restricted, perhaps up to open science". */
export function labelWords(label, names) {
  if (label === null) return "Not in the catalog";
  const [low, high] = label;
  const said = `${levels("L", label)} ${names[low]}`;
  return low === high ? said : `${said}, perhaps ${names[high]}`;
}

/** The same axis with every level named, for the paper. */
export function ladder(letter, bounds, words) {
  const [low, high] = bounds;
  return h("ol", { class: "ladder", start: 0 }, ...words.map((means, at) => {
    const here = at === low && low === high ? "here" : at === low ? "shown" : at === high ? "possible" : at > low && at < high ? "between" : "";
    const note = { here: "", shown: "shown", possible: "possible", between: "" }[here];
    return h("li", { class: `rung ${here} ${at <= low ? "reached" : at <= high ? "maybe" : ""}`, "aria-current": here === "here" || here === "shown" ? "true" : undefined },
      h("span", { class: "rung-level" }, `${letter}${at}`), h("span", {}, capital(means)),
      note && h("span", { class: "rung-note" }, note));
  }));
}
