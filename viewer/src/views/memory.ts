// The track of memory in the timeline: what was resident and alive, and which lines had it at the moment that is chosen.

import type { App } from "../app";
import { css, h } from "../dom";
import { csv } from "../export";
import { bytes, count, percent } from "../format";
import { SERIES, type MemoryOverTime, type Moment, type Series } from "../memory";

export const MEMORY_HEIGHT = 132;
const PLOT_TOP = 20; // room for the word at the peak
const TIP_LINES = 4;
const TABLE_ROWS = 40;
const FAR = 10; // steps at once, with Shift

/** Each told by its dashes besides. */
const LOOKS: Record<Series, { name: string; about: string; color: string; dash: number[] }> = {
  rss: { name: "resident", about: "what the kernel holds in memory for it", color: "--m-rss", dash: [] },
  live: { name: "alive", about: "allocated and not freed, of what was tracked", color: "--m-live", dash: [7, 3] },
  native: { name: "alive, of C code", about: "of that, what C code took itself", color: "--m-native", dash: [2, 2] },
};

/** Where the timeline draws what happens when. */
export interface Scale {
  left: number;
  width: number;
  endUs: number;
}

export class MemoryTrack {
  readonly canvas = h("canvas.memory", { tabindex: 0, role: "application", "aria-roledescription": "chart" });
  readonly legend = h("span.legend");
  /** What was alive at the chosen moment, and all of it as a table. */
  readonly panel = h("section.held", { "aria-label": "Memory over time", tabindex: 0 });
  private readonly tip = h("div.tip", { role: "tooltip", hidden: true });
  private readonly moment = h("div.moment");
  private readonly table = h("details.steps", {}, h("summary", {}, "Memory over time as a table"));

  constructor(
    private readonly app: App,
    private readonly memory: MemoryOverTime,
    private readonly scale: () => Scale,
  ) {
    const { series, peak } = memory;
    this.legend.append(...SERIES.filter((it) => series.includes(it)).map((it) => h(`span.stroke.${it}`, { title: LOOKS[it].about }, LOOKS[it].name)));
    this.panel.append(this.moment, this.table, this.tip);
    this.table.addEventListener("toggle", () => this.fillTable());
    this.canvas.setAttribute(
      "aria-label",
      `Memory over ${this.seconds(memory.untilUs)}: at most ${bytes(memory.of("rss", peak))} resident, at ${this.seconds(memory.us[peak]!)}. Left and right choose a moment, with Shift faster, p the peak; below is what was alive then.`,
    );
    this.canvas.addEventListener("pointerleave", () => (this.tip.hidden = true));
    this.canvas.addEventListener("keydown", (event) => {
      if (!this.key(event)) return;
      event.preventDefault();
      event.stopPropagation();
    });
  }

  /** The chosen step; the peak if none is. */
  private get step(): number {
    const { at } = this.app.state;
    return at < 0 ? this.memory.peak : this.memory.at(at * 1000);
  }

  private seconds(us: number): string {
    return `${(us / 1e6).toFixed(2)} s`;
  }

  private figures(step: number): string {
    const { memory } = this;
    const parts = memory.series.map((it) => `${bytes(memory.of(it, step))} ${LOOKS[it].name}`);
    const processes = memory.processes[step]!;
    if (processes === 0) return "no process was there any more";
    const several = memory.processes.some((it) => it > 1) ? `, in ${count(processes)} process${processes === 1 ? "" : "es"}` : "";
    return `${parts.join(", ")}${several}`;
  }

  private lineName(fn: number, line: number): string {
    return this.app.profile.placeOf(fn, line) || this.app.profile.nameOf(fn);
  }

  update(): void {
    const { app, memory, step } = this;
    const us = memory.us[step]!;
    const noted = memory.momentOf(step);
    const why = memory.tracked ? (memory.processes[step] ? "Which lines had it was not noted." : "") : "Which lines had it is known where memory is tracked: `pyrometer run --memory`.";
    this.moment.replaceChildren(
      h("h2", {}, `${this.seconds(us)}${step === memory.peak ? ", the peak" : ""}: ${this.figures(step)}`),
      noted ? this.holders(noted) : h("p.quiet", {}, why),
    );
    if (app.state.process >= 0) this.moment.append(h("p.quiet", {}, "Memory is that of all processes."));
  }

