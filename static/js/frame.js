// The frame: a key for the search, messages that can be put away, values to copy, tips that open on hover.

const isTyping = (element) => element.matches("input, textarea, select, [contenteditable]");

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  const search = document.getElementById("search");
  if (!search || !search.offsetParent) return;
  event.preventDefault();
  search.select();
});

document.addEventListener("click", (event) => {
  const dismiss = event.target.closest("[data-dismiss]");
  if (dismiss) dismiss.closest(".note-toast").remove();
  const copy = event.target.closest("[data-copy]");
  if (copy) copyValue(copy);
});

async function copyValue(button) {
  await navigator.clipboard.writeText(button.dataset.copy);
  say(button.dataset.copied);
}

// A short message in the live region; it leaves by itself, since it only confirms what was just done.
function say(text) {
  const region = document.querySelector(".toasts");
  const toast = document.createElement("div");
  toast.className = "note-toast";
  toast.textContent = text;
  region.append(toast);
  setTimeout(() => toast.remove(), 4000);
}

// A tip opens by itself where there is a pointer that can hover; everywhere else a click or Enter opens it.
if (matchMedia("(hover: hover)").matches) {
  const tipOf = (event) => event.target.closest?.(".locked")?.querySelector(".tip");
  document.addEventListener("pointerover", (event) => {
    const tip = tipOf(event);
    if (tip && !tip.matches(":popover-open")) tip.showPopover({ source: tip.previousElementSibling });
  });
  document.addEventListener("pointerout", (event) => {
    const tip = tipOf(event);
    if (tip && !tip.parentElement.contains(event.relatedTarget)) tip.hidePopover();
  });
}

// What works only with a script is hidden until there is one.
for (const button of document.querySelectorAll("[data-dismiss][hidden], [data-copy][hidden]")) button.hidden = false;
