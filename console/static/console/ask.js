// Shows what a form would do while it is filled in, as the server understands it: the form is sent as by its button "Preview", which
// does nothing, and its words are taken from the answer. Without this script the button shows the same.
window.addEventListener("DOMContentLoaded", function () {
  const form = document.getElementById("ask");
  const shown = document.getElementById("understood");
  const seen = document.getElementById("seen"); // the words that were shown; nothing is posted that says others
  let newest = 0;
  let timer = 0;
  async function look() {
    const mine = ++newest;
    const values = new FormData(form);
    values.set("preview", "");
    let sent = "";
    let words = "The server does not answer; this cannot be checked now.";
    try {
      const answer = await fetch(window.location.href, { method: "POST", body: values, credentials: "same-origin" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      words = page.getElementById("understood")?.textContent ?? words;
      sent = page.getElementById("seen")?.value ?? "";
    } catch (error) {
      console.warn(error.message);
    }
    if (mine === newest) {
      shown.textContent = words;
      if (seen !== null) seen.value = sent;
    }
  }
  form.addEventListener("input", function (event) {
    if (event.target.name === "reason") return;
    newest++;
    shown.textContent = "…";
    if (seen !== null) seen.value = "";
    clearTimeout(timer);
    timer = setTimeout(look, 250);
  });
});
