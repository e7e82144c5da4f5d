// Addresses: paths name pages, the query holds every filter, sort, page, range and tab.
//   navigate("/lease/lease-1");              const [tab, setTab] = useQuery("tab", "overview");
//   setQuery({ page: 2, search: "" });       // an empty value leaves the address

import { signal, useCallback } from "/static/app/core.js";

/** An address may hold what no text decodes to: it is a page that is not there then. */
const decoded = (text, decode) => { try { return decode(text); } catch { return text; } };
const read = () => ({ path: decoded(window.location.pathname, decodeURI), query: new URLSearchParams(window.location.search) });
export const place = signal(read());

export function navigate(to, { replace = false } = {}) {
  const target = new URL(to, window.location.href);
  if (!replace) history.replaceState({ ...history.state, scroll: scrollY }, "");
  history[replace ? "replaceState" : "pushState"]({}, "", target);
  place.value = { ...read(), moved: !replace };
}

/** Changes parameters of the query, keeping the others; the step is not kept in the history. */
export function setQuery(changes, { push = false } = {}) {
  const query = new URLSearchParams(window.location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === "" || value === null || value === undefined || value === false) query.delete(name);
    else query.set(name, String(value));
  }
  const text = query.toString();
  history[push ? "pushState" : "replaceState"](history.state, "", window.location.pathname + (text ? `?${text}` : ""));
  place.value = read();
}

/** A parameter of the query as state; the default is not written. */
export function useQuery(name, fallback = "") {
  const value = place.value.query.get(name) ?? fallback;
  const set = useCallback(
    (next, options) => setQuery({ [name]: String(next) === String(fallback) ? "" : next }, options),
    [name, fallback],
  );
  return [value, set];
}

/** The parameters of `/lease/:id` in a path, or null. */
export function match(pattern, path) {
  const [wanted, parts] = [pattern.split("/"), path.replace(/(.)\/$/, "$1").split("/")];
  if (wanted.length !== parts.length) return null;
  const found = {};
  for (const [i, part] of wanted.entries()) {
    if (part.startsWith(":") && parts[i] !== "") found[part.slice(1)] = decoded(parts[i], decodeURIComponent);
    else if (part !== parts[i]) return null;
  }
  return found;
}

/** Makes links of this origin change the page without loading it anew. */
export function listen() {
  history.scrollRestoration = "manual";
  addEventListener("popstate", () => { place.value = { ...read(), moved: true, scroll: history.state?.scroll ?? 0 }; });
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (!link || !plain || event.defaultPrevented || link.target || link.download || link.origin !== window.location.origin) return;
    if (/^\/(api|static|dashboard|metrics|health)\b/.test(link.pathname)) return;
    if (link.hash && link.pathname === window.location.pathname) return;
    event.preventDefault();
    navigate(link.href);
  });
}
