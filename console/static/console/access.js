// Makes the admin's own layout usable by the keyboard and by screen readers. Unfold opens menus by clicks on plain elements: each
// becomes a button that can be focused and pressed. The menu is long: the first link of a page leads past it.
window.addEventListener("DOMContentLoaded", function () {
  const NAMES = { dock_to_right: "Side menu", close: "Close", more_horiz: "Actions", more_vert: "Actions" };
  const INTERACTIVE = "a[href], button, input, select, textarea, label, summary";

  function nameOf(element) {
    const words = element.cloneNode(true);
    words.querySelectorAll(".material-symbols-outlined").forEach((icon) => icon.remove());
    const isPicture = element.matches(".material-symbols-outlined");
    if (!isPicture && words.textContent.trim() !== "") return undefined; // its text is its name
    const picture = (isPicture ? element : element.querySelector(".material-symbols-outlined"))?.textContent.trim() ?? "";
    return NAMES[picture] ?? picture.replaceAll("_", " ");
  }

  function makeButton(element) {
    if (element.matches(INTERACTIVE) || element.querySelector(INTERACTIVE) !== null || element.hasAttribute("role")) return;
    const name = nameOf(element);
    if (name === "") return; // nothing to see and nothing to read
    element.setAttribute("role", "button");
    element.tabIndex = 0;
    if (name !== undefined && !element.hasAttribute("aria-label")) element.setAttribute("aria-label", name);
    element.addEventListener("keydown", function (event) {
      if (event.target !== element || (event.key !== "Enter" && event.key !== " ")) return;
      event.preventDefault();
      element.click();
    });
  }

  function improve(root) {
    root.querySelectorAll("*").forEach(function (element) {
      if (element.hasAttribute("x-on:click") || element.hasAttribute("@click")) makeButton(element);
    });
    root.querySelectorAll(".material-symbols-outlined").forEach(function (icon) {
      if (!icon.hasAttribute("role")) icon.setAttribute("aria-hidden", "true"); // the name of a picture is no text to be read
    });
  }

  function skipLink() {
    const content = document.getElementById("content");
    if (content === null) return;
    content.tabIndex = -1;
    const link = document.createElement("a");
    link.href = "#content";
    link.className = "ledger-skip";
    link.textContent = "To the content";
    document.body.prepend(link);
  }

  function landmarks() {
    document.getElementById("main")?.setAttribute("role", "main");
    document.getElementById("nav-sidebar-inner")?.setAttribute("aria-label", "Menu");
    for (const id of ["command-submit", "searchbar-submit"]) document.getElementById(id)?.setAttribute("aria-label", "Search");
    document.querySelector("#nav-sidebar-inner a.bg-primary-600:not([aria-label])")?.setAttribute("aria-label", "To the dashboard");
    document.querySelectorAll(".simplebar-content-wrapper").forEach((box) => box.setAttribute("tabindex", "0"));
  }

  // A table that is wider than its place is scrolled by the keyboard, too.
  function scrollers() {
    document.querySelectorAll(".ledger-panel .overflow-x-auto").forEach(function (box) {
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    });
  }

  // The browser's own autofocus comes too early: unfold hides the page until Alpine has started.
  function focusFirst() {
    const wanted = document.querySelector("#content [autofocus]");
    if (wanted === null || window.location.hash !== "" || ![document.body, null].includes(document.activeElement)) return;
    wanted.focus();
    if (document.activeElement !== wanted) requestAnimationFrame(focusFirst);
  }

  // unfold's script focuses the box of Ctrl+K after 20 ms. On a busy machine it is not shown by then, and what is typed is lost.
  function focusCommand() {
    const box = document.getElementById("search-input-command");
    if (box === null) return;
    new IntersectionObserver(function (entries) {
      if (entries.some((entry) => entry.isIntersecting)) box.focus();
    }).observe(box);
  }

  skipLink();
  landmarks();
  focusCommand();
  improve(document);
  scrollers();
  window.addEventListener("resize", scrollers);
  document.addEventListener("ledger:drawn", scrollers); // by a page that has put panels into itself
  focusFirst();
});
