// Where Block Buster is: it is a program of its own on a port of its own, and this page leads there. Nothing of it is
// loaded into this app, whose policy lets it talk to its own server alone.

import { html } from "/static/app/core.js";
import { Card, Icon, PageHead } from "/static/app/kit.js";

const PORT = 5000;

export default function BlockBuster() {
  const address = `http://${location.hostname}:${PORT}/#/theblock`;
  return html`
    <${PageHead} title="Block Buster" text="The dashboard of a The Block node" />
    <${Card} title="Open the dashboard">
      <p>Network strength, markets, operations and peers of a node, live. The gateway serves the page itself:</p>
      <p>
        <a class="button primary" href=${address} target="_blank" rel="noopener noreferrer">
          <${Icon} name="external" size=${16} />
          Open ${address}
        </a>
      </p>
      <p class="soft">
        Nothing there? Start it on that machine: <code>xenblocks block-buster</code>,${" "}
        or <code>xenblocks block-buster --demo-node</code> to see it without a node.
      </p>
    <//>
  `;
}
