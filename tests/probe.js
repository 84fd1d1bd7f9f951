/* What the browser tests ask the page; injected by the driver, not part of the page. */
window.alerts = 0;
window.alert = () => { window.alerts += 1; };
window.probe = (() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const drawn = (element) =>
    getComputedStyle(element).display !== "none" &&
    (!element.parentElement || drawn(element.parentElement));

  /* Colours. */
  const parse = (text) => {
    const numbers = text.match(/[\d.]+/g).map(Number);
    return numbers.length < 4 ? [...numbers, 1] : numbers;
  };
  const over = (top, under) => under.map((part, i) => top[i] * top[3] + part * (1 - top[3]));
  const ground = (element) => {
    const own = parse(getComputedStyle(element).backgroundColor);
    if (own[3] === 1) return own.slice(0, 3);
    return over(own, element.parentElement ? ground(element.parentElement) : [255, 255, 255]);
  };
  /* Relative luminance and contrast ratio as WCAG 2 defines them. */
  const luminance = (rgb) => {
    const [r, g, b] = rgb
      .map((part) => part / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (element) => {
    const style = getComputedStyle(element);
    const behind = ground(element);
    const ink = over(parse(element.closest("svg") ? style.fill : style.color), behind);
    const [low, high] = [luminance(ink), luminance(behind)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };

  return {
    /* How many elements of a selector are there to be seen. */
    seen: (selector) => all(selector).filter(drawn).length,
    texts: (selector) => all(selector).map((element) => element.textContent),
    /* One column of a class table, without the rows that are hidden. */
    column: (number, table = 0) =>
      [...all("table.classes")[table].tBodies[0].rows]
        .filter((row) => !row.hidden)
        .map((row) => row.cells[number].textContent),
    /* Every text that is seen, with its contrast, the least first. */
    contrasts: () => {
      const found = [];
      const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      while (walk.nextNode()) {
        const text = walk.currentNode.textContent.trim();
        const element = walk.currentNode.parentElement;
        if (!text || !drawn(element) || element.closest("script, desc, option")) continue;
        found.push([contrast(element), text.slice(0, 40)]);
      }
      return found.sort((a, b) => a[0] - b[0]);
    },
    /* Heights of a chart's bars, in its own unit. */
    bars: (name) => {
      const chart = document.querySelector(`.chart.${name}`);
      const unit = Number(chart.dataset.unit);
      return [...chart.querySelectorAll(".bar")].map((bar) => bar.getAttribute("height") / unit);
    },
    /* Which chart has the focus, and what is said of the value in it. */
    chart: () => document.activeElement.closest(".chart")?.classList[1],
    focused: () => document.activeElement.getAttribute("aria-label"),
    tabStops: () =>
      all(".chart").map((chart) => chart.querySelectorAll(".mark[tabindex='0']:not([hidden])").length),
    headings: () => all("h1, h2, h3").map((heading) => Number(heading.tagName[1])),
    unnamed: () =>
      [
        ...all("input, select, button:not([hidden]), .chart, .mark, [role=region]").filter(
          (e) => !(e.labels?.length || e.getAttribute("aria-label") || e.textContent.trim()),
        ),
        ...all("table").filter((table) => !table.caption?.textContent.trim()),
        ...all("img").filter((image) => !image.alt),
      ].map((element) => element.outerHTML.slice(0, 80)),
    repeatedIds: () => {
      const ids = all("[id]").map((element) => element.id);
      return ids.filter((id, place) => ids.indexOf(id) !== place);
    },
  };
})();
