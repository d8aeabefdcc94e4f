// Fetches the page again when the journal has something new. Without it the page
// works the same, and is as old as when it was loaded.
"use strict";
(function () {
  if (document.body.dataset.live !== "yes" || !window.EventSource) return;
  const pause = 1000; // at least, between two fetches, in milliseconds
  let shown = null, told = null, timer = null;
  const source = new EventSource("/live");
  source.onmessage = function (event) {
    told = event.data;
    if (shown === null) shown = told;
    plan();
  };
  document.addEventListener("visibilitychange", plan);

  function plan() {
    if (told === shown || timer !== null || document.hidden) return;
    timer = setTimeout(async function () {
      const version = told;
      let fresh = false;
      try {
        await refresh();
        shown = version;
        fresh = true;
      } catch (gone) {
        // The server is gone, or busy: the next event, or the next look, tries again.
      }
      timer = null;
      if (fresh) plan();
    }, pause);
  }

  async function refresh() {
    const answer = await fetch(location.href);
    if (!answer.ok) throw new Error(answer.statusText);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of ["main", "header nav", "footer"]) {
      const old = document.querySelector(part), now = fresh.querySelector(part);
      if (!old || !now || old.contains(document.activeElement)) continue; // what is being used stays
      const open = Array.from(old.querySelectorAll("details"), function (d) { return d.open; });
      old.replaceWith(document.adoptNode(now));
      now.querySelectorAll("details").forEach(function (d, i) { d.open = open[i] || false; });
    }
  }
})();
