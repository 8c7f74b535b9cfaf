"use strict";
// Sorts, filters and copies; without it the page shows all there is.
(() => {
  const page = document.querySelector(".layerlens");
  const find = (selector, from = page) => [...from.querySelectorAll(selector)];

  // --- sorting ------------------------------------------------------------------------------

  function cellAt(row, column) {
    let place = 0;
    for (const cell of row.cells) {
      place += cell.colSpan;
      if (place > column) return cell;
    }
    return null;
  }

  function keyOf(row, column) {
    const cell = cellAt(row, column);
    const text = cell === null ? "" : (cell.dataset.sort ?? cell.textContent).trim();
    const plain = text.replace(/,(?=\d{3})/g, "").replace(/^\u2260\s*/, "");
    if (plain === "" || plain === "–" || plain === "nan") return null;
    const number = Number({ inf: "Infinity", "-inf": "-Infinity" }[plain] ?? plain);
    return Number.isNaN(number) ? text.toLowerCase() : number;
  }

  function compare(one, other) {
    if (typeof one === "number" && typeof other === "number") return one - other;
    return String(one).localeCompare(String(other), "en", { numeric: true });
  }

  function sort(table, header, column) {
    const order = { none: "ascending", ascending: "descending", descending: "none" };
    const wanted = order[header.getAttribute("aria-sort") ?? "none"];
    for (const other of find("th[aria-sort]", table.tHead)) other.setAttribute("aria-sort", "none");
    header.setAttribute("aria-sort", wanted);
    const body = table.tBodies[0];
    const rows = [...body.rows];
    rows.forEach((row, place) => { row.dataset.place ??= place; });
    const inFile = (a, b) => a.dataset.place - b.dataset.place;
    const keys = new Map(rows.map((row) => [row, keyOf(row, column)]));
    const sign = wanted === "descending" ? -1 : 1;
    rows.sort((a, b) => {
      if (wanted === "none") return inFile(a, b);
      const [one, other] = [keys.get(a), keys.get(b)];
      if (one === null || other === null) {
        // What was not measured comes last either way.
        return (one === null) - (other === null) || inFile(a, b);
      }
      return sign * compare(one, other) || inFile(a, b);
    });
    body.append(...rows);
  }

  for (const table of find("table.sortable")) {
    if (table.tBodies[0].rows.length < 2) continue;
    let column = 0;
    for (const header of table.tHead.rows[table.tHead.rows.length - 1].cells) {
      const place = column;
      column += header.colSpan;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...header.childNodes);
      header.append(button);
      header.scope = "col";
      header.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => sort(table, header, place));
    }
  }

  // --- filtering ----------------------------------------------------------------------------

  const matches = (text, words) => words.every((word) => text.includes(word));
  const wordsOf = (input) => input.value.toLowerCase().split(/\s+/).filter(Boolean);

  const filter = document.getElementById("filter");
  const outcome = document.getElementById("outcome");
  const overview = find("#overview tbody tr").map((row) => ({
    row, text: row.textContent.toLowerCase().replace(/\s+/g, " "),
  }));

  function show() {
    const words = wordsOf(filter);
    const [kind, value] = outcome.value.split(":");
    const shown = new Set();
    for (const { row, text } of overview) {
      const wanted = matches(text, words) && (!kind || row.dataset[kind] === value);
      row.hidden = !wanted;
      if (wanted) shown.add(row.dataset.scenario);
    }
    const sections = find("section[id^=scenario-]");
    for (const section of sections) section.hidden = !shown.has(section.id.slice(9));
    document.getElementById("nothing").hidden = shown.size > 0;
    const all = `${sections.length} scenario${sections.length === 1 ? "" : "s"}`;
    document.getElementById("shown").textContent =
      shown.size === sections.length ? all : `${shown.size} of ${all}`;
  }

  filter.addEventListener("input", show);
  outcome.addEventListener("change", show);
  show();

  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input, select, textarea");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      filter.focus();
    }
    if (event.key === "Escape" && event.target === filter) {
      filter.value = "";
      show();
    }
  });

  for (const table of find("table.filterable")) {
    const rows = [...table.tBodies[0].rows];
    if (rows.length < 8) continue;
    const label = document.createElement("label");
    const input = document.createElement("input");
    input.type = "search";
    input.autocomplete = "off";
    label.append("Filter ", input);
    label.className = "tools";
    table.closest(".scroll").before(label);
    input.addEventListener("input", () => {
      const words = wordsOf(input);
      for (const row of rows) row.hidden = !matches(row.textContent.toLowerCase(), words);
    });
  }

  // --- copying ------------------------------------------------------------------------------

  async function copy(source) {
    try {
      await navigator.clipboard.writeText(source.textContent);
      return true;
    } catch {
      // No clipboard for pages from here: the older way, by selecting.
      const area = document.createElement("textarea");
      area.value = source.textContent;
      page.append(area);
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      return done;
    }
  }

  for (const button of find("button[data-copy]")) {
    const source = document.getElementById(button.dataset.copy);
    const told = button.parentElement.querySelector("[role=status]");
    button.addEventListener("click", async () => {
      const done = await copy(source);
      told.textContent = done ? "copied" : "not copied: select the text above instead";
      if (!done) source.closest("details").open = true;
      button.focus();
    });
  }

  // --- the rest -----------------------------------------------------------------------------

  for (const tools of find(".tools[hidden], .buttons[hidden]")) tools.hidden = false;
  addEventListener("beforeprint", () => {
    for (const details of find("details")) details.open = true;
  });
  addEventListener("hashchange", () => {
    const target = document.getElementById(location.hash.slice(1));
    if (target?.hidden) {
      filter.value = "";
      outcome.value = "";
      show();
      target.scrollIntoView();
    }
  });
})();
