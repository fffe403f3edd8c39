// What the page says of itself: a passing notice with an undo, and the banner while the house is out of reach.
import { byId, h } from "./dom.js";
import { isReady } from "./house.js";

const SHOWN_MS = 8000;
const RETRY_MS = [1000, 2000, 4000, 8000];
let timer = 0;

/** A notice that goes by itself; with `undo`, a button that takes the deed back. */
export function notice(text, undo = null) {
  clearTimeout(timer);
  const close = () => byId("notices").replaceChildren();
  const takeBack = () => {
    close();
    undo();
  };
  const button = undo && h("button", { type: "button", onclick: takeBack }, "Undo");
  byId("notices").replaceChildren(h("div", { class: "notice" }, text, button));
  timer = setTimeout(close, SHOWN_MS);
}

/** Shows that the house does not answer and keeps asking; `back` is called once it answers again. */
export class Connection {
  #away = false;
  #tries = 0;
  #timer = 0;

  constructor(back) {
    this.back = back;
    byId("reconnect").addEventListener("click", () => this.#try());
    addEventListener("online", () => this.#away && this.#try());
  }

  lost() {
    if (this.#away) return;
    this.#away = true;
    this.#tries = 0;
    byId("away").hidden = false;
    this.#later();
  }

  #later() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#try(), RETRY_MS[Math.min(this.#tries, RETRY_MS.length - 1)]);
    this.#tries += 1;
  }

  async #try() {
    if (!(await isReady())) return this.#later();
    clearTimeout(this.#timer);
    this.#away = false;
    byId("away").hidden = true;
    this.back();
  }
}
