// Links as Alertmanager's templates make them ("/#/alerts?receiver=x") lead to our pages: a server never sees what is behind #.
"use strict";
(() => {
  const [path, query] = location.hash.slice(1).split(/\?(.*)/s);
  const asked = new URLSearchParams(query || "");
  const go = (to, wanted) => location.replace(wanted.toString() ? `${to}?${wanted}` : to);
  const kept = (names) => new URLSearchParams(Object.entries(names).flatMap(([ours, theirs]) => asked.get(theirs) ? [[ours, asked.get(theirs)]] : []));
  if (path === "/alerts") go("/alerts", kept({filter: "filter", receiver: "receiver"}));
  else if (path === "/silences/new") go("/silences/new", kept({matchers: "filter"}));
  else if (path === "/silences" || path.startsWith("/silences/")) go("/silences", kept({}));
  else if (path === "/status") go("/channels", kept({}));
})();
