// Dialogs over the native <dialog>: focus stays inside and returns, Escape closes.
// <${Dialog} title="Rent rig-1" onClose=${close} wide footer=${html`…`}>…<//>     mounted means open
// <${Drawer} title="rig-1" onClose=${close}>…<//>                                 the same, from the side
// <${ConfirmDialog} title="Stop the lease?" confirm="Stop" tone="danger" busy=${busy} onConfirm=${stop} onClose=${close}>what follows<//>

import { cx, html, useId, useLayoutEffect, useRef } from "/static/app/core.js";
import { Button, Icon } from "/static/app/kit.js";

export function Dialog({ title, onClose, wide, drawer, footer, children, bare }) {
  const element = useRef(null);
  const heading = useId();
  useLayoutEffect(() => {
    const before = document.activeElement;
    const dialog = element.current;
    dialog.showModal();
    return () => {
      if (dialog.open) dialog.close();
      // Opened by the address, or by what is gone: the page's heading takes it.
      (before?.isConnected && before !== document.body ? before : document.querySelector("h1"))?.focus({ preventScroll: true });
    };
  }, []);
  return html`<dialog ref=${element} class=${cx("dialog", wide && "wide", drawer && "drawer", bare && "bare")} aria-labelledby=${heading}
    onCancel=${(event) => { event.preventDefault(); onClose(); }}
    onMouseDown=${(event) => { if (event.target === element.current) onClose(); }}>
    <div class="dialog-box"><header class=${bare ? "hidden" : ""}><h2 id=${heading}>${title}</h2>
      ${!bare && html`<button type="button" class="icon-button" aria-label="Close" onClick=${onClose}>
        <${Icon} name="close" /></button>`}</header>
    <div class="dialog-body">${children}</div>${footer && html`<footer>${footer}</footer>`}</div></dialog>`;
}
export const Drawer = (props) => html`<${Dialog} ...${props} drawer />`;

export function ConfirmDialog({ title, confirm = "Confirm", tone = "primary", busy, onConfirm, onClose, children, disabled }) {
  return html`<${Dialog} title=${title} onClose=${onClose} footer=${html`<${Button} onClick=${onClose}>Cancel<//>
    <${Button} tone=${tone} busy=${busy} disabled=${disabled} onClick=${onConfirm}>${confirm}<//>`}>${children}<//>`;
}
