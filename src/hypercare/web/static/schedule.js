// Layers, people, hours and holidays are added, moved and removed without leaving the page. The server does it, as it
// does without this script; here only the form is exchanged, so that the page stays where it is.
"use strict";
(() => {
  const find = () => document.getElementById("schedule-form");
  const moves = /-(add|remove|up|down)$/;
  let typed = false, leaving = false, asked = 0;
  document.addEventListener("input", (event) => { if (event.target.form === find()) typed = true; });
  document.addEventListener("submit", async (event) => {
    const form = event.target, by = event.submitter;
    if (form !== find()) return;
    if (!by || by.name !== "act" || !moves.test(by.value)) { leaving = true; return; }
    event.preventDefault();
    typed = true;
    const number = ++asked;
    const data = new URLSearchParams([...new FormData(form), [by.name, by.value]]);
    try {
      const answer = await fetch(form.action, {method: "POST", body: data});
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("schedule-form");
      if (!answer.ok || !fresh) throw new Error(`answered ${answer.status}`);
      if (number !== asked) return;
      const open = [...form.querySelectorAll("details")].map((e) => e.open);
      form.replaceWith(fresh);
      const here = fresh.querySelectorAll("details");
      if (here.length === open.length) here.forEach((e, n) => { e.open = e.open || open[n]; });
      const next = fresh.querySelector("[autofocus]");
      if (next) { next.focus({preventScroll: true}); next.scrollIntoView({block: "nearest"}); }
    } catch {
      // As without the script: the whole page, which says what is wrong.
      const hidden = Object.assign(document.createElement("input"), {type: "hidden", name: by.name, value: by.value});
      form.append(hidden);
      leaving = true;
      form.submit();
    }
  });
  window.addEventListener("beforeunload", (event) => { if (typed && !leaving) event.preventDefault(); });
  // What was typed and came back from the server, refused or previewed, is not saved either.
  if (document.getElementById("preview") || find()?.querySelector("[aria-invalid]")) typed = true;
})();
