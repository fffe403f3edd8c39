// A menu that hangs below its button: arrow keys, Home, End, first letters, Escape. One is open at a time.
import { h, icon } from "./dom.js";

let open = null;

/** Opens a menu under `anchor`. Items: {label, detail, badge, checked, danger, disabled, icon, action};
 * `checked` makes it a choice; one that is disabled can be reached and read, and not chosen. */
export function openMenu(anchor, label, items) {
  if (open?.anchor === anchor) return closeMenu();
  closeMenu();
  const menu = h("div", { class: "menu", role: "menu", "aria-label": label, onkeydown: (event) => keys(event, menu) }, ...items.map(row));
  document.body.append(menu);
  place(menu, anchor);
  anchor.setAttribute("aria-expanded", "true");
  open = { anchor, menu };
  (menu.querySelector('[aria-checked="true"]') ?? menu.firstElementChild)?.focus();
}

export function closeMenu({ refocus = false } = {}) {
  if (!open) return;
  const { anchor, menu } = open;
  open = null;
  menu.remove();
  anchor.setAttribute("aria-expanded", "false");
  if (refocus) anchor.focus();
}

function row(item) {
  const choice = item.checked !== undefined;
  return h(
    "button",
    {
      type: "button", class: item.danger ? "menu-item danger" : "menu-item", role: choice ? "menuitemradio" : "menuitem",
      "aria-checked": choice ? String(item.checked) : undefined, "aria-disabled": item.disabled ? "true" : undefined, tabIndex: -1,
      onclick: () => {
        if (item.disabled) return;
        closeMenu({ refocus: true });
        item.action();
      },
    },
    item.icon ? icon(item.icon) : null,
    h("span", { class: "menu-text" }, h("span", { class: "menu-label" }, item.label), item.detail ? h("span", { class: "menu-detail" }, item.detail) : null),
    item.badge ? h("span", { class: `badge ${item.badge}` }, item.badge) : null,
    item.checked ? icon("check") : null,
  );
}

function keys(event, menu) {
  const rows = [...menu.children];
  const at = rows.indexOf(document.activeElement);
  const move = { ArrowDown: at + 1, ArrowUp: at - 1 + rows.length, Home: 0, End: rows.length - 1 }[event.key];
  if (move !== undefined) rows[move % rows.length].focus();
  else if (event.key === "Escape" || event.key === "Tab") closeMenu({ refocus: true });
  else if (event.key.length === 1 && event.key !== " ") {
    const later = [...rows.slice(at + 1), ...rows.slice(0, at + 1)];
    later.find((each) => each.textContent.toLowerCase().startsWith(event.key.toLowerCase()))?.focus();
  } else return;
  if (event.key !== "Tab") event.preventDefault();
  event.stopPropagation();
}

function place(menu, anchor) {
  const box = anchor.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = menu;
  const below = box.bottom + 6 + height <= innerHeight;
  menu.style.left = `${Math.max(8, Math.min(box.left, innerWidth - width - 8))}px`;
  menu.style.top = `${below ? box.bottom + 6 : Math.max(8, box.top - 6 - height)}px`;
}

addEventListener("pointerdown", (event) => {
  if (open && !open.menu.contains(event.target) && !open.anchor.contains(event.target)) closeMenu();
}, true);
addEventListener("resize", () => closeMenu());
