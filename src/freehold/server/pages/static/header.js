// The bar above the conversation: which model answers, where it runs, how much of its context is used.
import { byId, h } from "./dom.js";
import { openMenu } from "./menu.js";
import { facts, place } from "./models.js";
import { count, DASH } from "./numbers.js";
import { path } from "./tree.js";

/** `choose(model)` is called when another model is picked. */
export class Header {
  constructor(models, choose) {
    Object.assign(this, { models, choose, current: null });
    byId("model").addEventListener("click", () => this.pick());
  }

  pick() {
    if (!this.models.list.length) return;
    openMenu(byId("model"), "Model", this.models.list.map((each) => ({
      label: each.title ?? each.name, detail: [each.title ? each.name : null, ...facts(each)].filter(Boolean).join(" · "),
      badge: place(each).word, checked: each.name === this.current, disabled: !this.models.pickable(each), action: () => this.choose(each),
    })));
  }

  show(conversation) {
    this.current = conversation.model;
    const model = this.models.find(conversation.model);
    const name = model?.title ?? model?.name ?? conversation.model ?? (this.models.loaded ? "No model" : DASH);
    const badge = place(model).word;
    const gone = !model && conversation.model && this.models.loaded ? "not offered now" : null;
    byId("model-name").replaceChildren(h("span", { class: "ellipsis" }, name), ...(badge || gone ? [h("span", { class: `badge ${badge ?? "gone"}` }, badge ?? gone)] : []));
    byId("model").setAttribute("aria-label", `Model: ${[name, badge ?? gone].filter(Boolean).join(", ")}`);
    byId("place").textContent = place(model).sentence;
    byId("place").classList.toggle("leaves", model?.kind === "remote");
    this.#context(conversation, model?.contextTokens ?? null);
  }

  #context(conversation, total) {
    const used = usedTokens(conversation);
    const text = `${count(used)} / ${count(total)}`;
    byId("context-figure").textContent = text;
    byId("context").setAttribute("aria-label", `Context: ${used === null ? "unknown" : count(used)} of ${total === null ? "an unknown number of" : count(total)} tokens used`);
    byId("context").title = `Tokens of the model's context used by this conversation, counted by the engine (${DASH} is unknown)`;
    const known = used !== null && total !== null;
    byId("context-bar").hidden = !known;
    if (!known) return;
    byId("context-bar").max = total;
    byId("context-bar").high = total * 0.8;
    byId("context-bar").value = used;
  }
}

/** Tokens of the last answer and everything before it; null before the engine has counted. */
function usedTokens(conversation) {
  const last = path(conversation).findLast((message) => message.stats?.promptTokens);
  const { promptTokens, answerTokens } = last?.stats ?? {};
  return promptTokens === undefined || promptTokens === null ? null : promptTokens + (answerTokens ?? 0);
}
