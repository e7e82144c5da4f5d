// What every module builds with: one import instead of five.
//   import { html, useState, signal } from "/static/app/core.js";

import { h, render, Fragment, Component, createRef } from "preact";
import htm from "htm";

export const html = htm.bind(h);
export { h, render, Fragment, Component, createRef };
export { useState, useEffect, useLayoutEffect, useMemo, useRef, useCallback, useId } from "preact/hooks";
export { signal, computed, effect, batch, useSignal, useComputed, useSignalEffect } from "@preact/signals";

/** Joins class names, leaving out what is falsy. */
export const cx = (...names) => names.filter(Boolean).join(" ");
