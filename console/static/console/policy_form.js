"use strict";
// An action without an amount has no field for one.
document.addEventListener("DOMContentLoaded", () => {
  const action = document.querySelector("select[data-without-amount]");
  const row = document.querySelector(".field-from_amount");
  if (!action || !row) return;
  const without = action.dataset.withoutAmount.split(" ");
  const show = () => {
    const hasNone = without.includes(action.value);
    row.style.display = hasNone ? "none" : "";
    if (hasNone) row.querySelector("input").value = "";
  };
  action.addEventListener("change", show);
  show();
});
