// What a wallet's workers have achieved, and a picture of it to show around.

import { html, useEffect, useRef } from "/static/app/core.js";
import { useApi } from "/static/app/api.js";
import { count, hashrate, money, short } from "/static/app/format.js";
import { Button, Card, ErrorState, Icon, Skeleton } from "/static/app/kit.js";
import { toast } from "/static/app/notices.js";
import { isLight } from "/static/app/shell.js";

const SIZE = [1200, 630];
const GOALS = [
  ["First block", "block", (a) => a.total_blocks, 1, "A block that counted"],
  ["A hundred blocks", "block", (a) => a.total_blocks, 100, "100 blocks"],
  ["First earnings", "market", (a) => a.total_earnings, 0.01, "A lease that paid"],
  ["Earned a hundred", "market", (a) => a.total_earnings, 100, "100 paid out"],
  ["A week in", "renter", (a) => a.mining_days, 7, "7 days"],
  ["A fleet", "gpu", (a) => a.total_workers, 5, "5 workers"],
  ["10 kH/s", "bolt", (a) => a.peak_hashrate, 10000, "Peak of 10 kH/s"],
  ["100 kH/s", "bolt", (a) => a.peak_hashrate, 100000, "Peak of 100 kH/s"],
];

export function Achievements() {
  const answer = useApi("/api/wallet/achievements", { every: 60000 });
  if (!answer.data) return html`<${Card} title="Achievements">
    ${answer.error ? html`<${ErrorState} error=${answer.error} retry=${answer.reload} />`
      : html`<${Skeleton} height=${200} />`}
  <//>`;
  const a = answer.data;
  return html`<div class="grid-2">
    <${Card} title="Achievements"
        note=${`${GOALS.filter(([, , value, goal]) => value(a) >= goal).length} of ${GOALS.length}`}>
      <ul class="badges">
        ${GOALS.map(([title, icon, value, goal, text]) => {
          const got = value(a) >= goal;
          return html`<li key=${title} class=${got ? "got" : ""}>
            <${Icon} name=${got ? "trophy" : icon} size=${24} />
            <strong>${title}</strong>
            <span class="soft">${got ? "Reached" : text}</span>
          </li>`;
        })}
      </ul>
    <//>
    <${Share} data=${a} />
  </div>`;
}

function draw(canvas, data) {
  const context = canvas.getContext("2d");
  const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const write = (text, x, y, size, color, weight = 500) => {
    context.font = `${weight} ${size}px Inter, system-ui, sans-serif`;
    context.fillStyle = token(color);
    context.fillText(text, x, y);
  };
  const [width, height] = SIZE;
  context.fillStyle = token("bg-1");
  context.fillRect(0, 0, width, height);
  context.fillStyle = token("accent");
  context.fillRect(0, 0, 12, height);
  write("XenBlocks", 72, 110, 40, "accent", 700);
  write(short(data.address, 8, 6), 72, 170, 34, "text-2");
  [
    [count(data.total_blocks), "blocks"],
    [hashrate(data.peak_hashrate), "peak hashrate"],
    [money(data.total_earnings), "earned"],
    [`${data.mining_days.toFixed(1)}`, "days"],
  ].forEach(([value, label], i) => {
    const [x, y] = [72 + (i % 2) * 540, 330 + Math.floor(i / 2) * 180];
    write(value, x, y, 76, "text", 700);
    write(label, x, y + 48, 30, "text-2");
  });
}

function Share({ data }) {
  const canvas = useRef(null);
  useEffect(() => {
    draw(canvas.current, data);
    document.fonts?.ready.then(() => canvas.current && draw(canvas.current, data));
  }, [data, isLight()]);
  const picture = () => new Promise((done) => { canvas.current.toBlob(done, "image/png"); });
  const save = async () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await picture());
    link.download = "xenblocks.png";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };
  const copy = async () => {
    try {
      await navigator.clipboard.write([new ClipboardItem({ "image/png": picture() })]);
      toast("success", "Picture copied");
    } catch { toast("warning", "The browser does not allow copying pictures here; save it instead."); }
  };
  const found = `${count(data.total_blocks)} blocks, peak ${hashrate(data.peak_hashrate)}`;
  const said = `${found}, ${money(data.total_earnings)} earned in ${data.mining_days.toFixed(1)} days`;
  return html`<${Card} title="Share card"
      actions=${html`
        <${Button} small onClick=${copy} icon="copy">Copy<//>
        <${Button} small icon="download" onClick=${save}>Save<//>
      `}>
    <canvas ref=${canvas} class="share" width=${SIZE[0]} height=${SIZE[1]} role="img"
        aria-label=${said}></canvas>
    <p class="soft">Your address is shortened; nothing else about you is on it.</p>
  <//>`;
}
