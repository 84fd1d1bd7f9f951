"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const byId = (name) => document.getElementById(name);
  const shown = (element) => !element.closest("[hidden], .absent");

  /* Tooltips, on hover and on focus. */
  const tip = byId("tip");
  let told = null;
  const showTip = (mark) => {
    told = mark;
    tip.textContent = mark.getAttribute("aria-label");
    tip.hidden = false;
    const box = (mark.querySelector(".dot") || mark).getBoundingClientRect();
    const left = box.left + box.width / 2 - tip.offsetWidth / 2;
    const above = box.top - tip.offsetHeight - 8;
    tip.style.left = `${Math.max(8, Math.min(left, innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${above > 4 ? above : box.bottom + 8}px`;
  };
  const hideTip = () => {
    told = null;
    tip.hidden = true;
  };
  for (const [start, end] of [["pointerover", "pointerout"], ["focusin", "focusout"]]) {
    document.addEventListener(start, (event) => {
      const mark = event.target.closest(".mark");
      if (mark) showTip(mark);
    });
    document.addEventListener(end, (event) => { if (event.target.closest(".mark")) hideTip(); });
  }
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hideTip(); });
  /* The browser scrolls to what gets the focus: the tooltip goes along with that. */
  addEventListener("scroll", () => {
    if (told && told === document.activeElement) showTip(told);
    else hideTip();
  }, { passive: true });

  /* One tab stop a chart; arrows move inside: left and right along a series, up and down across. */
  const marksOf = (chart) => all(".mark", chart).filter(shown);
  const settleStops = () => {
    for (const chart of all(".chart")) {
      for (const mark of all(".mark", chart)) mark.setAttribute("tabindex", "-1");
      marksOf(chart)[0]?.setAttribute("tabindex", "0");
    }
  };
  const neighbour = (marks, mark, key) => {
    const place = marks.indexOf(mark);
    const { series, key: column } = mark.dataset;
    const row = marks.filter((other) => other.dataset.series === series);
    const same = marks.filter((other) => other.dataset.key === column);
    switch (key) {
      case "ArrowRight": return row.length > 1 ? row[row.indexOf(mark) + 1] : marks[place + 1];
      case "ArrowLeft": return row.length > 1 ? row[row.indexOf(mark) - 1] : marks[place - 1];
      case "ArrowDown": return same[same.indexOf(mark) + 1];
      case "ArrowUp": return same[same.indexOf(mark) - 1];
      case "Home": return row[0];
      case "End": return row[row.length - 1];
      default: return undefined;
    }
  };
  document.addEventListener("keydown", (event) => {
    const mark = event.target.closest(".mark");
    if (!mark || event.ctrlKey || event.metaKey || event.altKey) return;
    if (!/^(Arrow|Home$|End$)/.test(event.key)) return;
    event.preventDefault();
    const next = neighbour(marksOf(mark.closest(".chart")), mark, event.key);
    if (!next) return;
    mark.setAttribute("tabindex", "-1");
    next.setAttribute("tabindex", "0");
    next.focus();
  });

  /* Tables that are wider than their place say so. */
  const markWide = () => {
    for (const box of all(".scroll")) box.classList.toggle("more", box.scrollWidth > box.clientWidth + 1);
  };
  addEventListener("resize", markWide);
  document.addEventListener("toggle", markWide, true);

  /* Which models are shown. */
  const pickModels = () => {
    for (const box of all("input[name=model]")) {
      for (const part of all(`[data-series="${box.value}"]`)) part.toggleAttribute("hidden", !box.checked);
    }
    settleStops();
    refilter();
    markWide();
  };

  /* The class tables. */
  const tables = all("table.classes");
  const status = byId("class-status");
  const number = (row, column) => parseFloat(row.cells[column].textContent);
  const sortBy = (head) => {
    const table = head.closest("table");
    const column = head.cellIndex;
    const text = head.dataset.kind === "text";
    const before = head.getAttribute("aria-sort");
    const rising = before ? before === "descending" : true;
    for (const other of all("[aria-sort]", table)) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", rising ? "ascending" : "descending");
    const keyed = [...table.tBodies[0].rows].map((row) => [text ? row.cells[0].textContent : number(row, column), row]);
    const order = new Intl.Collator(undefined, { numeric: true });
    /* Cells without a number come last, whichever way. */
    const empty = ([key]) => !text && Number.isNaN(key);
    keyed.sort((one, two) => empty(one) - empty(two) || (text ? order.compare(one[0], two[0]) : one[0] - two[0]) * (rising ? 1 : -1) || 0);
    table.tBodies[0].append(...keyed.map(([, row]) => row));
    filterClasses();
    status.textContent = `Sorted by ${head.textContent}, ${rising ? "ascending" : "descending"}`;
  };
  /* Layout of a thousand rows takes a second: at first only so many are shown. */
  const atOnce = 100;
  const more = byId("class-more");
  let limit = atOnce;
  const filterClasses = () => {
    const wanted = byId("class-search").value.trim().toLowerCase();
    const sound = byId("class-few")?.checked;
    let found = 0;
    let total = 0;
    let most = 0;
    for (const table of tables.filter(shown)) {
      let fitting = 0;
      for (const row of table.tBodies[0].rows) {
        const fits = row.cells[0].textContent.toLowerCase().includes(wanted) && !(sound && row.classList.contains("few"));
        fitting += fits;
        row.hidden = !fits || fitting > limit;
      }
      found += fitting;
      most = Math.max(most, fitting);
      total += table.tBodies[0].rows.length;
    }
    more.hidden = most <= limit;
    more.textContent = `Show all ${found}, not only the first ${limit}`;
    return wanted || sound ? `${found} of ${total} rows` : `${total} rows`;
  };
  /* A page of what was measured alone has no classes. */
  const refilter = () => { if (more) status.textContent = filterClasses(); };

  /* The profile of one class. */
  const choice = byId("class-pick");
  const pickClass = () => {
    const said = [];
    tables.forEach((table, series) => {
      for (const row of all("tr.picked", table)) row.classList.remove("picked");
      const row = table.querySelector(`tr[data-class="${choice.value}"]`);
      row?.classList.add("picked");
      const nothing = row?.classList.contains("nothing");
      const heads = table.tHead.rows[0].cells;
      for (const mark of all(`.chart.profile .mark[data-series="${series}"]`)) {
        const { dataset } = mark.closest(".chart");
        const zero = Number(dataset.zero);
        const unit = Number(dataset.unit);
        mark.classList.toggle("absent", !row || nothing);
        if (!row || nothing) continue;
        const column = Number(mark.dataset.key) + 4;
        const share = number(row, column);
        const y = zero - share * unit;
        const bar = mark.querySelector(".bar");
        bar.setAttribute("y", Math.min(y, zero));
        bar.setAttribute("height", Math.abs(zero - y));
        const at = mark.querySelector(".at");
        at.setAttribute("transform", at.getAttribute("transform").replace(/ [^ ]*\)$/, ` ${y})`));
        mark.setAttribute("aria-label", `${table.dataset.name}, ${row.cells[0].textContent}, ${heads[column].textContent.toLowerCase()}: share ${row.cells[column].textContent}`);
      }
      const name = tables.length > 1 ? `${table.dataset.name}: ` : "";
      said.push(row
        ? `${name}${row.cells[1].textContent} ${row.cells[1].textContent === "1" ? "image" : "images"}, accuracy ${row.cells[2].textContent}, ${nothing ? "no finding: nothing to share out between the bands" : `signed score ${row.cells[3].textContent}`}`
        : `${name}no image of this class`);
    });
    settleStops();
    byId("profile-status").textContent = `Class ${choice.selectedOptions[0].textContent}: ${said.join("; ")}.`;
  };

  for (const box of all("input[name=model]")) box.addEventListener("change", pickModels);
  for (const table of tables) {
    table.tHead.addEventListener("click", (event) => {
      const head = event.target.closest("button")?.closest("th");
      if (head) sortBy(head);
    });
    table.tBodies[0].addEventListener("click", (event) => {
      choice.value = event.target.closest("tr").dataset.class;
      pickClass();
    });
  }
  byId("class-search")?.addEventListener("input", refilter);
  byId("class-few")?.addEventListener("change", refilter);
  more?.addEventListener("click", () => {
    limit = Infinity;
    refilter();
  });
  choice?.addEventListener("change", pickClass);

  /* Copying the command. */
  document.addEventListener("click", async (event) => {
    const button = event.target.closest(".copy");
    if (!button) return;
    const code = button.parentElement.querySelector("code");
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = "Selected";
    }
  });

  /* On paper nothing can be unfolded. */
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = all("details:not([open])");
    for (const part of folded) part.open = true;
  });
  addEventListener("afterprint", () => { for (const part of folded) part.open = false; });

  pickModels();
  if (choice) pickClass();
})();
