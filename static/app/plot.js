// Lines over time on a canvas: what ChartCard draws with. Numbers go in, pixels come out.
// const plot = new Plot(element, height, { format, marks, hover }); plot.show(times, series); plot.close();
// times: unix seconds, ascending. series: [{ label, values, color, fill, dash, steps }]; null values leave a gap.
// format(value) names a tick, marks() lists [{ at }], hover(index | null) tells what the pointer is at.

const TOP = 12;
const RIGHT = 28;
const BOTTOM = 30;
const LABEL_GAP = 10;
const FONT = "12px Inter, system-ui, sans-serif";
const DAY = 86400;
const TIME_STEPS = [60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, DAY, 2 * DAY, 3 * DAY, 7 * DAY, 14 * DAY, 28 * DAY];
const TIME_TICK_PIXELS = 90;
const VALUE_TICK_PIXELS = 36;
const HEADROOM = 1.12;

const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** The round step (1, 2 or 5 times a power of ten) that cuts `high` into at most `count` parts. */
export function valueStep(high, count) {
  const least = high / Math.max(count, 1);
  const power = 10 ** Math.floor(Math.log10(least));
  return power * [1, 2, 5, 10].find((step) => step * power >= least * 0.999999);
}

/** Moments between two, at round times of day in the zone of `offset` seconds east. */
export function timeTicks(from, to, count, offset) {
  const least = (to - from) / Math.max(count, 1);
  const step = TIME_STEPS.find((one) => one >= least) ?? Math.ceil(least / DAY) * DAY;
  const ticks = [];
  for (let at = Math.ceil((from + offset) / step) * step - offset; at <= to; at += step) ticks.push(at);
  return { step, ticks };
}

/** The index of the time nearest to `at`. */
export function nearest(times, at) {
  let [low, high] = [0, times.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < at) low = middle + 1;
    else high = middle;
  }
  return low > 0 && at - times[low - 1] < times[low] - at ? low - 1 : low;
}

export class Plot {
  constructor(element, height, { format, marks, hover }) {
    Object.assign(this, { element, height, format, marks, hover, times: [], series: [], at: null, frame: 0 });
    this.canvas = document.createElement("canvas");
    element.append(this.canvas);
    this.sized = new ResizeObserver(() => this.redraw());
    this.sized.observe(element);
    element.onpointermove = element.onpointerdown = (event) => this.point(event.clientX - element.getBoundingClientRect().left);
    element.onpointerleave = () => this.point(null);
  }

  close() {
    this.sized.disconnect();
    cancelAnimationFrame(this.frame);
    this.element.onpointermove = this.element.onpointerdown = this.element.onpointerleave = null;
    this.canvas.remove();
  }

  show(times, series) {
    Object.assign(this, { times, series });
    this.redraw();
  }

  redraw() {
    this.frame ||= requestAnimationFrame(() => { this.frame = 0; this.draw(); });
  }

  point(x) {
    const inside = x !== null && this.times.length > 0 && x >= this.left - LABEL_GAP;
    const at = inside ? nearest(this.times, this.from + ((x - this.left) / this.wide) * (this.to - this.from)) : null;
    if (at === this.at) return;
    this.at = at;
    this.hover(at);
    this.redraw();
  }

  x(time) { return this.left + ((time - this.from) / (this.to - this.from || 1)) * this.wide; }
  y(value) { return TOP + this.tall * (1 - value / this.high); }

