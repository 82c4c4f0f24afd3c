// A panel: a page of its own that opens at the right of the page it was asked from. Escape and the back
// button close it, the focus returns to where it was, and a reload shows the panel as the page it is.

const host = document.getElementById("panel");
const canvas = host?.parentElement;
let opener = null;
let pageTitle = document.title;
let address = "";

const isOpen = () => Boolean(host?.firstElementChild);

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-panel-close]")) close();
  const link = event.target.closest("a[data-panel]");
  const asksForTab = event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;
  if (!link || !host || !window.htmx || asksForTab || event.defaultPrevented) return;
  event.preventDefault();
  open(link);
});

function open(link) {
  if (isOpen() && !mayLeave()) return;
  const menu = link.closest("[popover]");
  menu?.hidePopover?.();
  if (!host.contains(link)) opener = menu ? document.querySelector(`[popovertarget="${menu.id}"]`) : link;
  const wasOpen = isOpen();
  if (!wasOpen) pageTitle = document.title;
  link.classList.add("is-busy");
  htmx.ajax("GET", link.href, { target: host, swap: "innerHTML" }).finally(() => {
    link.classList.remove("is-busy");
    if (!isOpen()) return;
    address = link.href.split("#")[0];
    history[wasOpen ? "replaceState" : "pushState"]({ panel: true }, "", address);
  });
}

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target !== host) return;
  canvas.classList.add("canvas--panel");
  const source = event.detail.pathInfo.responsePath ?? event.detail.pathInfo.requestPath;
  for (const form of host.querySelectorAll("form[method=post]:not([hx-post])")) {
    form.setAttribute("hx-post", form.getAttribute("action") || source);
    form.setAttribute("hx-target", "#panel");
    if (form.enctype === "multipart/form-data") form.setAttribute("hx-encoding", form.enctype);
    htmx.process(form);
  }
  const start = host.querySelector("[data-error-summary]") ?? host.querySelector("[autofocus], #panel-title");
  start?.focus();
});

// An answer that is not a panel (gone, forbidden, broken) is shown as the page it is.
document.addEventListener("htmx:responseError", (event) => {
  if (event.detail.target !== host) return;
  location.assign(event.detail.pathInfo.requestPath);
});

function mayLeave() {
  return !host.querySelector("form[data-changed]") || confirm(host.dataset.closing);
}

function clear() {
  host.replaceChildren();
  canvas.classList.remove("canvas--panel");
  document.title = pageTitle;
  opener?.focus();
}

function close() {
  if (!mayLeave()) return;
  clear();
  if (history.state?.panel) history.back();
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && isOpen() && !document.querySelector(":popover-open")) close();
});

addEventListener("popstate", (event) => {
  const isWithinPanel = location.href.split("#")[0] === address;
  if (isOpen() && !isWithinPanel) {
    if (mayLeave()) clear();
    else history.forward();
  } else if (!isOpen() && event.state?.panel) location.reload();
});
