// Signing in: wallets that announce themselves (EIP-6963) or sit in window.ethereum (EIP-1193), and API keys.
// A wallet signs one message (EIP-4361) that costs nothing; the server's clock dates it.

import { html, signal, useEffect, useState } from "/static/app/core.js";
import { get, post, url } from "/static/app/api.js";
import { Dialog } from "/static/app/dialog.js";
import { short } from "/static/app/format.js";
import { Button, EmptyState, Field, Icon, ViewToggle } from "/static/app/kit.js";
import { toast } from "/static/app/notices.js";
import { openSignIn, session, signIn, signInAsked, signOut } from "/static/app/session.js";
import { now } from "/static/app/store.js";

const REJECTED = 4001;
const PENDING = -32002;

/** The wallets of this browser: [{info: {uuid, name, icon, rdns}, provider}]. */
const wallets = signal([]);

addEventListener("eip6963:announceProvider", ({ detail }) => {
  if (!detail?.info?.uuid || !detail.provider || wallets.value.some((one) => one.info.uuid === detail.info.uuid)) return;
  wallets.value = [...wallets.value.filter((one) => one.info.uuid !== "legacy"), detail];
  watch(detail);
});
dispatchEvent(new Event("eip6963:requestProvider"));
if (wallets.value.length === 0 && window.ethereum?.request) {
  wallets.value = [{ info: { uuid: "legacy", name: "Browser wallet", icon: "", rdns: "" }, provider: window.ethereum }];
  watch(wallets.value[0]);
}

/** Another account in the wallet is another person here; another chain is not. */
function watch({ provider }) {
  provider.on?.("accountsChanged", (accounts) => {
    const { status, kind, address } = session.value;
    if (status !== "in" || kind !== "wallet" || !accounts?.length) return;
    if (accounts.some((one) => one.toLowerCase() === address.toLowerCase())) return;
    signOut();
    toast("warning", "Signed out: the wallet changed to another account.", { action: { label: "Sign in", run: () => openSignIn() } });
  });
}

const bytesAsHex = (text) => `0x${Array.from(new TextEncoder().encode(text), (byte) => byte.toString(16).padStart(2, "0")).join("")}`;

/** The message of EIP-4361 that is signed. */
function message({ address, nonce, chainId }) {
  const [from, until] = [now(), now() + 280].map((seconds) => new Date(seconds * 1000).toISOString());
  return `${location.host} wants you to sign in with your Ethereum account:\n${address}\n\n`
    + "Sign in to XenBlocks. This costs nothing and sends nothing to a chain.\n\n"
    + `URI: ${location.origin}\nVersion: 1\nChain ID: ${chainId}\nNonce: ${nonce}\nIssued At: ${from}\nExpiration Time: ${until}`;
}

/** What a wallet's refusal means to a person. */
function explain(error) {
  if (error.code === REJECTED) return { state: "rejected", text: "You declined in the wallet. Nothing was signed." };
  if (error.code === PENDING) {
    return { state: "locked", text: "The wallet is already asking. Open its window, unlock it and answer there." };
  }
  if (error.status === 401 && error.message?.startsWith("The sign-in message")) return { state: "rejected", text: error.message };
  if (error.status === 401) {
    const text = "The signature is not of the account that was chosen. Choose the account in the wallet and try again.";
    return { state: "rejected", text };
  }
  return { state: "rejected", text: error.message || "The wallet did not answer." };
}

async function signInWith({ provider, info }, step) {
  step("Waiting for the wallet: choose an account");
  const accounts = await provider.request({ method: "eth_requestAccounts" });
  if (!accounts?.length) throw Object.assign(new Error("The wallet is locked"), { code: PENDING });
  const asked = accounts[0];
  step("Asking the server");
  const { nonce, address = asked } = await get(url("/api/auth/nonce", { address: asked }), { headers: {} });
  const chainId = Number.parseInt(await provider.request({ method: "eth_chainId" }).catch(() => "0x1"), 16) || 1;
  const text = message({ address, nonce, chainId });
  step("Waiting for the wallet: sign the message");
  const signature = await provider.request({ method: "personal_sign", params: [bytesAsHex(text), asked] });
  step("Checking the signature");
  const { token } = await post("/api/auth/verify", { address, signature, nonce, message: text }, { headers: {} });
  await signIn("wallet", token, address);
  toast("success", `Signed in as ${short(address)} with ${info.name}`);
}

