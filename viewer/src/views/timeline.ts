// Threads over time, each part in the colour and the height of what the thread did. A chosen range rules the other views.

import type { App, View } from "../app";
import { css, h } from "../dom";
import type { Export } from "../export";
import { percent, time } from "../format";
import type { Kind } from "../data";
import { MEMORY_HEIGHT, MemoryTrack } from "./memory";

const ROW = 34;
const LOW_ROW = 18; // of many threads
const MANY = 20;
const MARK = 3; // where the chosen function was on the stack
const LABEL = 190;
const LETTERS = 26; // of a thread's name
const AXIS = 22;
const ROWS_SHOWN = 200;

interface Doing {
  name: string;
  color: string; // a variable of the style sheet
  height: number; // part of the row: what waits is low, so that colour is not the only sign
}

/** The most telling first: what shows where several share a part. */
const DOINGS: Doing[] = [
  { name: "running Python", color: "--t-python", height: 1 },
  { name: "running without the GIL", color: "--t-native", height: 0.84 },
  { name: "no CPU free", color: "--t-runnable", height: 0.68 },
  { name: "waiting for the GIL", color: "--t-gil", height: 0.52 },
  { name: "waiting", color: "--t-waiting", height: 0.34 },
  { name: "parked", color: "--t-parked", height: 0.12 },
  { name: "unknown", color: "--t-unknown", height: 0.2 },
];

const WAITING = 4;

function doing(kind: Kind, hasGil: boolean): number {
  if (kind.parked) return 5;
  if (kind.waits && kind.waits !== "gil") return WAITING; // a driver that works in C, for one
  switch (kind.state) {
    case "running":
      return kind.gil || !hasGil ? 0 : 1;
    case "runnable":
      return 2;
    case "gil_wait":
      return 3;
    case "waiting":
      return WAITING;
    default:
      return 6;
  }
}

interface Row {
  thread: number;
  byDoing: Float64Array[]; // time by bucket
  busy: number; // time in which it did something, or would have
  alive: number;
}

export class TimelineView implements View {
  readonly element = h("div.timeline-view");
  private readonly canvas = h("canvas.timeline", { tabindex: 0, role: "application", "aria-roledescription": "timeline" });
  private readonly notes = h("div.notes");
  private readonly range = h("div.range");
  private readonly axis = h("canvas.axis", { "aria-hidden": "true" });
  private readonly memory: MemoryTrack | null;
  private readonly scroll: HTMLElement;
  private rows: Row[] | null = null;
  private rowsOf = NaN; // the process that is chosen
  private present = new Map<number, Float64Array>();
  private presentFor = -1;
  private readonly ink = new Map<string, string>(); // colours, looked up once a picture
  private dragFrom = -1;
  private pending: [number, number] | null = null;

  constructor(private readonly app: App) {
    const { overTime } = app.profile;
    this.memory = overTime && new MemoryTrack(app, overTime, () => ({ left: LABEL, width: this.plotWidth, endUs: this.endUs }));
    this.scroll = h("div.scroll", { tabindex: -1 }, this.axis, this.memory?.canvas, this.canvas);
    this.element.append(this.notes, this.range, this.scroll, this.memory?.panel ?? "");
    for (const canvas of [this.canvas, this.memory?.canvas]) {
      canvas?.addEventListener("pointerdown", (event) => this.press(event, canvas));
      canvas?.addEventListener("pointermove", (event) => this.move(event, canvas));
      canvas?.addEventListener("pointerup", (event) => this.release(event, canvas));
    }
    this.canvas.addEventListener("keydown", (event) => {
      if (!this.canvasKey(event)) return;
      event.preventDefault();
      event.stopPropagation();
    });
    new ResizeObserver(() => this.paint()).observe(this.element);
  }

  update(): void {
    const { app } = this;
    if (this.rowsOf !== app.state.process) this.rows = this.makeRows();
    this.rowsOf = app.state.process;
    if (this.presentFor !== app.state.fn) {
      this.present = app.state.fn >= 0 ? app.profile.presence(app.state.fn) : new Map();
      this.presentFor = app.state.fn;
    }
    this.note();
    this.memory?.update();
    this.paint();
  }

