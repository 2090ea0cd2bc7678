// What the portal's pages do in the browser. Every page works without this file.
(function () {
  "use strict";

  const GENERAL = "The answer did not arrive. Press the button again: the same form counts once, however often it is sent.";
  let toaster = null;

  /** Show a toast. A success goes away by itself; a failure stays, with its code and its request to copy. */
  function toast(text, { isError = false, code = "", request = "" } = {}) {
    toaster ??= new Notyf({ position: { x: "right", y: "bottom" }, ripple: false, dismissible: true });
    const shown = { type: "success", icon: false, message: "", duration: isError ? 0 : 7000, background: "var(--surface)", className: isError ? "toast-error" : "toast-success" };
    toaster.open(shown);
    const made = document.querySelector(".notyf").lastElementChild;
    made.setAttribute("role", isError ? "alert" : "status");
    made.querySelector(".notyf__dismiss-btn")?.setAttribute("aria-label", "Close this message");
    const message = made.querySelector(".notyf__message");
    message.textContent = text; // never as HTML: it repeats what people typed
    if (isError && (code || request)) message.append(factsOf(code, request));
  }

  function factsOf(code, request) {
    const line = document.createElement("div");
    line.className = "toast-facts";
    const facts = [code, request && `request ${request}`].filter(Boolean).join(", ");
    const words = document.createElement("span");
    words.className = "code";
    words.textContent = facts;
    line.append(words, copyButton(facts));
    return line;
  }

  function copyButton(text) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button button-quiet";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Select the text to copy it"; // the browser allows no script to copy here
      }
    });
    return button;
  }

  /** Turn the notices of a page into toasts. */
  function showNotices(root) {
    for (const notice of root.querySelectorAll(".notice[data-toast]:not([hidden])")) {
      notice.hidden = true;
      const { toast: kind, code = "", request = "" } = notice.dataset;
      toast(notice.querySelector(".notice-text").textContent.trim(), { isError: kind === "error", code, request });
    }
  }

  document.addEventListener("DOMContentLoaded", () => showNotices(document));
  document.addEventListener("htmx:afterSettle", () => showNotices(document));

  // A call that failed on the way, or with an answer that is no page of ours. A poll says nothing: the next one may succeed.
  function complain(event, text, facts) {
    const source = event.detail.elt;
    if (!source.closest("[data-quiet]")) toast(text, { isError: true, ...facts });
  }
  document.addEventListener("htmx:sendError", (event) => complain(event, GENERAL, { code: "no_answer" }));
  document.addEventListener("htmx:timeout", (event) => complain(event, GENERAL, { code: "no_answer" }));
  document.addEventListener("htmx:responseError", (event) => {
    const answer = event.detail.xhr;
    const request = answer.getResponseHeader("X-Request-Id") ?? "";
    complain(event, `This did not work (${answer.status}). ${GENERAL}`, { code: `http_${answer.status}`, request });
  });

  // A part of a page that refreshes itself, <… data-etag>, asks only whether it has changed, and not while its page is hidden.
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (document.hidden && event.detail.elt.matches("[data-etag]")) event.preventDefault();
  });
  document.addEventListener("htmx:configRequest", (event) => {
    const { etag } = event.detail.elt.dataset;
    if (etag) event.detail.headers["If-None-Match"] = etag;
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const { elt, xhr } = event.detail;
    const etag = elt.matches("[data-etag]") && xhr.status === 200 && xhr.getResponseHeader("ETag");
    if (etag) elt.dataset.etag = etag;
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) for (const part of document.querySelectorAll("[data-etag]")) htmx.trigger(part, "refresh");
  });

  // A page that comes back from the browser's memory may show a balance or a form of before: it is asked for again.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) window.location.reload();
  });

  // A menu closes when the focus or a click goes elsewhere, and by Escape.
  function closeMenus(except) {
    for (const menu of document.querySelectorAll("details.menu[open]")) if (menu !== except) menu.open = false;
  }
  document.addEventListener("click", (event) => closeMenus(event.target.closest("details.menu")));
  document.addEventListener("focusin", (event) => closeMenus(event.target.closest("details.menu")));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const open = document.querySelector("details.menu[open]");
    closeMenus(null);
    open?.querySelector("summary").focus();
  });

  // A button that copies: <button data-copy="text">. It stands in pages that show a secret once.
  document.addEventListener("alpine:init", () => {
    Alpine.data("copier", () => ({
      label: "Copy",
      async copy() {
        try {
          await navigator.clipboard.writeText(this.$root.dataset.copy);
          this.label = "Copied";
        } catch {
          this.label = "Select the text to copy it";
        }
      },
    }));
  });
})();