  private holders(noted: Moment): HTMLElement {
    const { app } = this;
    const row = (fn: number, line: number): HTMLElement =>
      app.profile.isPython(fn) ? h("button.link", { click: () => app.openSource(fn, line) }, this.lineName(fn, line)) : h("span", {}, this.lineName(fn, line));
    return h(
      "table.holders",
      {},
      h("caption", {}, `Lines that had what was alive, as noted at ${this.seconds(noted.us)}: ${bytes(noted.live)} in all`),
      h("thead", {}, h("tr", {}, ["bytes", "of it", "line"].map((title, i) => h(i < 2 ? "th.number" : "th", { scope: "col" }, title)))),
      h(
        "tbody",
        {},
        noted.holders.map((it) =>
          h("tr", {}, h("td.number", {}, bytes(it.bytes)), h("td.number", {}, percent(it.bytes, noted.live)), h("td.name", {}, row(it.fn, it.line), h("span.quiet", {}, ` ${this.source(it.fn, it.line)}`))),
        ),
      ),
    );
  }

  private source(fn: number, line: number): string {
    const { profile } = this.app;
    return (profile.isPython(fn) && profile.source(profile.fileOf(fn), line)?.trim()) || "";
  }

  private fillTable(): void {
    const { memory } = this;
    if (!this.table.open || this.table.querySelector("table")) return;
    const titles = ["time", ...memory.series.map((it) => LOOKS[it].name)];
    const row = (step: number): HTMLElement => {
      const most = memory.momentOf(step)?.holders[0];
      return h(
        "tr",
        {},
        h("td.number", {}, h("button.link", { click: () => this.choose(step) }, this.seconds(memory.us[step]!)), step === memory.peak && " peak"),
        memory.series.map((it) => h("td.number", {}, bytes(memory.of(it, step)))),
        memory.tracked && h("td.name", {}, most ? `${this.lineName(most.fn, most.line)} (${bytes(most.bytes)})` : "–"),
      );
    };
    this.table.append(
      h("p.quiet", {}, `${memory.thinned ? "Of a long recording: of each part of the time the moment with the most resident. " : ""}All of it: CSV, above.`),
      h(
        "table",
        {},
        h("caption.hidden", {}, "Memory over time"),
        h("thead", {}, h("tr", {}, titles.map((it) => h("th.number", { scope: "col" }, it)), memory.tracked && h("th", { scope: "col" }, "the line with the most, about then"))),
        h("tbody", {}, memory.rows(TABLE_ROWS).map(row)),
      ),
    );
  }

  csv(): string {
    const { memory } = this;
    const names = { rss: "resident_bytes", live: "live_bytes", native: "native_live_bytes" };
    const rows = Array.from(memory.us, (us, step) => [us / 1e6, ...memory.series.map((it) => memory.of(it, step)), memory.processes[step]!]);
    return csv(["time_s", ...memory.series.map((it) => names[it]), "processes"], rows);
  }

  // -- drawing --

  paint(context: CanvasRenderingContext2D): void {
    const { memory } = this;
    const { left, width, endUs } = this.scale();
    const top = memory.top || 1;
    const y = (size: number): number => MEMORY_HEIGHT - 4 - (size / top) * (MEMORY_HEIGHT - 4 - PLOT_TOP);
    context.font = "12px system-ui, sans-serif";
    context.textBaseline = "middle";
    context.fillStyle = css("--quiet");
    context.fillText("memory", 6, MEMORY_HEIGHT / 2, left - 12);
    for (const part of [1, 0.5, 0]) {
      context.fillStyle = css("--line");
      context.fillRect(left, Math.round(y(top * part)), width, 1);
      context.fillStyle = css("--quiet");
      context.fillText(bytes(top * part), left - 78, Math.min(MEMORY_HEIGHT - 8, y(top * part)), 72);
    }
    const columns = Math.max(1, Math.floor(width));
    for (const series of memory.series) this.paintSeries(context, series, memory.columns(series, columns, endUs), (at) => left + (at / columns) * width, y);
    this.paintPeak(context, left + Math.min(1, memory.us[memory.peak]! / endUs) * width, y(memory.of("rss", memory.peak)), left + width);
    context.fillStyle = css("--accent");
    context.fillRect(left + Math.min(1, memory.us[this.step]! / endUs) * width - 0.5, PLOT_TOP - 4, 1.5, MEMORY_HEIGHT - PLOT_TOP);
  }

