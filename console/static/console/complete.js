// Suggests names of merchants in a field that asks for one by its attribute data-complete: the address that knows them. The browser's
// own list of suggestions is used, so keys and screen readers work as they do everywhere. Without this script the name is typed whole.
(function () {
  const WAIT_MS = 150;
  const timers = new WeakMap();
  let lists = 0;

  function listOf(field) {
    if (field.list !== null) return field.list;
    const list = document.createElement("datalist");
    list.id = "ledger-names-" + lists++;
    field.after(list);
    field.setAttribute("list", list.id);
    return list;
  }

  async function suggest(field) {
    const text = field.value.trim();
    const list = listOf(field);
    if (text === "") return list.replaceChildren();
    const response = await fetch(field.dataset.complete + "?" + new URLSearchParams({ q: text }), { credentials: "same-origin" });
    if (!response.ok || field.value.trim() !== text) return; // what was typed meanwhile has an answer of its own
    const { names } = await response.json();
    const options = names.map(function ({ name, label }) {
      const option = document.createElement("option");
      option.value = name;
      if (label !== "") option.label = label;
      return option;
    });
    list.replaceChildren(...options);
  }

  document.addEventListener("input", function (event) {
    const field = event.target;
    if (!(field instanceof HTMLInputElement) || field.dataset.complete === undefined) return;
    clearTimeout(timers.get(field));
    if (event.inputType === undefined || event.inputType === "insertReplacementText") return; // a suggestion was taken
    timers.set(field, setTimeout(() => suggest(field).catch(() => undefined), WAIT_MS));
  });
})();
