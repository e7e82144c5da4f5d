// How a worker is connected: its name, its token, and the command that starts it; and the tokens it has.

import { html, useState } from "/static/app/core.js";
import { del, post, useApi } from "/static/app/api.js";
import { ConfirmDialog } from "/static/app/dialog.js";
import { dateTime } from "/static/app/format.js";
import { Button, Card, ErrorState, Field, Icon, Pill, Skeleton, copy } from "/static/app/kit.js";
import { toast, toastError } from "/static/app/notices.js";
import { session } from "/static/app/session.js";

const NAME = /^[A-Za-z0-9._:-]{1,128}$/;
const CHAIN = "http://xenblocks.io";

/** The command of `xenblocks worker --help` for this marketplace. */
function commandOf(name, banner, network, withToken) {
  // A marketplace that plays the chain itself is the chain's address too.
  const chain = network?.difficulty > 0 ? location.origin : CHAIN;
  const options = [
    `--miner-addr ${session.value.address || "0xYOUR_ADDRESS"}`,
    `--worker-id ${name}`,
    `--rpc-link ${chain}`,
    `--mqtt-broker tcp://${location.hostname}:${banner?.mqtt_port ?? 1883}`,
    withToken && "--mqtt-password-file token",
  ];
  return ["xenblocks worker", ...options.filter(Boolean)].join(" \\\n  ");
}

export function Connect() {
  const signedIn = session.value.status === "in";
  const banner = useApi("/");
  const network = useApi("/api/overview/network");
  const [name, setName] = useState("rig-1");
  const known = NAME.test(name) ? name : "";
  const path = `/api/workers/${encodeURIComponent(known)}/tokens`;
  const tokens = useApi(signedIn && known ? path : null);
  const [made, setMade] = useState(null);
  const [busy, setBusy] = useState(false);
  const secret = made?.worker_id === known ? made.token : "";
  const command = commandOf(known || "rig-1", banner.data, network.data, secret);
  const make = async () => {
    setBusy(true);
    try { setMade(await post(path)); await tokens.reload(); } catch (error) { toastError(error); }
    setBusy(false);
  };
  return html`
    <${Card} title="Connect a worker">
      <ol class="steps how">
        <${Step} n="1" title="Copy the program to the machine with the GPUs">
          <p class="soft">One file, nothing else to install.</p>
        <//>
        <${Step} n="2" title="Name the worker">
          <${Field} label="Worker id" error=${known ? "" : "1 to 128 letters, digits and . _ : -"}
              hint="Unique on this marketplace.">
            <input name="worker" class="mono" autocomplete="off" spellcheck=${false} value=${name}
              onInput=${(event) => setName(event.currentTarget.value.trim())} />
          <//>
        <//>
        <${Step} n="3" title="Give it a token"
            action=${html`<${Button} small icon="key" busy=${busy} disabled=${!signedIn || !known} onClick=${make}>
              Make a token
            <//>`}>
          ${secret
            ? html`
              <p class="note warning">
                <${Icon} name="warning" size=${16} />
                <span>
                  It is shown this once. Save it beside the program, in a file named token that you alone can open: chmod 600 token.
                </span>
              </p>
              <p class="secret mono">${secret}</p>
              <${Button} small icon="copy" onClick=${() => copy(secret, "Token copied")}>Copy the token<//>
            `
            : html`<p class="soft">
              The worker logs in with it where the marketplace asks for credentials: anywhere but on its own machine.
              ${!signedIn && " Sign in to make one."}
            </p>`}
        <//>
        <${Step} n="4" title="Start it with your address"
            action=${html`<${Button} small icon="copy" onClick=${() => copy(command)}>Copy<//>`}>
          <p class="secret mono" data-command>${command}</p>
        <//>
        <${Step} n="5" title="Set a price and list it"><p class="soft">It mines for you while nobody rents it.</p><//>
      </ol>
    <//>
    ${signedIn && known && html`<${Tokens} name=${known} answer=${tokens} path=${path} />`}
  `;
}

const Step = ({ n, title, action, children }) => html`<li>
  <span class="step-no" aria-hidden="true">${n}</span>
  <div class="stack small"><p class="step-title">${title}</p>${children}${action}</div>
</li>`;

function Tokens({ name, answer, path }) {
  const [doomed, setDoomed] = useState(null);
  const [busy, setBusy] = useState(false);
  const data = answer.data?.worker_id === name ? answer.data : null;
  const revoke = async () => {
    setBusy(true);
    try {
      await del(`${path}/${doomed.token_id}`);
      setDoomed(null);
      toast("success", "Token revoked");
      await answer.reload();
    } catch (error) { toastError(error); }
    setBusy(false);
  };
  return html`
    <${Card} title=${`Tokens of ${name}`} flush>
      ${!data
        ? (answer.error ? html`<${ErrorState} error=${answer.error} retry=${answer.reload} />`
          : html`<div class="body"><${Skeleton} lines=${2} /></div>`)
        : data.tokens.length === 0 ? html`<p class="book-text soft">None yet.</p>`
        : html`<ul class="feed">
          ${data.tokens.map((one) => html`<li key=${one.token_id}>
            <span class="feed-icon"><${Icon} name="key" size=${16} /></span>
            <p>Made ${dateTime(one.created_at)}<br /><span class="soft">by ${one.issued_by}</span></p>
            ${one.revoked_at ? html`<${Pill}>Revoked ${dateTime(one.revoked_at)}<//>`
              : html`<${Button} small tone="danger" aria-label=${`Revoke the token of ${dateTime(one.created_at)}`}
                  onClick=${() => setDoomed(one)}>
                Revoke
              <//>`}
          </li>`)}
        </ul>`}
    <//>
    ${doomed && html`<${ConfirmDialog} title=${`Revoke a token of ${name}?`} confirm="Revoke" tone="danger" busy=${busy}
        onConfirm=${revoke} onClose=${() => setDoomed(null)}>
      <p>A worker that is connected with it is cut off at once, and comes in again with another only.</p>
    <//>`}
  `;
}
