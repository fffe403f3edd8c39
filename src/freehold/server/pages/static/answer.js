// One answer: the request it takes, the stream it comes from, the figures it leaves. It touches no element.
import { stream } from "./house.js";
import { path } from "./tree.js";

const SAVE_EVERY_MS = 800;

/** Streams an answer into `message`. Events on it: "grown" after each chunk, "ended" once. */
export class Answer extends EventTarget {
  progress = null;
  #abort = new AbortController();

  constructor(conversation, message, model, store) {
    super();
    Object.assign(this, { conversation, message, model, store });
  }

  stop() {
    this.#abort.abort();
  }

  async run() {
    this.message.status = "streaming";
    await this.store.save(this.conversation, { touch: true });
    await this.store.whileAnswering(this.conversation, this.message, () => this.#run());
    await this.#keep({ touch: true });
    this.dispatchEvent(new Event("ended"));
  }

  // A conversation deleted meanwhile stays deleted.
  async #keep(options) {
    if (this.store.get(this.conversation.id)) await this.store.save(this.conversation, options);
  }

  async #run() {
    const { message } = this;
    try {
      const { route, body } = request(this.conversation, message, this.model);
      await this.#read(stream(route, body, this.#abort.signal));
      message.status = "complete";
    } catch (error) {
      if (error.name === "AbortError") message.status = "stopped";
      else {
        message.status = "failed";
        message.error = { message: error.message, code: error.code ?? "page_failed", hint: error.hint ?? "" };
        this.error = error;
      }
    }
  }

  async #read(chunks) {
    const clock = { asked: performance.now(), first: null, last: null };
    let saved = clock.asked;
    for await (const chunk of chunks) {
      this.#take(chunk, clock);
      this.dispatchEvent(new Event("grown"));
      if (performance.now() - saved > SAVE_EVERY_MS) {
        saved = performance.now();
        this.#keep();
      }
    }
  }

  #take(chunk, clock) {
    const { message } = this;
    const choice = chunk.choices?.[0];
    const text = choice?.delta?.content ?? choice?.text ?? "";
    const thought = choice?.delta?.reasoning_content ?? choice?.delta?.reasoning ?? "";
    if (text || thought) {
      clock.last = performance.now();
      clock.first ??= clock.last;
      this.progress = null;
    } else if (chunk.prompt_progress) this.progress = fraction(chunk.prompt_progress);
    message.text += text;
    if (thought) message.reasoning = (message.reasoning ?? "") + thought;
    if (choice?.finish_reason) message.finish = choice.finish_reason;
    message.stats = { ...message.stats, ...measured(chunk, clock) };
  }
}

/** The figures known after this chunk; what is not known is absent. The engine's own timings win over the page's. */
function measured(chunk, clock) {
  const found = {};
  if (clock.first !== null) found.firstTokenMs = clock.first - clock.asked;
  const { usage, timings } = chunk;
  if (usage) {
    found.promptTokens = usage.prompt_tokens ?? null;
    found.answerTokens = usage.completion_tokens ?? null;
    const streamedMs = clock.last - clock.first;
    if (usage.completion_tokens > 1 && streamedMs > 0) found.tokensPerSecond = ((usage.completion_tokens - 1) * 1000) / streamedMs;
  }
  if (timings?.predicted_n > 1 && timings.predicted_ms > 0) found.tokensPerSecond = timings.predicted_per_second;
  return found;
}

const fraction = ({ total, processed, cache = 0 }) => (total > cache ? Math.min(1, (processed - cache) / (total - cache)) : null);

// A question that got no answer is left out: many chat templates refuse two questions in a row, and one that was
// too long for the context would make every later one too long as well.
const wasSaid = (each, at, all) => each.text && (each.role !== "user" || all[at + 1]?.text !== "");

/** The request that asks for `message`: a chat, or plain text to go on from where the model has no chat template. */
export function request(conversation, message, model) {
  const before = path(conversation);
  const history = before.slice(0, before.indexOf(message)).filter(wasSaid);
  const { system, temperature, maxTokens, seed } = conversation.settings;
  const body = { model: model.name, stream: true, stream_options: { include_usage: true }, return_progress: true };
  if (temperature !== undefined) body.temperature = temperature;
  if (maxTokens !== undefined) body.max_tokens = maxTokens;
  if (seed !== undefined) body.seed = seed;
  const messages = history.map(({ role, text }) => ({ role, content: text }));
  if (system) messages.unshift({ role: "system", content: system });
  if (!model.chats) return { route: "/v1/completions", body: { ...body, prompt: messages.map(({ content }) => content).join("\n") } };
  return { route: "/v1/chat/completions", body: { ...body, messages } };
}
