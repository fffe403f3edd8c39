// One message on the screen: a question or an answer, with what can be done to it.
import { coded, copyWithButton, h, icon, iconButton } from "./dom.js";
import { Markdown } from "./markdown.js";
import { count, percent, rate, seconds } from "./numbers.js";
import { siblings } from "./tree.js";

// Refusals of the question itself: asked again as it is, it is refused again.
const FINAL = new Set(["context_length_exceeded", "unsupported"]);

/** `actions`: edit(message, text), again(message), retry(message), turn(message, step), rewrite(message),
 * offerKey(). */
export class MessageView {
  constructor(conversation, message, actions) {
    Object.assign(this, { conversation, message, actions });
    const mine = message.role === "user";
    this.element = h("article", { class: `message ${mine ? "question" : "answer"}`, "aria-label": mine ? "You" : `Answer of ${message.model}` });
    this.foot = h("footer", { class: "message-foot" });
    if (mine) this.#question();
    else this.#answer();
    this.update();
  }

  /** Shows the message as it is now; `progress` is how far its prompt has been read, null where unknown. */
  update(progress = null) {
    const { message } = this;
    if (message.role === "assistant") {
      this.element.classList.toggle("streaming", message.status === "streaming");
      this.element.setAttribute("aria-busy", String(message.status === "streaming"));
      if (message.text) this.markdown.show(message.text);
      this.#thought();
      this.#wait(progress);
      this.trouble.replaceChildren(...trouble(message, this.actions));
    }
    const state = `${message.status} ${JSON.stringify(message.stats)} ${siblings(this.conversation, message).length}`;
    if (state === this.shown) return;
    this.shown = state;
    this.foot.replaceChildren(...this.#footer());
  }

  #question() {
    this.bubble = h("div", { class: "bubble" }, this.message.text);
    this.element.append(this.bubble, this.foot);
  }

  #answer() {
    this.body = h("div", { class: "prose" });
    this.thinking = h("details", { class: "thinking", hidden: true }, h("summary", {}, "Thoughts"), h("div", { class: "plain" }));
    this.waiting = h("div", { class: "waiting" });
    this.trouble = h("div", { class: "trouble-place" });
    this.markdown = new Markdown(this.body);
    const who = h("div", { class: "who" }, icon("mark"), this.message.model);
    this.element.append(who, this.thinking, this.body, this.waiting, this.trouble, this.foot);
  }

  #thought() {
    this.thinking.hidden = !this.message.reasoning;
    if (this.message.reasoning) this.thinking.lastElementChild.textContent = this.message.reasoning;
  }

  #wait(progress) {
    const waits = this.message.status === "streaming" && !this.message.text;
    this.waiting.hidden = !waits;
    if (!waits) return this.waiting.replaceChildren();
    const reading = progress !== null;
    if (!this.waiting.children.length) this.waiting.append(h("span", { class: "dots" }, h("i"), h("i"), h("i")), h("span", {}), h("progress", { max: 1 }));
    const [, label, bar] = this.waiting.children;
    label.textContent = reading ? `Reading the prompt, ${percent(progress)}` : "";
    bar.hidden = !reading;
    bar.setAttribute("aria-label", "Prompt read");
    if (reading) bar.value = progress;
  }

  #footer() {
    const { message, actions } = this;
    const copy = iconButton("copy", "Copy message", () => copyWithButton(copy, message.text));
    const turns = this.#turns();
    if (message.role === "user") return [iconButton("edit", "Edit and ask again", () => this.edit()), copy, ...turns];
    if (message.status === "streaming") return [];
    const again = iconButton("again", "Answer again", () => actions.again(message));
    return [...(message.text ? [copy] : []), again, ...turns, ...(message.text ? figures(message) : [])];
  }

  #turns() {
    const all = siblings(this.conversation, this.message);
    if (all.length < 2) return [];
    const at = all.indexOf(this.message);
    const what = this.message.role === "user" ? "question" : "answer";
    const step = (by, name, label, disabled) => iconButton(name, label, () => this.actions.turn(this.message, by), { disabled });
    return [
      h("span", { class: "turns", role: "group", "aria-label": `Versions of this ${what}` },
        step(-1, "left", `Previous ${what}`, at === 0), h("span", {}, `${at + 1} / ${all.length}`),
        step(1, "right", `Next ${what}`, at === all.length - 1)),
    ];
  }

  /** Turns the bubble into a box to edit the question in. */
  edit() {
    const box = h("textarea", { class: "edit-box", value: this.message.text, "aria-label": "Edit your question", rows: 2 });
    const close = () => {
      form.replaceWith(this.bubble);
      this.foot.hidden = false;
    };
    const send = () => {
      if (!box.value.trim()) return;
      close();
      this.actions.edit(this.message, box.value.trim());
    };
    box.addEventListener("keydown", (event) => {
      if (event.isComposing) return;
      if (event.key === "Enter" && !event.shiftKey) {
        event.preventDefault();
        send();
      } else if (event.key === "Escape") {
        event.stopPropagation();
        close();
        this.foot.querySelector("button")?.focus();
      }
    });
    const form = h("div", { class: "edit" }, box, h("div", { class: "edit-buttons" },
      h("button", { type: "button", class: "quiet", onclick: close }, "Cancel"),
      h("button", { type: "button", class: "primary", onclick: send }, "Ask again")));
    this.bubble.replaceWith(form);
    this.foot.hidden = true;
    box.style.height = `${Math.min(box.scrollHeight + 4, 320)}px`;
    box.focus();
    box.setSelectionRange(box.value.length, box.value.length);
  }
}

/** The figures that are known; what is not, is left out. */
function figures(message) {
  const { tokensPerSecond, firstTokenMs, answerTokens } = message.stats ?? {};
  const known = (value) => value !== null && value !== undefined;
  const figure = (value, show, unit, title) => (known(value) ? h("span", { class: "figure", title }, `${show(value)} ${unit}`) : null);
  const shown = [
    figure(tokensPerSecond, rate, "tokens/s", "Tokens per second, while answering"),
    figure(firstTokenMs, seconds, "to first token", "Time from asking to the first token, measured by this page"),
    figure(answerTokens, count, "tokens", "Tokens of the answer, counted by the engine"),
  ].filter(Boolean);
  return shown.length ? [h("span", { class: "figures", "aria-label": "Figures of this answer" }, ...shown)] : [];
}

function trouble(message, actions) {
  const retry = h("button", { type: "button", onclick: () => actions.retry(message) }, "Try again");
  if (message.status === "stopped") return [note("stop", "You stopped this answer.")];
  if (message.status === "interrupted") return [note("stop", "This answer was interrupted when the page was closed.", retry)];
  if (message.status === "complete" && message.finish === "length") return [note("stop", "The token limit ended this answer.")];
  if (message.status !== "failed") return [];
  const { error } = message;
  // How programs send a key is no word for a person, who signs in.
  const [text, key] = error.code === "invalid_api_key"
    ? ["You are not signed in any more.", h("button", { type: "button", onclick: actions.offerKey }, "Sign in")] : [error.message, null];
  const hint = !key && error.hint && !error.message.includes(error.hint) ? h("p", { class: "hint" }, ...coded(error.hint)) : null;
  const on = FINAL.has(error.code) ? h("button", { type: "button", onclick: () => actions.rewrite(message) }, "Edit") : retry;
  return [h("div", { class: "trouble", role: "alert" }, icon("warn"), h("div", {}, h("p", {}, ...coded(text)), hint, h("div", { class: "trouble-buttons" }, key, on)))];
}

const note = (name, text, ...more) => h("div", { class: "note" }, icon(name), text, ...more);
