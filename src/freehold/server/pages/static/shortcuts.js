// Keys that work everywhere on the page, and the dialog that lists them. One table serves both.
import { byId, h } from "./dom.js";

const mac = navigator.platform.startsWith("Mac");
const command = (event) => (mac ? event.metaKey : event.ctrlKey);
const writing = (event) => event.target.closest?.("input, textarea, select, [contenteditable]");

/** `actions`: one function per shortcut, by name. */
export function initShortcuts(actions) {
  const table = [
    { keys: ["Enter"], does: "Send" },
    { keys: ["Shift", "Enter"], does: "New line" },
    { keys: ["Esc"], does: "Stop answering", when: (e) => e.key === "Escape" && !e.defaultPrevented, run: actions.stop },
    { keys: ["↑"], does: "Edit the last question (in an empty box)" },
    { keys: ["/"], does: "Write", when: (e) => e.key === "/" && !writing(e), run: actions.write },
    { keys: [mac ? "⌘" : "Ctrl", "Shift", "O"], does: "New conversation", when: (e) => command(e) && e.shiftKey && e.code === "KeyO", run: actions.create },
    { keys: [mac ? "⌘" : "Ctrl", "K"], does: "Search conversations", when: (e) => command(e) && e.code === "KeyK", run: actions.search },
    { keys: ["Alt", "↑ ↓"], does: "Previous, next conversation", when: (e) => e.altKey && /^Arrow(Up|Down)$/.test(e.key), run: actions.move },
    { keys: [mac ? "⌘" : "Ctrl", "Shift", "M"], does: "Choose the model", when: (e) => command(e) && e.shiftKey && e.code === "KeyM", run: actions.pick },
    { keys: [mac ? "⌘" : "Ctrl", ","], does: "Settings of the conversation", when: (e) => command(e) && e.key === ",", run: actions.settings },
    { keys: ["?"], does: "This list", when: (e) => e.key === "?" && !writing(e), run: actions.help },
  ];
  byId("shortcuts").replaceChildren(...table.flatMap(({ keys, does }) => [
    h("dt", {}, ...keys.map((key) => h("kbd", {}, key))), h("dd", {}, does),
  ]));
  addEventListener("keydown", (event) => {
    if (event.isComposing || document.querySelector("dialog[open]")) return;
    const entry = table.find((each) => each.when?.(event));
    if (!entry || entry.run(event) === false) return;
    event.preventDefault();
  });
}

/** Wires every dialog: its close buttons, a click on the backdrop. Escape is the browser's. */
export function initDialogs() {
  for (const dialog of document.querySelectorAll("dialog")) {
    for (const button of dialog.querySelectorAll("[data-close]")) button.addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  }
}
