// The box one writes in: grows with its text, sends with Enter, keeps drafts, turns into a stop button while answering.
import { byId } from "./dom.js";

const TALLEST_PX = 240;

/** `actions`: send(text), stop(), editLast() → whether there was a question to edit. */
export class Composer {
  #conversation = null;
  #hasty = false;

  constructor(store, actions) {
    Object.assign(this, { store, actions, box: byId("question"), answering: false });
    this.box.addEventListener("input", () => this.#changed());
    this.box.addEventListener("keydown", (event) => this.#key(event));
    byId("send").addEventListener("click", () => (this.answering ? this.actions.stop() : this.send()));
  }

  /** Shows the draft of the conversation. What was written before the page was ready goes before it. */
  open(conversation) {
    const early = this.#conversation === null && this.box.value;
    this.#conversation = conversation;
    if (early) return this.#hasty ? this.send() : this.#changed();
    this.box.value = this.store.draft(conversation.id);
    this.#fit();
    this.#button();
  }

  show({ answering, model, models }) {
    this.answering = answering;
    const none = models.withheld ? "Sign in to ask" : models.loaded ? "No model to ask" : "";
    this.box.placeholder = model ? `Ask ${model.title ?? model.name}` : none;
    this.#button();
  }

  focus() {
    this.box.focus();
  }

  #key(event) {
    // keyCode 229: Safari ends a composition before the Enter that confirmed it arrives.
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      if (!this.answering) this.send();
    } else if (event.key === "ArrowUp" && !this.box.value && !this.answering && this.actions.editLast()) event.preventDefault();
  }

  /** Sends what is in the box, if anything is. */
  send() {
    const text = this.box.value.trim();
    this.#hasty = !this.#conversation;
    if (!text || this.#hasty) return;
    // Before sending, because a conversation's first question gives its draft another place.
    this.store.keepDraft(this.#conversation.id, "");
    if (this.actions.send(text)) this.box.value = "";
    this.#changed();
  }

  #changed() {
    if (this.#conversation) this.store.keepDraft(this.#conversation.id, this.box.value);
    this.#fit();
    this.#button();
  }

  #fit() {
    this.box.style.height = "auto";
    this.box.style.height = `${Math.min(this.box.scrollHeight, TALLEST_PX)}px`;
  }

  #button() {
    const button = byId("send");
    const label = this.answering ? "Stop answering" : "Send";
    button.disabled = !this.answering && !this.box.value.trim();
    button.setAttribute("aria-label", label);
    button.title = this.answering ? "Stop answering (Esc)" : "Send (Enter)";
    button.querySelector("use").setAttribute("href", this.answering ? "#i-stop" : "#i-send");
  }
}
