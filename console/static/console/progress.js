// Keeps the progress of a reconciliation up to date. Only the words of the part are exchanged, and not while the focus is in it: the
// focus and the place in the page stay. It ends with the reconciliation.
window.addEventListener("DOMContentLoaded", function () {
  const part = document.getElementById("progress");
  if (part === null || part.dataset.open !== "1") return;
  const told = document.getElementById("progress-told");
  async function look() {
    if (!document.hidden && !part.contains(document.activeElement)) {
      try {
        const answer = await fetch(part.dataset.refresh, { credentials: "same-origin" });
        if (answer.redirected || answer.status === 403 || answer.status === 404) return; // signed out meanwhile
        if (answer.ok) {
          const page = new DOMParser().parseFromString(await answer.text(), "text/html");
          const newer = page.getElementById("progress");
          const words = page.getElementById("progress-told").textContent;
          part.replaceChildren(...newer.childNodes);
          if (told.textContent !== words) told.textContent = words; // said by a screen reader
          if (newer.dataset.open !== "1") return;
        }
      } catch (error) {
        console.warn(error.message);
      }
    }
    setTimeout(look, 2000);
  }
  setTimeout(look, 2000);
});
