// Tables that ask for it get filters above them and buttons in their heads. Without this script
// they are whole tables all the same.
const MOST = 100; // values that a menu can hold
const FIRST = 100; // rows that are laid out unasked: custom.css holds the same number

document.addEventListener("DOMContentLoaded", () => {
  for (const table of document.querySelectorAll("table[data-sortable]")) {
    const heads = [...table.tHead.rows[0].cells];
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const named = table.dataset.sortable.split("|");
    const text = (row, i) => row.cells[i].textContent.trim();
    const numeric = (i) => heads[i].classList.contains("bb-number");
    // "< 0.001" sorts by its bound, "1,200" without its comma
    const number = (row, i) => parseFloat(text(row, i).replace(/^[<>] /, "").replace("−", "-").replaceAll(",", ""));
    const chosen = new Map();
    const bar = document.createElement("div");
    bar.className = "bb-filters";
    const count = document.createElement("span");
    count.setAttribute("role", "status");
    const all = document.createElement("button");
    all.type = "button";
    all.textContent = "show all";
    let most = FIRST;

    const filter = () => {
      let n = 0;
      for (const row of body.rows) {
        const fits = [...chosen].every(([i, value]) => !value || text(row, i) === value);
        n += fits;
        row.hidden = !fits;
        row.classList.toggle("bb-later", n > most);
      }
      table.dataset.ready = "";
      const [fit, every] = [n, rows.length].map((number) => number.toLocaleString("en"));
      count.textContent = n > most ? `the first ${most} of ${fit} rows` : `${fit} of ${every} rows`;
      all.hidden = n <= most;
    };
    all.addEventListener("click", () => {
      most = Infinity;
      filter();
    });

    heads.forEach((head, i) => {
      const name = head.textContent.trim();
      if (!named.includes(name)) return;
      const values = [...new Set(rows.map((row) => text(row, i)))].sort();
      if (!numeric(i) && values.length > 1 && values.length <= MOST && values.length < rows.length) {
        const label = document.createElement("label");
        const select = document.createElement("select");
        for (const value of ["", ...values]) {
          const option = new Option(value || "all", value);
          select.add(option);
        }
        select.addEventListener("change", () => {
          chosen.set(i, select.value);
          filter();
        });
        label.append(`${name} `, select);
        bar.append(label);
      }

      const button = document.createElement("button");
      button.type = "button";
      button.textContent = name;
      head.textContent = "";
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const sign = down ? -1 : 1;
        // stable: rows that are alike keep the order of the book
        const sorted = [...rows].sort((a, b) => {
          if (!numeric(i)) return sign * text(a, i).localeCompare(text(b, i));
          const [x, y] = [number(a, i), number(b, i)];
          // what has no number stands at the end, whichever way the others go
          return Number.isNaN(x) - Number.isNaN(y) || sign * (x - y) || 0;
        });
        body.append(...sorted);
        filter();
      });
    });
    filter();
    if (bar.childElementCount || !all.hidden) bar.append(count, all);
    table.closest(".bb-table").prepend(bar);
  }
});
