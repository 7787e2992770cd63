// Shows that the console itself doesn't answer, and hides the message once it does again. Everything else works
// without JavaScript.
(function () {
  "use strict";
  const banner = document.getElementById("unreachable");
  document.body.addEventListener("htmx:sendError", () => { banner.hidden = false; });
  document.body.addEventListener("htmx:afterOnLoad", () => { banner.hidden = true; });
  // A form is sent once, however often its button is clicked.
  document.body.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "yes";
    window.setTimeout(() => { delete form.dataset.sent; }, 5000);
  });
  window.addEventListener("pageshow", () => {
    for (const form of document.forms) { delete form.dataset.sent; }
  });
})();
