// What moved since the baseline: a table, what vanished and what is new first, and both recordings as one flame graph.

import type { App, View } from "../app";
import { changeColor } from "../colors";
import { h } from "../dom";
import type { Finding, Move } from "../data";
import { csv, joined, type Export } from "../export";
import { Flame } from "../flame";
import { change, count, gainOf, percent, ratio, time } from "../format";
import { code, markdownTable } from "../markdown";
import { isDark } from "./flame";

const ROWS = 60;
const MARKDOWN_ROWS = 30;

const becameOf = (it: Move): string => (!it.was ? "new" : !it.is ? "gone" : "");
const us = (seconds: number | null): number => (seconds === null ? NaN : seconds * 1e6);

export class DifferenceView implements View {
  readonly element = h("div.difference-view");
  private readonly notes = h("div.notes");
  private readonly stage = h("div.stage");
  private readonly findings = h("div.findings-moved");
  private readonly table = h("div.scroll", { tabindex: 0, role: "region", "aria-label": "What moved" });
  private readonly tip = h("div.tip", { role: "tooltip", hidden: true });
  private flame: Flame | null = null;
  private shown = "";

  constructor(private readonly app: App) {
    this.element.append(this.notes, this.findings, this.table, this.stage, this.tip);
  }

  update(): void {
    const what = `${this.app.state.widths} ${isDark()}`;
    if (what !== this.shown) this.build();
    this.shown = what;
    this.note();
    this.showFindings();
    this.fillTable();
    this.flame?.draw();
  }

  key(event: KeyboardEvent): boolean {
    if (event.key !== "Escape" || !this.flame || this.flame.zoomed === 0) return false;
    this.flame.show(0);
    return true;
  }

  private note(): void {
    const { app } = this;
    const { difference, baseline } = app.profile.head;
    const [before, after] = difference!.total.map(us) as [number, number];
    const widths = app.state.widths;
    const button = (which: "before" | "after"): HTMLElement =>
      h("button", { click: () => app.set({ widths: which }, true), "aria-pressed": widths === which ? "true" : "false" }, which);
    this.notes.replaceChildren(
      h(
        "span.headline",
        {},
        h("b", {}, baseline ?? ""),
        ` ${time(before)} → `,
        h("b", {}, app.profile.head.title),
        ` ${time(after)}: `,
        h("strong", { class: after > before ? "more" : "less" }, `${change(after - before)}  (${ratio(before, after) || "new"})`),
      ),
      h("span", {}, "widths are the time ", button("after"), button("before")),
      h("span.legend", {}, h("span.key.less", {}, "− less time"), h("span.key.more", {}, "+ more time")),
      h("span.quiet", {}, "~ within the error of sampling; one run each is no verdict: `pyrometer bench` is"),
    );
  }

  /** What was worth changing before and is not any more, what is new, and what stayed. */
  private showFindings(): void {
    const { app } = this;
    const { findings, findings_before: before } = app.profile.head;
    if (!findings || !before) return;
    const key = (it: Finding): string => `${it.rule} ${it.function}`;
    const [were, are] = [before, findings].map((list) => new Set(list.map(key)));
    const item = (word: string, it: Finding): HTMLElement =>
      h(
        "li",
        {},
        h("b", {}, word),
        ` ${it.title}, ${gainOf(it).likely}: `,
        h("button.link", { click: () => app.choose(it.function) }, app.profile.nameOf(it.function)),
        h("span.quiet", {}, `  ${app.profile.placeOf(it.function, it.line)}`),
      );
    const items = [
      ...before.filter((it) => !are!.has(key(it))).map((it) => item("gone", it)),
      ...findings.filter((it) => !were!.has(key(it))).map((it) => item("new", it)),
      ...findings.filter((it) => were!.has(key(it))).map((it) => item("still", it)),
    ];
    this.findings.replaceChildren(items.length ? h("ul", { "aria-label": "Findings" }, items) : h("p.quiet", {}, "No finding, neither before nor after."));
  }

  private build(): void {
    const { app } = this;
    const { profile } = app;
    const { tree, before, after } = profile.difference(app.state.widths);
    const dark = isDark();
    const all = Math.max(before[0]!, after[0]!);
    const moved = (entry: number): string => change(after[entry]! - before[entry]!);
    this.flame = new Flame(
      tree,
      {
        name: (key, entry) => (entry === 0 ? `all  ${moved(0)}` : `${profile.nameOf(key)}  ${moved(entry)}`),
        color: (_key, entry) => changeColor(before[entry]!, after[entry]!, all, dark),
        isMatch: (key) => app.matches.functions[key] === 1,
        isChosen: (key) => key === app.state.fn,
        searching: () => app.matches.regex !== null,
      },
      false,
      "Flame graph of the difference. Arrow keys move, Enter zooms, Escape goes back.",
    );
    const { flame } = this;
    const words = (entry: number): string =>
      `${entry === 0 ? "all" : profile.nameOf(tree.key[entry]!)}: ${time(before[entry]!)} before, ${time(after[entry]!)} after, ${moved(entry)} ${ratio(before[entry]!, after[entry]!)}`.trim();
    flame.onChoose = (entry) => {
      if (entry > 0) app.choose(tree.key[entry]!);
      app.say(words(entry));
    };
    flame.onZoom = (entry) => flame.show(entry);
    flame.onHover = (entry, x, y) => {
      this.tip.hidden = entry < 0;
      if (entry < 0) return;
      this.tip.replaceChildren(h("div", {}, words(entry)), h("div.quiet", {}, entry > 0 ? profile.placeOf(tree.key[entry]!) : ""));
      const place = flame.canvas.getBoundingClientRect();
      this.tip.style.left = `${Math.min(place.left + x + 14, window.innerWidth - this.tip.offsetWidth - 8)}px`;
      this.tip.style.top = `${Math.min(place.top + y + 16, window.innerHeight - this.tip.offsetHeight - 8)}px`;
    };
    this.stage.replaceChildren(flame.canvas);
  }

