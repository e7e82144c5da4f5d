// Line icons on a 24 px grid, drawn for this app. <${Icon} name="bell" />; decorative unless `label` is given.

import { html } from "/static/app/core.js";

const PATHS = {
  overview: "M4 13h6V4H4zM14 20h6v-9h-6zM4 20h6v-3H4zM14 7h6V4h-6z",
  monitoring: "M3 12h4l3 7 4-14 3 7h4",
  market: "M4 9l1.5-5h13L20 9M4 9v11h16V9M4 9h16M9 20v-6h6v6",
  renter: "M12 7v5l3 2M12 3a9 9 0 100 18 9 9 0 000-18z",
  provider: "M4 5h16v5H4zM4 14h16v5H4zM7.5 7.5h.01M7.5 16.5h.01",
  block: "M12 3l8 4.5v9L12 21l-8-4.5v-9zM4 7.5l8 4.5 8-4.5M12 12v9",
  account: "M12 12a4 4 0 100-8 4 4 0 000 8zM4.5 20c1-3.5 4-5 7.5-5s6.500 1.500 7.500 5",
  wallet: "M4 7h15v12H4zM4 7l11-3v3M15.500 13h.01",
  search: "M10.500 17a6.500 6.500 0 100-13 6.500 6.500 0 000 13zM20 20l-4.800-4.800",
  bell: "M6 16V11a6 6 0 0112 0v5l1.500 2h-15zM10 21h4",
  sun: "M12 16a4 4 0 100-8 4 4 0 000 8zM12 2.500v2M12 19.500v2M2.500 12h2M19.500 12h2M5.300 5.300l1.400 1.400M17.300 17.300l1.400 1.400M5.300 18.700l1.400-1.400M17.300 6.700l1.400-1.400",
  moon: "M20 14.500A8.500 8.500 0 019.500 4a8.500 8.500 0 1010.500 10.500z",
  menu: "M4 7h16M4 12h16M4 17h16",
  close: "M6 6l12 12M18 6L6 18",
  check: "M5 12.500l4.500 4.500L19 7.500",
  copy: "M9 9h11v11H9zM15 9V4H4v11h5",
  up: "M12 19V5M6 11l6-6 6 6",
  down: "M12 5v14M6 13l6 6 6-6",
  right: "M9 5l7 7-7 7",
  left: "M15 5l-7 7 7 7",
  grid: "M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM13 13h7v7h-7z",
  list: "M8 6h12M8 12h12M8 18h12M4 6h.01M4 12h.01M4 18h.01",
  chart: "M4 20V4M4 20h16M8 16l4-5 3 3 5-7",
  table: "M4 5h16v14H4zM4 10h16M4 14.500h16M10 10v9",
  info: "M12 21a9 9 0 100-18 9 9 0 000 18zM12 11v5.500M12 7.500h.01",
  warning: "M12 4l9 16H3zM12 10v4.500M12 17.300h.01",
  key: "M8 16a4 4 0 110-8 4 4 0 010 8zM12 12h9v3M17 12v3",
  out: "M14 4H5v16h9M10 12h11M17 8l4 4-4 4",
  download: "M12 4v11M7 10.500l5 5 5-5M4 20h16",
  bolt: "M13 3L5 14h6l-1 7 8-11h-6z",
  gpu: "M3 7h16v10H3zM19 10h2v4h-2M6 17v3M10 17v3M7 10h4v4H7zM14 10.500h2M14 13.500h2",
  plus: "M12 5v14M5 12h14",
  trash: "M5 7h14M9 7V4h6v3M7 7l1 13h8l1-13M10.500 11v5M13.500 11v5",
  external: "M10 5H5v14h14v-5M13 5h6v6M19 5l-9 9",
  question: "M12 21a9 9 0 100-18 9 9 0 000 18zM9.500 9.500a2.500 2.500 0 114 2c-.9.700-1.500 1.200-1.500 2.200M12 17h.01",
  trophy: "M8 4h8v6a4 4 0 01-8 0zM8 6H4.500c0 3 1.500 4.500 3.500 4.500M16 6h3.500c0 3-1.500 4.500-3.500 4.500M12 14v4M8 20h8",
  filter: "M4 5h16l-6 7.500V19l-4-2v-4.500z",
};

export function Icon({ name, size = 18, label }) {
  return html`<svg class="icon" width=${size} height=${size} viewBox="0 0 24 24" aria-hidden=${label ? undefined : "true"} role=${label ? "img" : undefined} aria-label=${label}>
    <path d=${PATHS[name] ?? PATHS.info} /></svg>`;
}
