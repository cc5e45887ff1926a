// Lists with the keyboard: j and k walk, s silences (or edits) the row, o opens it, / goes to the filter.
"use strict";
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const at = document.activeElement;
  if (at && (at.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(at.tagName))) {
    if (event.key === "Escape") at.blur();
    return;
  }
  const rows = [...document.querySelectorAll("[data-row]")].filter((e) => e.offsetParent);
  const now = rows.indexOf(at && at.closest("[data-row]"));
  const go = (n) => {
    const row = rows[Math.max(0, Math.min(rows.length - 1, n))];
    if (row) { row.focus(); row.scrollIntoView({block: "nearest"}); }
  };
  const find = document.querySelector("[data-find]");
  const link = now < 0 ? null : rows[now].querySelector("[data-silence]");
  const door = now < 0 ? null : rows[now].querySelector("[data-open]");
  if (event.key === "j") go(now + 1);
  else if (event.key === "k") go(now < 0 ? 0 : now - 1);
  else if (event.key === "/" && find) { find.focus(); find.select(); }
  else if (event.key === "s" && link) location.assign(link.href);
  else if (event.key === "o" && door) location.assign(door.href);
  else return;
  event.preventDefault();
});
