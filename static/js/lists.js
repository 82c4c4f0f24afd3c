// Lists: rows that are ticked are marked, counted and summed in the bar below them.

function boxesOf(bar) {
  const form = document.getElementById(bar.dataset.selection);
  return [...form.elements].filter((field) => field.type === "checkbox" && field.dataset.selectAll === undefined);
}

function draw(bar) {
  const boxes = boxesOf(bar);
  const chosen = boxes.filter((box) => box.checked);
  for (const box of boxes) box.closest("tr, li")?.classList.toggle("is-selected", box.checked);
  bar.hidden = chosen.length === 0;
  for (const part of bar.querySelectorAll(".selbar-sum, .sep")) part.hidden = false;
  bar.querySelector("[data-selection-count]").textContent = chosen.length;
  const total = bar.querySelector("[data-selection-total]");
  if (total) total.textContent = money(chosen.reduce((sum, box) => sum + Number(box.dataset.minor ?? 0), 0), bar.dataset);
  const all = document.querySelector(`[data-select-all="${bar.dataset.selection}"]`);
  if (!all) return;
  const able = boxes.filter((box) => !box.disabled);
  all.checked = able.length > 0 && chosen.length === able.length;
  all.indeterminate = chosen.length > 0 && !all.checked;
}

function money(minor, { currency, language }) {
  const format = new Intl.NumberFormat(language === "nl" ? "nl-NL" : "en-US", { style: "currency", currency });
  return format.format(minor / 10 ** format.resolvedOptions().maximumFractionDigits);
}

document.addEventListener("change", (event) => {
  const all = event.target.closest("[data-select-all]");
  for (const bar of document.querySelectorAll("[data-selection]")) {
    if (all && all.dataset.selectAll === bar.dataset.selection) {
      for (const box of boxesOf(bar)) if (!box.disabled) box.checked = all.checked;
    }
    draw(bar);
  }
});

document.addEventListener("click", (event) => {
  const clear = event.target.closest("[data-selection-clear]");
  if (!clear) return;
  const bar = clear.closest("[data-selection]");
  for (const box of boxesOf(bar)) box.checked = false;
  draw(bar);
});

for (const all of document.querySelectorAll("[data-select-all][hidden]")) all.hidden = false;
const redraw = () => document.querySelectorAll("[data-selection]").forEach(draw);
addEventListener("pageshow", redraw);
document.addEventListener("htmx:afterSwap", redraw);
redraw();
