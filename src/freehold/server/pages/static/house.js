// The house this page came from: its models, its answers, its errors. Every request of the page starts here.
import { eventData } from "./sse.js";

/** What went wrong, in the house's own words. `code` is stable; "unreachable" and "cut" are this page's. */
export class HouseError extends Error {
  constructor(message, { code = "failed", hint = "", status = null } = {}) {
    super(message);
    Object.assign(this, { code, hint, status });
  }

  get needsKey() {
    return this.status === 401;
  }

  get unreachable() {
    return this.code === "unreachable";
  }
}

/** A request to the house; answers the response or throws HouseError. An abort stays an AbortError. */
export async function ask(path, { body, signal, accept = "application/json" } = {}) {
  const headers = { Accept: accept };
  if (body) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, {
      method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body), signal, cache: "no-store", redirect: "error",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new HouseError("The house does not answer.", { code: "unreachable", hint: "Is `freehold up` still running?" });
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

/** Chunks of a streamed answer. Throws HouseError where the house reports one, or the stream ends too early. */
export async function* stream(path, body, signal) {
  const response = await ask(path, { body, signal, accept: "text/event-stream" });
  try {
    for await (const data of eventData(response.body)) {
      if (data === "[DONE]") return;
      const chunk = JSON.parse(data);
      if (chunk.error) throw reported(chunk.error, null);
      yield chunk;
    }
  } catch (error) {
    if (error.name === "AbortError" || error instanceof HouseError) throw error;
    throw cut();
  }
  throw cut();
}

export const isReady = async () => {
  try {
    await ask("/health/live");
    return true;
  } catch (error) {
    return !error.unreachable;
  }
};

async function refusal(response) {
  const text = await response.text().catch(() => "");
  try {
    return reported(JSON.parse(text).error, response.status);
  } catch {
    return new HouseError(text.slice(0, 300) || `The house answered with status ${response.status}.`, { status: response.status });
  }
}

function reported(error, status) {
  if (typeof error === "string") return new HouseError(error, { status });
  return new HouseError(error.message ?? "The house reported an error.", {
    code: error.code ?? error.type ?? "failed", hint: error.hint ?? "", status,
  });
}

const cut = () => new HouseError("The answer ended before it was whole: the connection was cut.", { code: "cut" });
