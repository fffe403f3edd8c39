// The conversation on the screen. It keeps the views of messages that stay, so nothing jumps when one is added.
import { h } from "./dom.js";
import { MessageView } from "./message.js";
import { facts } from "./models.js";
import { parentOf, path } from "./tree.js";

const EXAMPLES = [
  ["Learn", "What is photosynthesis?"],
  ["Code", "Write a Python function that reverses a string."],
  ["Write", "Write a short poem about the sea."],
  ["Plan", "What can I cook with rice and eggs?"],
];

export class Thread {
  #views = new Map();
  #conversation = null;

  constructor(target, models, actions) {
    Object.assign(this, { target, models, actions: { ...actions, rewrite: (message) => this.#rewrite(message) } });
  }

  /** Shows the conversation; `model` is what an empty one introduces. */
  show(conversation, model) {
    if (conversation !== this.#conversation) this.#views.clear();
    this.#conversation = conversation;
    const shown = path(conversation);
    if (!shown.length) return this.#welcome(model);
    const kept = new Map();
    for (const message of shown) {
      const old = this.#views.get(message.id);
      const view = old?.message === message ? old : new MessageView(conversation, message, this.actions);
      if (old === view) view.update();
      kept.set(message.id, view);
    }
    this.#views = kept;
    const wanted = [...kept.values()].map((view) => view.element);
    for (const child of [...this.target.children]) if (!wanted.includes(child)) child.remove();
    wanted.forEach((element, at) => {
      if (this.target.children[at] !== element) this.target.insertBefore(element, this.target.children[at] ?? null);
    });
  }

  grow(message, progress) {
    this.#views.get(message.id)?.update(progress);
  }

  /** Opens the last question for editing; false where there is none. */
  editLast() {
    const last = [...this.#views.values()].findLast((view) => view.message.role === "user");
    last?.edit();
    return Boolean(last);
  }

  /** Opens the question that `answer` could not answer for editing. */
  #rewrite(answer) {
    this.#views.get(parentOf(this.#conversation, answer).id)?.edit();
  }

  #welcome(model) {
    this.#views.clear();
    const example = ([kind, text]) => h("button", { type: "button", class: "example", onclick: () => this.actions.ask(text) },
      h("span", { class: "example-kind" }, kind), h("span", {}, text));
    const shown = model ? [
      h("h1", {}, model.title ?? model.name),
      h("p", { class: "welcome-facts" }, ...facts(model).map((fact) => h("span", {}, fact))),
      h("div", { class: "examples" }, ...EXAMPLES.map(example)),
    ] : this.#without();
    this.target.replaceChildren(h("section", { class: "welcome", "aria-label": "New conversation" }, ...shown));
  }

  /** What is said where no model is known: nothing, until the house has answered. */
  #without() {
    if (this.models.withheld) return [h("h1", {}, "Sign in to ask")];
    if (!this.models.loaded) return [];
    return [h("h1", {}, "No model yet"), h("p", {}, "Get one with ", h("code", {}, "freehold pull smollm2-135m-instruct"), ", then reload.")];
  }
}