  private paintSeries(context: CanvasRenderingContext2D, series: Series, values: Float64Array, x: (at: number) => number, y: (size: number) => number): void {
    const { color, dash } = LOOKS[series];
    const path = new Path2D();
    const area = new Path2D();
    let open = false;
    values.forEach((value, at) => {
      if (!Number.isNaN(value)) {
        if (open) path.lineTo(x(at), y(value));
        else path.moveTo(x(at), y(value));
        path.lineTo(x(at + 1), y(value));
        area.rect(x(at), y(value), x(at + 1) - x(at) + 0.3, y(0) - y(value));
      }
      open = !Number.isNaN(value);
    });
    context.fillStyle = context.strokeStyle = css(color);
    if (series === "rss") {
      context.globalAlpha = 0.18;
      context.fill(area);
      context.globalAlpha = 1;
    }
    context.lineWidth = 1.8;
    context.setLineDash(dash);
    context.stroke(path);
    context.setLineDash([]);
  }

  private paintPeak(context: CanvasRenderingContext2D, x: number, y: number, right: number): void {
    const words = `peak ${bytes(this.memory.of("rss", this.memory.peak))}`;
    const wide = context.measureText(words).width;
    context.fillStyle = css("--ink");
    context.beginPath();
    context.moveTo(x, y - 1);
    context.lineTo(x - 5, y - 9);
    context.lineTo(x + 5, y - 9);
    context.fill();
    context.fillText(words, x + 10 + wide > right ? x - 10 - wide : x + 10, y - 8);
  }

  // -- mouse and keyboard --

  private stepAt(x: number): number {
    const { left, width, endUs } = this.scale();
    return this.memory.at(Math.max(0, (x - left) / width) * endUs);
  }

  hover(event: PointerEvent): void {
    const { memory, tip } = this;
    const { left } = this.scale();
    tip.hidden = event.offsetX < left;
    if (tip.hidden) return;
    const step = this.stepAt(event.offsetX);
    const noted = memory.momentOf(step);
    tip.replaceChildren(
      h("div", {}, h("b", {}, this.seconds(memory.us[step]!)), ` ${this.figures(step)}`),
      ...(noted?.holders.slice(0, TIP_LINES) ?? []).map((it) => h("div", {}, `${bytes(it.bytes)}  ${this.lineName(it.fn, it.line)}`)),
    );
    const width = tip.offsetWidth;
    tip.style.left = `${Math.min(event.clientX + 14, innerWidth - width - 8)}px`;
    tip.style.top = `${Math.min(event.clientY + 16, innerHeight - tip.offsetHeight - 8)}px`;
  }

  /** Of a click at X. */
  choosePlace(x: number): void {
    if (x >= this.scale().left) this.choose(this.stepAt(x));
  }

  choosePeak(): void {
    this.choose(this.memory.peak);
  }

  private choose(step: number): void {
    const { memory } = this;
    this.app.set({ at: step === memory.peak ? -1 : Math.round(memory.us[step]! / 1000) }, true);
    const most = memory.momentOf(step)?.holders[0];
    this.app.say(`${this.seconds(memory.us[step]!)}${step === memory.peak ? ", the peak" : ""}: ${this.figures(step)}${most ? `; most of it ${this.lineName(most.fn, most.line)}, ${bytes(most.bytes)}` : ""}`);
  }

  private key(event: KeyboardEvent): boolean {
    const last = this.memory.count - 1;
    const by = event.shiftKey ? FAR : 1;
    const to: Record<string, number> = { ArrowLeft: this.step - by, ArrowRight: this.step + by, Home: 0, End: last };
    const step = to[event.key];
    if (step === undefined) return false;
    this.choose(Math.max(0, Math.min(last, step)));
    return true;
  }
}
