// The source of a file, each line with its time.

import type { App, View } from "../app";
import { bar, h } from "../dom";
import { csv, type Export } from "../export";
import { bytes, count, percent } from "../format";
import type { Line } from "../model";

const FILES_SHOWN = 60;

export class SourceView implements View {
  readonly element = h("div.source-view");
  private readonly files = h("nav.files", { "aria-label": "Files" });
  private readonly code = h("div.code", { tabindex: 0, role: "region", "aria-label": "Source" });
  private shown = "";
  private lines: Line[] = [];

  constructor(private readonly app: App) {
    this.element.append(this.files, this.code);
  }

  update(): void {
    const { app } = this;
    const { profile, state } = app;
    const hot = profile.hotFiles(app.filter);
    const ofFunction = state.fn >= 0 && profile.isPython(state.fn) ? profile.fileOf(state.fn) : -1;
    const file = state.file >= 0 ? state.file : ofFunction >= 0 ? ofFunction : (hot[0]?.file ?? -1);
    const { all } = profile.totals(app.filter);
    const shownFiles = hot.slice(0, FILES_SHOWN);
    this.files.replaceChildren(
      h("h2", {}, "Files"),
      ...shownFiles.map((it) =>
        h(
          "button.file",
          { click: () => app.set({ file: it.file, line: 0 }), "aria-current": it.file === file ? "true" : null, title: profile.fullPath(it.file) },
          h("span.path", {}, profile.shownFile(it.file)),
          h("span.share", {}, percent(it.own, all)),
        ),
      ),
      ...(hot.length > shownFiles.length ? [h("p.quiet", {}, `and ${hot.length - shownFiles.length} more`)] : []),
    );
    if (file < 0) {
      this.code.replaceChildren(h("p.quiet", {}, "No file of this recording has time in it."));
      return;
    }
    this.showFile(file, all);
  }

  exports(): Export[] {
    const unit = this.app.inBytes ? 1 : 1e6;
    const names = this.app.inBytes ? ["own_bytes", "total_bytes"] : ["own_s", "total_s"];
    const rows = (): string =>
      csv(
        ["line", "hits", ...names, "allocated_bytes", "source"],
        this.lines.map((line) => [line.line, line.hits, line.own / unit, line.total / unit, line.allocated, line.source ?? ""]),
      );
    return [{ name: "CSV", type: "text/csv", make: rows }];
  }

  private showFile(file: number, all: number): void {
    const { profile, state, filter } = this.app;
    const lines = profile.fileLines(file, filter);
    this.lines = lines;
    if (lines.length === 0) {
      this.code.replaceChildren(h("p.quiet", {}, "No line of this file has time in it."));
      return;
    }
    const starts = new Map<number, number>();
    for (const fn of profile.functionsIn(file)) if (!starts.has(profile.lineOf(fn))) starts.set(profile.lineOf(fn), fn);
    const most = lines.reduce((max, line) => Math.max(max, line.total), 1);
    const rows: HTMLElement[] = [];
    let before = 0;
    for (const line of lines) {
      if (before && line.line > before + 1)
        rows.push(h("tr.gap", {}, h("td", { colspan: 6 }, "⋮")));
      before = line.line;
      rows.push(this.row(line, most, all, starts.get(line.line) ?? -1));
    }
    const since = profile.head.lines_from_s;
    const late = since > 0 && lines.some((line) => line.hits > 0);
    this.code.replaceChildren(
      h("h2", {}, profile.shownFile(file)),
      h("p.quiet", {}, profile.fullPath(file)),
      ...(profile.head.timed ? [h("p.warning", {}, "This file knows the time of functions, not of lines.")] : []),
      ...(late ? [h("p.warning", {}, `Hits are counted from ${since.toFixed(1)} s on, in the functions that were the hottest until then; times are of the whole recording.`)] : []),
      h(
        "table.lines",
        {},
        h("caption.hidden", {}, "Lines"),
        h(
          "thead",
          {},
          h("tr", {}, h("th.number", { scope: "col" }, "line"), h("th.number", { scope: "col", title: "how often it ran; only where lines were counted" }, "hits"), h("th.number", { scope: "col", title: "in the line itself and in the C functions it calls" }, "own"), h("th.number", { scope: "col", title: "with what it called" }, "total"), profile.head.memory && h("th.number", { scope: "col", title: "bytes, in the line itself and in the C functions it calls, of the whole recording" }, profile.head.memory_period ? "allocated (estimated)" : "allocated"), h("th", { scope: "col" }, "source")),
        ),
        h("tbody", {}, rows),
      ),
    );
    const what = `${file}:${state.line}`;
    if (what !== this.shown) this.code.querySelector(".here")?.scrollIntoView({ block: "center" });
    this.shown = what;
  }

  private row(line: Line, most: number, all: number, starts: number): HTMLElement {
    const { state } = this.app;
    const heat = line.total / most;
    const row = h(
      "tr",
      { class: [line.line === state.line ? "here" : "", line.total > 0 ? "warm" : ""].join(" ").trim() || null },
      h("td.number.line", {}, String(line.line)),
      h("td.number", {}, Number.isNaN(line.hits) ? "" : count(line.hits)),
      h("td.number", {}, line.own > 0 ? this.app.amount(line.own) : ""),
      h("td.number.barred", { title: percent(line.total, all) }, bar(heat, "bar"), line.total > 0 ? this.app.amount(line.total) : ""),
      this.app.profile.head.memory && h("td.number", {}, Number.isNaN(line.allocated) ? "" : bytes(line.allocated)),
      h("td.text", {}, line.source ?? h("span.quiet", {}, "(not recorded)"), starts >= 0 && h("button.link.of", { click: () => this.app.choose(starts), title: "show who calls it" }, "callers")),
    );
    row.style.setProperty("--heat", String(heat > 0 ? 0.08 + 0.42 * heat : 0));
    return row;
  }
}