  draw() {
    const width = this.element.clientWidth;
    if (width === 0 || this.times.length === 0) return;
    const scale = devicePixelRatio || 1;
    const pixels = [Math.round(width * scale), Math.round(this.height * scale)];
    if (this.canvas.width !== pixels[0] || this.canvas.height !== pixels[1]) [this.canvas.width, this.canvas.height] = pixels;
    const pen = this.pen = this.canvas.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, this.height);
    pen.font = FONT;
    this.measure(width);
    this.drawAxes();
    for (const one of this.series) this.drawLine(one);
    this.drawMarks();
    if (this.at !== null && this.at < this.times.length) this.drawCursor();
  }

  measure(width) {
    [this.from, this.to] = [this.times[0], this.times.at(-1)];
    const highest = this.series.reduce((high, { values }) => values.reduce((a, b) => (b > a ? b : a), high), 0);
    this.high = highest > 0 ? highest * HEADROOM : 1;
    this.tall = this.height - TOP - BOTTOM;
    const step = valueStep(this.high, this.tall / VALUE_TICK_PIXELS);
    this.values = Array.from({ length: Math.floor(this.high / step) + 1 }, (_, i) => i * step);
    this.names = this.values.map((value) => (value === 0 ? "0" : this.format(value)));
    this.left = Math.ceil(Math.max(...this.names.map((name) => this.pen.measureText(name).width))) + LABEL_GAP * 2;
    this.wide = Math.max(width - this.left - RIGHT, 1);
  }

  drawAxes() {
    const { pen } = this;
    Object.assign(pen, { fillStyle: token("text-3"), strokeStyle: token("line"), lineWidth: 1, textAlign: "right", textBaseline: "middle" });
    this.values.forEach((value, i) => {
      const y = Math.round(this.y(value)) + 0.5;
      pen.fillText(this.names[i], this.left - LABEL_GAP, y);
      this.stroke([[this.left, y], [this.left + this.wide, y]]);
    });
    const offset = -new Date(this.from * 1000).getTimezoneOffset() * 60;
    const { ticks } = timeTicks(this.from, this.to, this.wide / TIME_TICK_PIXELS, offset);
    const form = this.to - this.from > 2 * DAY ? { month: "short", day: "numeric" } : { hour: "2-digit", minute: "2-digit" };
    pen.textAlign = "center";
    for (const at of ticks) pen.fillText(new Date(at * 1000).toLocaleString([], form), this.x(at), this.height - BOTTOM / 2);
  }

  /** Strokes points; their line is left as the path, to be filled. */
  stroke(points) {
    this.pen.beginPath();
    for (const [x, y] of points) this.pen.lineTo(x, y);
    this.pen.stroke();
  }

  drawLine({ values, color, fill, dash, steps }) {
    const { pen } = this;
    const paint = token(color ?? "accent");
    Object.assign(pen, { strokeStyle: paint, lineWidth: 2, lineJoin: "round" });
    pen.setLineDash(dash ?? []);
    let run = [];
    const finish = () => {
      // One point alone is a gap's neighbour on both sides: a dash as wide as the line.
      if (run.length === 1) run.push([run[0][0] + 2, run[0][1]]);
      this.stroke(run);
      if (fill && run.length > 0) this.fillBelow(run, paint);
      run = [];
    };
    values.forEach((value, i) => {
      if (value === null || value === undefined) return finish();
      const [x, y] = [this.x(this.times[i]), this.y(value)];
      if (steps && run.length > 0) run.push([x, run.at(-1)[1]]);
      run.push([x, y]);
      return undefined;
    });
    finish();
    pen.setLineDash([]);
  }

  fillBelow(run, paint) {
    const { pen } = this;
    const shade = pen.createLinearGradient(0, TOP, 0, TOP + this.tall);
    shade.addColorStop(0, `${paint}40`);
    shade.addColorStop(1, `${paint}00`);
    pen.lineTo(run.at(-1)[0], TOP + this.tall);
    pen.lineTo(run[0][0], TOP + this.tall);
    pen.fillStyle = shade;
    pen.fill();
  }

  drawMarks() {
    const { pen } = this;
    pen.fillStyle = token("success");
    for (const { at } of this.marks() ?? []) {
      if (at < this.from || at > this.to) continue;
      const [x, foot] = [this.x(at), TOP + this.tall];
      pen.beginPath();
      pen.moveTo(x, foot - 8);
      pen.lineTo(x + 4, foot);
      pen.lineTo(x - 4, foot);
      pen.fill();
    }
  }

  drawCursor() {
    const { pen } = this;
    const x = this.x(this.times[this.at]);
    Object.assign(pen, { strokeStyle: token("line-strong"), lineWidth: 1 });
    pen.setLineDash([3, 3]);
    this.stroke([[x, TOP], [x, TOP + this.tall]]);
    pen.setLineDash([]);
    for (const { values, color } of this.series) {
      const value = values[this.at];
      if (value === null || value === undefined) continue;
      Object.assign(pen, { fillStyle: token(color ?? "accent"), strokeStyle: token("bg-1"), lineWidth: 2 });
      pen.beginPath();
      pen.arc(x, this.y(value), 4.5, 0, 2 * Math.PI);
      pen.fill();
      pen.stroke();
    }
  }
}