  key(event: KeyboardEvent): boolean {
    if (event.key === "Escape" && this.isRange()) {
      this.app.set({ from: 0, to: this.buckets });
      return true;
    }
    if (event.key === "p" && this.memory) {
      this.memory.choosePeak();
      return true;
    }
    return false;
  }

  exports(): Export[] {
    const { memory } = this;
    const canvases = [this.axis, ...(memory ? [memory.canvas] : []), this.canvas].filter((it) => !it.hidden);
    return [{ name: "PNG", canvases: () => canvases }, ...(memory ? [{ name: "CSV" as const, type: "text/csv", make: () => memory.csv() }] : [])];
  }

  private get buckets(): number {
    return this.app.profile.head.buckets;
  }

  /** Where the axis ends: that of the samples, if there are any. */
  private get endUs(): number {
    const { head, overTime } = this.app.profile;
    return Math.max(head.buckets * head.bucket_us, this.rows?.length ? 0 : (overTime?.untilUs ?? 0));
  }

  private isRange(): boolean {
    return this.app.state.from > 0 || this.app.state.to < this.buckets;
  }

  /** The main thread, then the busiest first. */
  private makeRows(): Row[] {
    const { profile } = this.app;
    const hasGil = profile.head.kinds.some((kind) => kind.gil);
    const rows: Row[] = [];
    const { process } = this.app.state;
    for (const [thread, byKind] of profile.timeline()) {
      if (process >= 0 && profile.head.threads[thread]?.pid !== process) continue;
      const row: Row = { thread, byDoing: DOINGS.map(() => new Float64Array(this.buckets)), busy: 0, alive: 0 };
      byKind.forEach((times, kind) => {
        const which = doing(profile.head.kinds[kind]!, hasGil);
        for (let bucket = 0; bucket < times.length; bucket++) {
          row.byDoing[which]![bucket]! += times[bucket]!;
          if (which < WAITING) row.busy += times[bucket]!;
          row.alive += times[bucket]!;
        }
      });
      rows.push(row);
    }
    const { pid } = profile.head.recording;
    const isMain = ({ thread }: Row): number => Number(profile.head.threads[thread]?.id === pid);
    return rows.sort((a, b) => isMain(b) - isMain(a) || b.busy - a.busy || b.alive - a.alive || a.thread - b.thread);
  }

  private seconds(bucket: number): number {
    return (bucket * this.app.profile.head.bucket_us) / 1e6;
  }

  private note(): void {
    const { app } = this;
    const rows = this.rows!;
    const here = new Set<number>();
    for (const row of rows) row.byDoing.forEach((times, i) => times.some((us) => us > 0) && here.add(i));
    this.notes.replaceChildren(
      h("span.legend", {}, DOINGS.filter((_, i) => here.has(i)).map((it) => h(`span.key.${it.color.slice(2)}`, {}, it.name))),
      this.memory?.legend ?? "",
      ...(app.state.fn >= 0 ? [h("span", {}, "▔ ", h("b", {}, app.profile.nameOf(app.state.fn)), " was on the stack")] : []),
      ...(rows.length > ROWS_SHOWN ? [h("span.quiet", {}, `the ${ROWS_SHOWN} busiest of ${rows.length} threads`)] : []),
    );
    const field = (which: "from" | "to"): HTMLInputElement => {
      const value = this.seconds(app.state[which]).toFixed(3);
      return h("input", { type: "number", step: "any", min: 0, max: this.seconds(this.buckets).toFixed(3), value, "aria-label": `range ${which}, in seconds`, change: (event: Event) => this.typed(which, Number((event.target as HTMLInputElement).value)) });
    };
    this.range.replaceChildren(
      "Range: from ",
      field("from"),
      " s to ",
      field("to"),
      " s ",
      this.isRange() ? h("button", { click: () => app.set({ from: 0, to: this.buckets }) }, "all of it (Esc)") : h("span.quiet", {}, "drag over the threads to choose one: all views show what happened in it"),
    );
    this.canvas.setAttribute(
      "aria-label",
      `${rows.length} threads over ${this.seconds(this.buckets).toFixed(2)} seconds. Left and right move the range, with Shift they widen it, up and down choose a thread.`,
    );
  }

