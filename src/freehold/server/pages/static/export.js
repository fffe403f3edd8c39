// A conversation as a file: JSON with every branch and figure, or Markdown of what is shown.
import { h } from "./dom.js";
import { path, titleOf } from "./tree.js";

export function exportConversation(conversation, kind) {
  const [text, type, ending] = kind === "json"
    ? [JSON.stringify(conversation, null, 2), "application/json", "json"]
    : [asMarkdown(conversation), "text/markdown", "md"];
  const address = URL.createObjectURL(new Blob([text], { type }));
  h("a", { href: address, download: `${fileName(conversation)}.${ending}` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

export function asMarkdown(conversation) {
  const said = path(conversation).map(({ role, model, text, status }) => {
    const who = role === "user" ? "You" : model;
    return `## ${who}\n\n${text}${status === "complete" ? "" : `\n\n*(${status})*`}`;
  });
  const { system } = conversation.settings;
  const rule = system ? [`> System: ${system.replaceAll("\n", "\n> ")}`] : [];
  return `${[`# ${titleOf(conversation)}`, ...rule, ...said].join("\n\n")}\n`;
}

const fileName = (conversation) => titleOf(conversation).replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 60).toLowerCase() || "conversation";
