// The form of a fee version: fields are shown when they apply, tiers are rows that are added and removed, and the page shows what the
// version would charge while it is typed, as the server computes it. Without this script all fields are shown, and buttons do the same.
window.addEventListener("DOMContentLoaded", function () {
  const form = document.getElementById("fee-form");
  const currency = form.elements.currency;
  const mode = form.elements.tier_mode;
  const rows = document.getElementById("tier-rows");
  const preview = document.getElementById("preview");
  const state = document.getElementById("preview-state");
  const APPLIES = {
    currency: () => currency.value !== "",
    tiers: () => currency.value !== "" && mode.value !== "",
    rate: () => currency.value === "" || mode.value === "",
  };

  // A field that does not apply is neither shown nor sent; what was typed in it stays for when it applies again.
  function showWhatApplies() {
    for (const part of form.querySelectorAll("[data-needs]")) {
      const applies = APPLIES[part.dataset.needs]();
      part.hidden = !applies;
      part.querySelectorAll("input, select, button").forEach((field) => (field.disabled = !applies));
    }
    const code = currency.value === "" ? "" : ", " + currency.value;
    form.querySelectorAll("[data-unit]").forEach((unit) => (unit.textContent = code));
  }

  function number() {
    [...rows.children].forEach(function (row, place) {
      row.querySelectorAll("[data-tier]").forEach((words) => (words.textContent = words.dataset.tier + (place + 1)));
      const remove = row.querySelector("button");
      remove.value = place;
      remove.setAttribute("aria-label", "Remove tier " + (place + 1));
    });
  }

  function emptied(row) {
    row.querySelectorAll("input").forEach(function (input) {
      input.value = "";
      input.removeAttribute("aria-invalid");
    });
    row.querySelectorAll("[data-error]").forEach((error) => error.remove());
    return row;
  }

  function add() {
    const row = emptied(rows.lastElementChild.cloneNode(true));
    rows.append(row);
    number();
    row.querySelector("input").focus();
  }

  function remove(row) {
    if (rows.children.length === 1) {
      emptied(row).querySelector("input").focus();
    } else {
      const near = row.nextElementSibling ?? row.previousElementSibling;
      row.remove();
      number();
      near.querySelector("input").focus();
    }
    look();
  }

  form.addEventListener("click", function (event) {
    const button = event.target.closest("button");
    if (button?.name === "add_tier") {
      event.preventDefault();
      add();
    } else if (button?.name === "remove_tier") {
      event.preventDefault();
      remove(button.closest("li"));
    }
  });

  let newest = 0;
  let timer = 0;
  async function look() {
    const mine = ++newest;
    const values = new FormData(form);
    values.set("preview", "");
    let shown = null;
    let words = "The server does not answer; this cannot be computed now.";
    try {
      const answer = await fetch(window.location.href, { method: "POST", body: values, credentials: "same-origin" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      shown = page.getElementById("preview");
      words = page.getElementById("preview-state")?.textContent ?? words;
    } catch (error) {
      console.warn(error.message);
    }
    if (mine !== newest) return;
    preview.replaceChildren(...(shown?.childNodes ?? []));
    state.textContent = words;
    document.dispatchEvent(new Event("ledger:drawn"));
  }

  form.addEventListener("input", function (event) {
    showWhatApplies();
    if (event.target.name === "note") return;
    newest++;
    clearTimeout(timer);
    timer = setTimeout(look, 300);
  });

  showWhatApplies();
  if (preview.querySelector("table") === null) look();
});