  /** Vanished and new ones with time first, then the largest moves. */
  private moves(): Move[] {
    const { profile, matches } = this.app;
    const moved = (it: Move): number => {
      const [before, after] = it.was === it.is ? it.self : it.total; // whoever comes or goes takes along what it called
      return Math.abs((us(after) || 0) - (us(before) || 0));
    };
    const all = Math.max(...profile.head.difference!.total.map((it) => us(it) || 0));
    const rank = (it: Move): number => (it.was !== it.is && moved(it) > 0.01 * all ? 0 : 1);
    return profile.head.difference!.rows
      .filter((it) => !matches.regex || matches.functions[it.function] === 1)
      .sort((a, b) => rank(a) - rank(b) || moved(b) - moved(a));
  }

  markdown(): string {
    const { head } = this.app.profile;
    const [before, after] = head.difference!.total.map(us) as [number, number];
    const rows = this.moves().slice(0, MARKDOWN_ROWS).map((it) => {
      const [was, is] = it.self.map(us) as [number, number];
      return [time(was), time(is), `${it.self_sure ? "" : "~"}${change(is - was)}`, ratio(was, is), count(it.calls[0] ?? NaN), count(it.calls[1] ?? NaN), becameOf(it), code(this.app.profile.nameOf(it.function))];
    });
    return [
      `${code(head.baseline ?? "")} ${time(before)} → ${code(head.title)} ${time(after)}: **${change(after - before)}** ${ratio(before, after)}`,
      markdownTable(["self before", "after", "change", "×", "calls before", "after", "", "function"], rows, 6),
    ].join("\n\n");
  }

  exports(): Export[] {
    const { profile } = this.app;
    const value = (it: number | null): number => it ?? NaN;
    const rows = (): string =>
      csv(
        ["self_before_s", "self_after_s", "total_before_s", "total_after_s", "calls_before", "calls_after", "function", "place"],
        this.moves().map((it) => [...[it.self, it.total, it.calls].flatMap((pair) => pair.map(value)), profile.nameOf(it.function), profile.placeOf(it.function)]),
      );
    return [
      { name: "SVG", type: "image/svg+xml", make: () => joined(this.flame ? [this.flame] : []) },
      { name: "PNG", canvases: () => (this.flame ? [this.flame.canvas] : []) },
      { name: "CSV", type: "text/csv", make: rows },
    ];
  }

  private fillTable(): void {
    const moves = this.moves();
    const heads: [string, string][] = [["", "what became of it"], ["self before", ""], ["after", ""], ["change", ""], ["×", "self after, as a part of self before"], ["total change", ""], ["calls before", ""], ["after", ""], ["function", ""]];
    this.table.replaceChildren(
      h(
        "table.moves",
        {},
        h("caption.hidden", {}, "What moved"),
        h("thead", {}, h("tr", {}, heads.map(([name, about], i) => h("th", { scope: "col", class: i === 0 || i === 8 ? null : "number", title: about || null }, name || h("span.hidden", {}, about))))),
        h("tbody", {}, moves.slice(0, ROWS).map((it) => this.row(it))),
      ),
      ...(moves.length > ROWS ? [h("p.quiet", {}, `and ${count(moves.length - ROWS)} more, which moved less`)] : []),
    );
  }

  private row(it: Move): HTMLElement {
    const { app } = this;
    const { profile } = app;
    const [before, after] = it.self.map(us) as [number, number];
    const total = us(it.total[1]) - us(it.total[0]);
    const all = us(profile.head.difference!.total[0]);
    return h(
      "tr",
      { class: it.function === app.state.fn ? "chosen" : null },
      h("td.word", {}, becameOf(it)),
      h("td.number", {}, time(before)),
      h("td.number", {}, time(after)),
      h("td.number", { class: after > before ? "number more" : "number less", title: percent(Math.abs(after - before), all) }, `${it.self_sure ? "" : "~"}${change(after - before)}`),
      h("td.number", {}, ratio(before, after)),
      h("td.number", {}, `${it.total_sure ? "" : "~"}${change(total)}`),
      h("td.number", {}, count(it.calls[0] ?? NaN)),
      h("td.number", {}, count(it.calls[1] ?? NaN)),
      h("td.name", {}, h("button.link", { click: () => app.choose(it.function) }, profile.nameOf(it.function)), h("span.quiet", {}, `  ${profile.placeOf(it.function)}`)),
    );
  }
}