export function SignIn() {
  const close = () => { signInAsked.value = null; };
  const [way, setWay] = useState("wallet");
  const why = session.value.status === "expired" ? "Your session has ended. Sign in again to go on." : signInAsked.value?.why;
  return html`<${Dialog} title="Sign in" onClose=${close}>
    ${why && html`<p class="note info"><${Icon} name="info" size=${16} /><span>${why}</span></p>`}
    <${ViewToggle} label="Way to sign in" value=${way} onChange=${setWay}
      options=${[["wallet", "Wallet", "wallet"], ["key", "API key", "key"]]} />
    ${way === "wallet" ? html`<${WithWallet} />` : html`<${WithKey} />`}<//>`;
}

function WithWallet() {
  const [busy, setBusy] = useState("");
  const [step, setStep] = useState("");
  const [problem, setProblem] = useState(null);
  const begin = async (wallet) => {
    setBusy(wallet.info.uuid);
    setProblem(null);
    try { await signInWith(wallet, setStep); } catch (error) { setProblem(explain(error)); }
    setBusy("");
    setStep("");
  };
  // One wallet: nothing to pick.
  useEffect(() => { if (wallets.value.length === 1) begin(wallets.value[0]); }, []);
  if (wallets.value.length === 0) {
    const text = "Install one that signs messages, such as MetaMask, Rabby or Brave's own, and load this page again."
      + " With an API key no wallet is needed.";
    return html`<${EmptyState} icon="wallet" title="No wallet in this browser" text=${text}>
      <${Button} tone="primary" onClick=${() => window.location.reload()}>I have installed one<//><//>`;
  }
  return html`<ul class="wallets">${wallets.value.map((wallet) => html`<li key=${wallet.info.uuid}>
    <button type="button" class="wallet" disabled=${Boolean(busy)} aria-busy=${busy === wallet.info.uuid ? "true" : undefined}
      onClick=${() => begin(wallet)}>
      ${/^data:image\//.test(wallet.info.icon)
        ? html`<img src=${wallet.info.icon} alt="" width="28" height="28" />`
        : html`<${Icon} name="wallet" size=${24} />`}
      <span>${wallet.info.name}</span>
      ${busy === wallet.info.uuid
        ? html`<span class="spinner" aria-hidden="true"></span>`
        : html`<${Icon} name="right" />`}</button></li>`)}</ul>
    <p class="soft" role="status">
      ${step || "A signature proves that the address is yours. It costs nothing and sends nothing to a chain."}</p>
    ${problem && html`<p class=${`note ${problem.state === "locked" ? "warning" : "danger"}`} role="alert">
      <${Icon} name="warning" size=${16} /><span>${problem.text}</span></p>`}`;
}

function WithKey() {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState("");
  const submit = async (event) => {
    event.preventDefault();
    const key = new FormData(event.currentTarget).get("key").trim();
    if (!key) { setError("Paste the key of your account."); return; }
    setBusy(true);
    try { await signIn("key", key); toast("success", "Signed in with an API key"); } catch (refused) { setError(refused.message); }
    setBusy(false);
  };
  return html`<form class="stack" onSubmit=${submit} noValidate>
    <${Field} label="API key" error=${error} hint="Shown once when it was made. It is kept in this browser until you sign out.">
      <input name="key" type="password" autocomplete="off" spellcheck=${false} class="mono" autofocus /><//>
    <${Button} tone="primary" type="submit" busy=${busy}>Sign in<//></form>`;
}
