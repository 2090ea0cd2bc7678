// Shows what a form would do while it is filled in, as the server understands it: the form is sent as by its button "Preview", which
// does nothing, and its words are taken from the answer. Without this script the button shows the same.
window.addEventListener("DOMContentLoaded", function () {
  const form = document.getElementById("ask");
  const shown = document.getElementById("understood");
  // The words that were shown. Nothing is posted that says others.
  const seen = ["seen", "seen_state"].map((id) => document.getElementById(id)).filter((input) => input !== null);
  let newest = 0;
  let timer = 0;
  async function look() {
    const mine = ++newest;
    const values = new FormData(form);
    values.set("preview", "");
    let page = null;
    try {
      const answer = await fetch(window.location.href, { method: "POST", body: values, credentials: "same-origin" });
      page = new DOMParser().parseFromString(await answer.text(), "text/html");
    } catch (error) {
      console.warn(error.message);
    }
    if (mine !== newest) return;
    const words = page?.getElementById("understood") ?? null;
    if (words === null) shown.textContent = "The server does not answer; this cannot be checked now.";
    else shown.replaceChildren(...words.childNodes);
    for (const input of seen) input.value = page?.getElementById(input.id)?.value ?? "";
  }
  form.addEventListener("input", function (event) {
    if (event.target.name === "reason") return;
    newest++;
    shown.textContent = "…";
    for (const input of seen) input.value = "";
    clearTimeout(timer);
    timer = setTimeout(look, 250);
  });
});
