// Who is signed in: a wallet by its signature, or any account by an API key. Kept in this browser.
//   session.value.status: out, checking, in, expired     session.value.account: {account_id, role, balance, …}
//   if (!isIn()) openSignIn();     await refresh();      // after money moved

import { signal } from "/static/app/core.js";
import { ApiError, authorize, forgetAnswers, get, post } from "/static/app/api.js";

const KEPT = "xenblocks.session";
export const session = signal({ status: "out", kind: null, account: null, address: "" });
/** Whether the sign-in dialog is shown, and why. */
export const signInAsked = signal(null);

export const isIn = () => session.value.status === "in";
export const isAdministrator = () => isIn() && session.value.account?.role === "admin";
export const openSignIn = (why = "") => { signInAsked.value = { why }; };

let credential = null;
const headersOf = (kind, secret) => (kind === "wallet" ? { Authorization: `Bearer ${secret}` } : { "X-API-Key": secret });
const headers = () => (credential ? headersOf(credential.kind, credential.secret) : {});

function refused() {
  if (!credential) return;
  forget();
  session.value = { ...session.value, status: "expired", account: null };
}

function forget() {
  credential = null;
  localStorage.removeItem(KEPT);
  forgetAnswers();
}

/** Takes a token or key into use when the server knows it; throws otherwise. */
export async function signIn(kind, secret, address = "") {
  const taken = { kind, secret, address };
  const account = await get("/api/auth/me", { headers: headersOf(kind, secret) })
    .catch((error) => { throw error.status === 401 ? new ApiError(401, "The server does not know this credential.") : error; });
  credential = taken;
  localStorage.setItem(KEPT, JSON.stringify(taken));
  forgetAnswers();
  session.value = { status: "in", kind, account, address: address || account.eth_address };
  signInAsked.value = null;
  return account;
}

export function signOut() {
  // The token ends on the server too; a lost answer leaves it to run out.
  if (credential?.kind === "wallet") post("/api/auth/logout", undefined).catch(() => {});
  forget();
  session.value = { status: "out", kind: null, account: null, address: "" };
}

/** Asks for the account's balance again. */
export async function refresh() {
  if (!credential) return;
  try {
    session.value = { ...session.value, status: "in", account: await get("/api/auth/me") };
  } catch (error) {
    // An unreachable server does not sign anybody out.
    if (error.status === 401) refused();
  }
}

/** The session of the last visit, and of other tabs. */
export function restore() {
  authorize(headers, refused);
  addEventListener("storage", (event) => { if (event.key === KEPT) take(event.newValue); });
  take(localStorage.getItem(KEPT));
}

function take(text) {
  let kept = null;
  try { kept = JSON.parse(text ?? "null"); } catch { /* not ours */ }
  credential = kept?.secret ? kept : null;
  forgetAnswers();
  session.value = credential
    ? { status: "checking", kind: credential.kind, account: null, address: credential.address }
    : { status: "out", kind: null, account: null, address: "" };
  refresh();
}