  private typed(which: "from" | "to", seconds: number): void {
    const bucket = Math.round((seconds * 1e6) / this.app.profile.head.bucket_us);
    const { from, to } = this.app.state;
    if (which === "from") this.app.set({ from: Math.max(0, Math.min(bucket, to - 1)) });
    else this.app.set({ to: Math.min(this.buckets, Math.max(bucket, from + 1)) });
  }

  // -- drawing --

  private get rowHeight(): number {
    return this.rows!.length > MANY ? LOW_ROW : ROW;
  }

  private get plotWidth(): number {
    return Math.max(1, this.canvas.clientWidth - LABEL - 12);
  }

  private paint(): void {
    const rows = this.rows?.slice(0, ROWS_SHOWN);
    if (!rows || this.element.hidden || this.scroll.clientWidth === 0) return;
    const height = rows.length * this.rowHeight + 4;
    this.canvas.hidden = rows.length === 0;
    this.paintAxis(this.clear(this.axis, AXIS));
    if (this.memory) {
      const context = this.clear(this.memory.canvas, MEMORY_HEIGHT);
      this.memory.paint(context);
      this.paintRange(context, MEMORY_HEIGHT);
    }
    const context = this.clear(this.canvas, height);
    for (const name of ["--ink", ...DOINGS.map((it) => it.color)]) this.ink.set(name, css(name));
    rows.forEach((row, index) => this.paintRow(context, row, index * this.rowHeight));
    this.paintRange(context, height);
  }

  /** Make CANVAS as wide as the view and HEIGHT high. */
  private clear(canvas: HTMLCanvasElement, height: number): CanvasRenderingContext2D {
    const ratio = window.devicePixelRatio || 1;
    const width = this.scroll.clientWidth;
    canvas.style.height = `${height}px`;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const context = canvas.getContext("2d", { alpha: false })!;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = css("--panel");
    context.fillRect(0, 0, width, height);
    return context;
  }

  private paintAxis(context: CanvasRenderingContext2D): void {
    const all = this.endUs / 1e6;
    const rough = all / Math.max(2, this.plotWidth / 110);
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((it) => it * power).find((it) => it >= rough) ?? rough;
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "middle";
    for (let at = 0; at <= all + step * 0.01; at += step) {
      const x = LABEL + (at / all) * this.plotWidth;
      context.fillStyle = css("--line");
      context.fillRect(x, AXIS - 5, 1, 5);
      context.fillStyle = css("--quiet");
      context.fillText(`${Number(at.toPrecision(6))} s`, x + 3, AXIS / 2);
    }
  }

  private paintRow(context: CanvasRenderingContext2D, row: Row, top: number): void {
    const { app } = this;
    const chosen = app.state.thread === row.thread;
    context.fillStyle = css(chosen ? "--ink" : "--quiet");
    context.font = `${chosen ? "bold " : ""}12px system-ui, sans-serif`;
    context.textBaseline = "middle";
    context.fillText(`${chosen ? "▸ " : ""}${this.label(row.thread)}`, 6, top + this.rowHeight / 2, LABEL - 12);
    const columns = Math.min(this.buckets, Math.ceil(this.plotWidth));
    const width = this.plotWidth / columns;
    for (let column = 0; column < columns; column++) {
      const from = Math.floor((column * this.buckets) / columns);
      const to = Math.max(from + 1, Math.floor(((column + 1) * this.buckets) / columns));
      this.paintColumn(context, row, from, to, LABEL + column * width, Math.max(width, 1), top);
    }
  }

  /** The name of THREAD, cut where it is too long; what tells processes apart stays. */
  private label(thread: number): string {
    const { profile } = this.app;
    const name = profile.threadName(thread);
    if (name.length <= LETTERS) return name;
    const process = / \(process (\d+)\)$/.exec(name);
    const end = process ? `… ${process[1]}` : "…";
    return name.slice(0, LETTERS - end.length) + end;
  }

