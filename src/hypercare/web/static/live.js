// Tells the fragments of the page to fetch themselves anew when something has happened.
"use strict";
(() => {
  const text = document.getElementById("live-text");
  const mark = document.getElementById("live");
  let waiting = null;
  // A person who types or chooses in a fragment must not lose it to a refresh.
  const busy = () => {
    const e = document.activeElement;
    return e && e.closest("[hx-get]") && ["INPUT", "TEXTAREA", "SELECT"].includes(e.tagName);
  };
  const refresh = () => {
    if (waiting) return;
    waiting = setTimeout(() => {
      waiting = null;
      if (busy()) { refresh(); return; }
      document.body.dispatchEvent(new CustomEvent("live"));
    }, 250);
  };
  const show = (state, words) => { mark.dataset.state = state; text.textContent = words; };
  const connect = () => {
    const source = new EventSource("/api/hypercare/v1/events");
    source.onopen = () => { show("on", "live"); refresh(); };
    source.onmessage = refresh;
    source.onerror = () => show("off", "reconnecting");
  };
  // Times in the reader's own zone, on the page and in every fragment that comes later.
  const format = new Intl.DateTimeFormat(undefined, {weekday: "short", day: "numeric", month: "short",
    hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23"});
  const localise = () => document.querySelectorAll("time.clock:not([data-local])").forEach((e) => {
    e.dataset.local = "";
    e.title = e.dateTime;
    e.textContent = format.format(new Date(e.dateTime));
  });
  // The same of the axes of charts, with the name of the zone beside them.
  const day = {weekday: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23"};
  const forms = {
    clock: {hour: "2-digit", minute: "2-digit", hourCycle: "h23"},
    seconds: {hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23"},
    weekday: day,
    date: {day: "numeric", month: "short"},
  };
  const zone = (at) => new Intl.DateTimeFormat(undefined, {timeZoneName: "short"}).formatToParts(at)
    .find((part) => part.type === "timeZoneName").value;
  const relabel = () => document.querySelectorAll(".plot:not([data-local])").forEach((plot) => {
    plot.dataset.local = "";
    const marks = [...plot.querySelectorAll("text[data-at]")];
    for (const mark of marks) {
      mark.textContent = new Date(mark.dataset.at).toLocaleString(undefined, forms[mark.dataset.form]);
    }
    const said = plot.querySelector(".zone");
    if (said) said.textContent = zone(marks.length ? new Date(marks[0].dataset.at) : new Date());
  });
  // What is left until an instant, second by second.
  const left = (ms) => {
    const s = Math.max(0, Math.ceil(ms / 1000)), two = (n) => String(n).padStart(2, "0");
    const h = Math.floor(s / 3600), d = Math.floor(h / 24);
    if (d) return `${d}d ${h % 24}h`;
    return h ? `${h}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}` : `${Math.floor(s / 60)}:${two(s % 60)}`;
  };
  const tick = () => document.querySelectorAll("time.countdown-to").forEach((e) => {
    const rest = new Date(e.dateTime) - Date.now();
    const words = rest > 0 ? left(rest) : "now";
    if (e.textContent !== words) e.textContent = words;
  });
  // A fragment that is drawn anew keeps the place of the keyboard, and what somebody has opened.
  const inside = "[hx-get] :is(a, button, summary)";
  const said = (e) => [e.tagName, e.id, e.name, e.value, e.getAttribute("href"), e.form && e.form.getAttribute("action"), e.textContent.trim()].join("\n");
  const place = (e) => {
    const words = said(e), alike = [...document.querySelectorAll(inside)].filter((other) => said(other) === words);
    return [words, alike.indexOf(e)];
  };
  const found = ([words, number]) => [...document.querySelectorAll(inside)].filter((e) => said(e) === words)[number];
  let focused = null, opened = [];
  document.addEventListener("htmx:before:swap", () => {
    const e = document.activeElement;
    focused = e && e.matches(inside) ? place(e) : null;
    opened = [...document.querySelectorAll("[hx-get] details[open] > summary")].map(place);
  });
  document.addEventListener("htmx:after:swap", () => {
    for (const each of opened) {
      const summary = found(each);
      if (summary) summary.parentElement.open = true;
    }
    const again = focused && document.activeElement === document.body ? found(focused) : null;
    if (again) again.focus({preventScroll: true});
    focused = null;
    opened = [];
  });
  // The menu closes as menus do: by Escape, and by a press elsewhere.
  const menu = document.querySelector("details.menu");
  if (menu) {
    document.addEventListener("keydown", (e) => {
      if (e.key !== "Escape" || !menu.open) return;
      menu.open = false;
      menu.querySelector("summary").focus();
    });
    document.addEventListener("click", (e) => { if (!menu.contains(e.target)) menu.open = false; });
  }
  tick();
  setInterval(tick, 1000);
  localise();
  relabel();
  new MutationObserver(() => { localise(); relabel(); tick(); }).observe(document.getElementById("main"), {childList: true, subtree: true});
  if (!mark) return;
  if (window.EventSource) connect();
  setInterval(refresh, 15000);
})();
