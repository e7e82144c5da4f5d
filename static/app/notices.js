// Toasts, and the notification centre that keeps them.
//   toast("success", "Lease stopped");   toastError(error);
//   notify({ kind: "info", title: "Block found", text: "by rig-1", href: "/lease/…" });   // centre only

import { signal } from "/static/app/core.js";

const KEPT_MAX = 50;
const SHOWN_MAX = 4;
const SHOWN_MS = { success: 4000, info: 5000, warning: 8000, danger: 10000 };

export const toasts = signal([]);
export const notices = signal([]);
export const unread = signal(0);
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

export function notify(notice) {
  notices.value = [{ id: nextId++, at: Date.now() / 1000, kind: "info", ...notice }, ...notices.value].slice(0, KEPT_MAX);
  unread.value += 1;
}
export const readAll = () => { unread.value = 0; };
export const clearNotices = () => { notices.value = []; unread.value = 0; };