  /** What took the most time there, as high as it is telling. */
  private paintColumn(context: CanvasRenderingContext2D, row: Row, from: number, to: number, x: number, width: number, top: number): void {
    const sums = row.byDoing.map((times) => {
      let sum = 0;
      for (let bucket = from; bucket < to; bucket++) sum += times[bucket]!;
      return sum;
    });
    const most = sums.reduce((best, sum, i) => (sum > sums[best]! ? i : best), 0);
    if (!(sums[most]! > 0)) return;
    const { color, height } = DOINGS[most]!;
    context.fillStyle = this.ink.get(color)!;
    const band = this.rowHeight - 2 * MARK - 2;
    context.fillRect(x, top + this.rowHeight - MARK - band * height, width + 0.3, band * height);
    const present = this.present.get(row.thread);
    if (present && present.subarray(from, to).some((us) => us > 0)) {
      context.fillStyle = this.ink.get("--ink")!;
      context.fillRect(x, top + 1, width + 0.3, MARK);
    }
  }

  private paintRange(context: CanvasRenderingContext2D, height: number): void {
    const [from, to] = this.pending ?? [this.app.state.from, this.app.state.to];
    if (from === 0 && to === this.buckets) return;
    const [left, right] = [from, to].map((bucket) => LABEL + (bucket / this.buckets) * this.plotWidth);
    context.fillStyle = css("--shade");
    context.fillRect(LABEL, 0, left! - LABEL, height);
    context.fillRect(right!, 0, LABEL + this.plotWidth - right!, height);
    context.fillStyle = css("--accent");
    context.fillRect(left! - 1, 0, 2, height);
    context.fillRect(right! - 1, 0, 2, height);
  }

  // -- mouse and keyboard --

  private bucketAt(x: number): number {
    return Math.max(0, Math.min(this.buckets, Math.round(((x - LABEL) / this.plotWidth) * this.buckets)));
  }

  private press(event: PointerEvent, canvas: HTMLCanvasElement): void {
    if (event.offsetX < LABEL) {
      if (canvas !== this.canvas) return;
      const row = this.rows?.slice(0, ROWS_SHOWN)[Math.floor(event.offsetY / this.rowHeight)];
      if (row) this.app.set({ thread: this.app.state.thread === row.thread ? -1 : row.thread });
      return;
    }
    canvas.setPointerCapture(event.pointerId);
    this.dragFrom = this.bucketAt(event.offsetX);
  }

  private move(event: PointerEvent, canvas: HTMLCanvasElement): void {
    if (canvas !== this.canvas) this.memory?.hover(event);
    if (this.dragFrom < 0) return;
    const to = this.bucketAt(event.offsetX);
    this.pending = [Math.min(this.dragFrom, to), Math.max(this.dragFrom, to)];
    this.paint();
  }

  private release(event: PointerEvent, canvas: HTMLCanvasElement): void {
    const pending = this.pending;
    this.dragFrom = -1;
    this.pending = null;
    if (pending && pending[1] > pending[0]) this.choose(pending[0], pending[1]);
    else if (canvas !== this.canvas) this.memory?.choosePlace(event.offsetX);
    else this.paint();
  }

  private choose(from: number, to: number): void {
    this.app.set({ from, to });
    const all = this.app.profile.totals(this.app.filter).all;
    this.app.say(`from ${this.seconds(from).toFixed(3)} to ${this.seconds(to).toFixed(3)} s: ${time(all)}, ${percent(all, this.app.profile.head.total_us)} of the time of all threads`);
  }

  private canvasKey(event: KeyboardEvent): boolean {
    const { from, to, thread } = this.app.state;
    const step = Math.max(1, Math.round(this.buckets / 100));
    if (event.key === "ArrowUp" || event.key === "ArrowDown") {
      const order = [-1, ...this.rows!.map((row) => row.thread)];
      const at = order.indexOf(thread) + (event.key === "ArrowDown" ? 1 : -1);
      this.app.set({ thread: order[(at + order.length) % order.length]! });
      return true;
    }
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return false;
    const by = event.key === "ArrowRight" ? step : -step;
    if (!this.isRange()) this.choose(0, Math.max(1, Math.round(this.buckets / 10)));
    else if (event.shiftKey) this.choose(from, Math.max(from + 1, Math.min(this.buckets, to + by)));
    else {
      const moved = Math.max(-from, Math.min(by, this.buckets - to));
      this.choose(from + moved, to + moved);
    }
    return true;
  }
}
