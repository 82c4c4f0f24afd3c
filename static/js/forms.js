// Forms: ask before typed words are lost, send once, focus the summary of errors, reload for a country.
// A form that differs from what came carries data-changed.

const came = new WeakMap();

const written = (form) => new URLSearchParams(new FormData(form)).toString();

function watch(root) {
  for (const form of root.querySelectorAll("form[data-guard]")) {
    if (!came.has(form)) came.set(form, written(form));
  }
  root.querySelector("[data-error-summary]")?.focus();
}

document.addEventListener("input", (event) => {
  const form = event.target.form;
  if (!form || !came.has(form)) return;
  const isChanged = came.get(form) !== written(form);
  form.toggleAttribute("data-changed", isChanged);
  const scope = form.closest(".panel, .box") ?? form;
  for (const note of scope.querySelectorAll("[data-unsaved]")) note.hidden = !isChanged;
});

addEventListener("beforeunload", (event) => {
  if (document.querySelector("form[data-changed]")) event.preventDefault();
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented && !form.hasAttribute("hx-post")) return;
  if (form.dataset.busy) {
    event.preventDefault();
    return;
  }
  form.removeAttribute("data-changed");
  if (form.method !== "post") return;
  form.dataset.busy = "yes";
  event.submitter?.classList.add("is-busy");
});

// A page that comes back from the history, or an answer with errors, can be sent again.
function release(root) {
  for (const form of root.querySelectorAll("form[data-busy]")) delete form.dataset.busy;
  for (const button of root.querySelectorAll(".is-busy")) button.classList.remove("is-busy");
}
addEventListener("pageshow", () => release(document));
document.addEventListener("htmx:afterRequest", () => release(document));

// A link of the summary leads to its field without leaving a step in the history.
document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-error-summary] a[href^='#']");
  const field = link && document.getElementById(link.hash.slice(1));
  if (!field) return;
  event.preventDefault();
  field.focus();
});

document.addEventListener("change", (event) => {
  const field = event.target;
  if (field.matches("[data-autosubmit] select")) field.form.requestSubmit();
  if (field.matches("[data-reload]") && window.htmx) reload(field.form);
});

// The same form, drawn anew for what is chosen in it; what was typed travels along. Secrets do not.
function reload(form) {
  const values = new URLSearchParams(new FormData(form));
  values.delete("csrfmiddlewaretoken");
  for (const secret of form.querySelectorAll("input[type=password]")) values.delete(secret.name);
  const address = `${form.getAttribute("action") || location.pathname}?${values}`;
  htmx.ajax("GET", address, { target: form, select: `#${form.id}`, swap: "outerHTML" });
}

document.addEventListener("htmx:afterSwap", (event) => watch(event.target.parentElement ?? document));
watch(document);
