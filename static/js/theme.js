// Before the first paint: a person who follows the system gets its colours. Everything else the server drew.
(() => {
  const root = document.documentElement;
  if (root.dataset.colorMode !== "auto") return;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const follow = () => { root.dataset.bsTheme = dark.matches ? "dark" : "light"; };
  dark.addEventListener("change", follow);
  follow();
})();
