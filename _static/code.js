// One switch a page for its code, remembered. Without this script every cell folds by itself.
document.addEventListener("DOMContentLoaded", () => {
  const folds = [...document.querySelectorAll(".bd-article details.above-input")];
  const title = document.querySelector(".bd-article h1");
  if (!folds.length || !title) return;
  document.documentElement.classList.add("bb-switched");

  // a browser may refuse to remember; the switch works all the same
  const remembered = () => {
    try { return localStorage.getItem("bb-code") === "on"; } catch { return false; }
  };
  const remember = (on) => {
    try { localStorage.setItem("bb-code", on ? "on" : "off"); } catch { /* nothing to do */ }
  };

  const button = document.createElement("button");
  button.type = "button";
  button.className = "bb-switch";
  button.setAttribute("role", "switch");
  button.textContent = "Code";
  const turn = (on) => {
    button.setAttribute("aria-checked", String(on));
    for (const fold of folds) fold.open = on;
  };
  button.addEventListener("click", () => {
    const on = button.getAttribute("aria-checked") !== "true";
    turn(on);
    remember(on);
  });
  turn(remembered());
  title.after(button);

  // a link to a cell opens it before the browser goes there
  const open = (hash) => {
    const cell = hash.startsWith("#code-") && document.getElementById(hash.slice(1));
    if (cell) cell.closest("details").open = true;
  };
  for (const link of document.querySelectorAll("a.bb-code")) {
    link.addEventListener("click", () => open(link.hash));
  }
  open(location.hash);
});
