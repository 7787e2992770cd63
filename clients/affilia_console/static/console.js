// Shows a message while the console itself doesn't respond. Everything else works
// without JavaScript.
(function () {
  "use strict";
  const banner = document.getElementById("unreachable");
  document.body.addEventListener("htmx:sendError", () => { banner.hidden = false; });
  document.body.addEventListener("htmx:afterOnLoad", () => { banner.hidden = true; });
  // Forms with data-shows-errors show the page of a failed request in place.
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.requestConfig.elt.closest("[data-shows-errors]")) { event.detail.shouldSwap = true; }
  });
  // A form is sent once, even if its button is clicked several times.
  document.body.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "yes";
    window.setTimeout(() => { delete form.dataset.sent; }, 5000);
  });
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) { window.location.reload(); return; } // restored by the browser, so it may be out of date
    for (const form of document.forms) { delete form.dataset.sent; }
  });
})();
