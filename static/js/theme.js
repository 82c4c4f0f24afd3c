// Before the first paint: a person who follows the system gets its colours. Everything else the server drew,
// but on the staff's pages, whose root is Django's: there it is said in a meta.
(() => {
  const root = document.documentElement;
  const mode = root.dataset.colorMode ?? document.querySelector('meta[name="color-mode"]')?.content;
  root.dataset.bsTheme ??= mode === "dark" ? "dark" : "light";
  if (mode !== "auto") return;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const follow = () => { root.dataset.bsTheme = dark.matches ? "dark" : "light"; };
  dark.addEventListener("change", follow);
  follow();
})();
