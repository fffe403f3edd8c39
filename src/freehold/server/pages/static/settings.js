// The panel of one conversation: system prompt, temperature, longest answer, seed. Empty means: the model's own.
import { byId } from "./dom.js";

const FIELDS = { system: "setting-system", temperature: "setting-temperature", maxTokens: "setting-max-tokens", seed: "setting-seed" };

/** `changed` is called with the settings after every valid change. */
export class SettingsPanel {
  constructor(changed) {
    this.changed = changed;
    for (const id of Object.values(FIELDS)) byId(id).addEventListener("input", () => this.#read());
    byId("settings-reset").addEventListener("click", () => {
      this.show({});
      this.#read();
    });
  }

  show(settings) {
    for (const [name, id] of Object.entries(FIELDS)) byId(id).value = settings[name] ?? "";
    this.#mark(settings);
  }

  #read() {
    const settings = {};
    for (const [name, id] of Object.entries(FIELDS)) {
      const field = byId(id);
      const text = field.value.trim();
      const right = field.checkValidity();
      field.setAttribute("aria-invalid", String(!right));
      if (text && right) settings[name] = name === "system" ? text : Number(text);
    }
    this.#mark(settings);
    this.changed(settings);
  }

  #mark(settings) {
    const changes = Object.keys(settings).length;
    byId("open-settings").classList.toggle("changed", changes > 0);
    byId("open-settings").setAttribute("aria-label", changes ? `Settings, ${changes} changed` : "Settings");
  }
}
