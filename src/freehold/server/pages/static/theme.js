// Dark, light, or as the system has it. early.js applies a kept choice before the first paint.
import { announce, byId } from "./dom.js";

const KEPT = "freehold.theme";
const dark = matchMedia("(prefers-color-scheme: dark)");
const shown = () => document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light");

export function initTheme() {
  byId("theme").addEventListener("click", toggleTheme);
  dark.addEventListener("change", label);
  label();
}

/** Switches to the other theme; a choice that agrees with the system's is not kept, so that it follows it again. */
export function toggleTheme() {
  const next = shown() === "dark" ? "light" : "dark";
  if (next === (dark.matches ? "dark" : "light")) {
    delete document.documentElement.dataset.theme;
    localStorage.removeItem(KEPT);
  } else {
    document.documentElement.dataset.theme = next;
    localStorage.setItem(KEPT, next);
  }
  label();
  announce(`${next} theme`);
}

function label() {
  const other = shown() === "dark" ? "light" : "dark";
  const button = byId("theme");
  button.setAttribute("aria-label", `Use the ${other} theme`);
  button.title = `Use the ${other} theme`;
  button.querySelector("use").setAttribute("href", other === "dark" ? "#i-moon" : "#i-sun");
}
