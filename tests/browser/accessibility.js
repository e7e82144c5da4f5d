// What is wrong with the page for who cannot see it, cannot use a mouse, or sees little: a list of sentences.
(() => {
  const found = [];
  const say = (what, it) => found.push(`${what}: ${it.outerHTML.slice(0, 140)}`);
  const dialog = [...document.querySelectorAll("dialog[open]")].at(-1);
  const root = dialog ?? document.body;
  const shown = (it) => it.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && !it.closest("[aria-hidden=true]");
  const all = (selector) => [...root.querySelectorAll(selector)].filter(shown);

  // Landmarks, and a heading for each page.
  for (const [selector, least, most] of [["main", 1, 1], ["h1", 1, 1], ["body > header, #app > header, header.top", 1, 1], ["nav", 0, 9], ["footer", 0, 9]]) {
    const there = [...document.querySelectorAll(selector)].filter((it) => !it.closest("dialog"));
    if (there.length < least || (selector !== "nav" && selector !== "footer" && there.length > most)) found.push(`${there.length} of ${selector}`);
  }
  for (const nav of all("nav")) if (!nav.ariaLabel && !nav.getAttribute("aria-labelledby")) say("a navigation without a name", nav);
  if (!document.documentElement.lang) found.push("the page says no language");
  if (!document.title) found.push("the page has no title");

  // Headings go down one level at a time; a dialog begins with its own.
  let before = dialog ? 1 : 0;
  for (const heading of all("h1, h2, h3, h4, h5, h6")) {
    const level = Number(heading.tagName[1]);
    if (level > before + 1) say(`a heading of level ${level} after one of ${before}`, heading);
    if (!heading.innerText.trim()) say("an empty heading", heading);
    before = level;
  }

  // Fields have labels, ids are unique and refer to what is there, nothing jumps the queue of the Tab key.
  for (const field of all("input, select, textarea")) {
    if (!field.labels?.length && !field.ariaLabel && !field.getAttribute("aria-labelledby")) say("a field without a label", field);
  }
  const ids = new Set();
  for (const it of document.querySelectorAll("[id]")) { if (ids.has(it.id)) say("an id twice", it); ids.add(it.id); }
  for (const name of ["aria-labelledby", "aria-describedby", "aria-activedescendant", "for"]) {
    for (const it of all(`[${name}]`)) for (const id of it.getAttribute(name).split(/\s+/)) if (id && !ids.has(id)) say(`${name} refers to nothing`, it);
  }
  for (const it of document.querySelectorAll("[tabindex]")) if (it.tabIndex > 0) say("a tabindex above 0", it);

  // Targets of 24 pixels, but links within a text.
  for (const it of all("button, select, input, summary, [role=option], nav a, .menu a")) {
    const box = (it.closest("label") ?? it).getBoundingClientRect();
    if (box.width > 0 && (box.width < 23.5 || box.height < 23.5)) say(`a target of ${Math.round(box.width)} by ${Math.round(box.height)} pixels`, it);
  }

  // Text against what is painted under it.
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255]; };
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
  const ground = (it) => {
    const layers = [];
    for (let at = it; at; at = at.parentElement) {
      layers.push(rgba(getComputedStyle(at).backgroundColor));
      if (layers.at(-1)[3] > 0.999) break;
    }
    return layers.reverse().reduce((under, layer) => over(layer, under), [255, 255, 255, 1]);
  };
  const light = (color) => { const [r, g, b] = color.slice(0, 3).map((part) => { const c = part / 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const contrast = (a, b) => { const [high, low] = [light(a), light(b)].sort((x, y) => y - x); return (high + 0.05) / (low + 0.05); };
  const seen = new Set();
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const it = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || seen.has(it) || !shown(it) || it.closest(":disabled, svg, canvas, .hidden, noscript, script, style")) continue;
    seen.add(it);
    const style = getComputedStyle(it);
    const under = ground(it);
    const big = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = contrast(over(rgba(style.color), under), under);
    if (ratio < (big ? 3 : 4.5)) say(`text with a contrast of ${ratio.toFixed(2)}`, it);
  }
  return found;
})()
