// Toasts, and the notification centre that keeps them.
//   toast("success", "Lease stopped");   toastError(error);
//   notify({ kind: "info", title: "Block found", text: "by rig-1", href: "/lease/…", key: "block…", at, read });   // centre only

import { computed, signal } from "/static/app/core.js";
import { now } from "/static/app/store.js";

const KEPT_MAX = 50;
const SHOWN_MAX = 4;
const SHOWN_MS = { success: 4000, info: 5000, warning: 8000, danger: 10000 };

export const toasts = signal([]);
export const notices = signal([]);
export const unread = computed(() => notices.value.filter((one) => !one.read).length);
let nextId = 1;

export function toast(kind, text, { href, action } = {}) {
  const last = toasts.value.at(-1);
  // The same failure of several requests is told once.
  if (last?.text === text && Date.now() - last.at < SHOWN_MS[kind]) return;
  const one = { id: nextId++, kind, text, href, action, at: Date.now() };
  toasts.value = [...toasts.value, one].slice(-SHOWN_MAX);
  setTimeout(() => dismiss(one.id), SHOWN_MS[kind]);
  if (kind !== "success") notify({ kind, title: text, href });
}
export const toastError = (error) => toast("danger", error?.message || "Something went wrong.");
export const dismiss = (id) => { toasts.value = toasts.value.filter((one) => one.id !== id); };

/** A notice replaces the one of the same key: what is told twice is kept once, and what goes on is one line. */
export function notify(notice) {
  const one = { id: nextId++, at: now(), kind: "info", read: false, ...notice };
  const others = notices.value.filter((old) => !one.key || old.key !== one.key);
  notices.value = [one, ...others].sort((a, b) => b.at - a.at).slice(0, KEPT_MAX);
}
export const readAll = () => { notices.value = notices.value.map((one) => ({ ...one, read: true })); };
export const clearNotices = () => { notices.value = []; };
