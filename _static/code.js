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

});

// A link to what is folded opens it before the browser goes there
document.addEventListener("DOMContentLoaded", () => {
  const open = (hash) => {
    const target = hash && document.getElementById(decodeURIComponent(hash.slice(1)));
    let fold = target && target.closest("details");
    while (fold) {
      fold.open = true;
      fold = fold.parentElement.closest("details");
    }
    return target;
  };
  for (const link of document.querySelectorAll('a[href^="#"]')) {
    link.addEventListener("click", () => open(link.hash));
  }
  const target = open(location.hash);
  if (target) target.scrollIntoView();
});
