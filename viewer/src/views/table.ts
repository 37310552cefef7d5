// Functions as pstats lists them.

import type { App, View } from "../app";
import { familyOf } from "../colors";
import { bar, h } from "../dom";
import { csv, type Export } from "../export";
import { bytes, count, percent, seconds } from "../format";
import { code, markdownTable } from "../markdown";
import { SORTS, type Sort } from "../state";

const ROWS = 200;
const MARKDOWN_ROWS = 30;

interface Row {
  fn: number;
  calls: number;
  self: number;
  total: number;
  allocated: number; // by itself; NaN: memory was not tracked
}

const COLUMNS: Record<Sort, { title: string; about: string; value: (row: Row) => number }> = {
  ncalls: { title: "ncalls", about: "how often it was called", value: (row) => row.calls },
  self: { title: "tottime", about: "seconds in the function itself", value: (row) => row.self },
  selfper: { title: "percall", about: "tottime for each call", value: (row) => row.self / row.calls },
  total: { title: "cumtime", about: "seconds in it and in what it called", value: (row) => row.total },
  totalper: { title: "percall", about: "cumtime for each call", value: (row) => row.total / row.calls },
  allocated: { title: "allocated", about: "bytes allocated in the function itself, of the whole recording", value: (row) => row.allocated },
  name: { title: "function", about: "its name, file and first line", value: () => 0 },
};

export class TableView implements View {
  readonly element = h("div.table-view");
  private readonly body = h("tbody");
  private readonly head = h("thead");
  private readonly foot = h("p.notes");
  private limit = ROWS;

  constructor(private readonly app: App) {
    this.element.append(
      h("div.scroll", { tabindex: 0, role: "region", "aria-label": "Functions" }, h("table.functions", {}, h("caption.hidden", {}, "Functions"), this.head, this.body)),
      this.foot,
    );
    this.body.addEventListener("keydown", (event) => this.rowKey(event));
  }

  update(): void {
    const rows = this.rows();
    const { all } = this.app.profile.totals(this.app.filter);
    const shown = rows.slice(0, this.limit);
    const focused = (document.activeElement as HTMLElement | null)?.closest("tr")?.dataset["fn"];
    this.head.replaceChildren(h("tr", {}, this.columns().map((sort) => this.header(sort))));
    this.body.replaceChildren(...shown.map((row) => this.row(row, all)));
    if (focused) this.body.querySelector<HTMLElement>(`tr[data-fn="${focused}"]`)?.focus();
    this.foot.replaceChildren(
      `${count(shown.length)} of ${count(rows.length)} functions`,
      ...(shown.length < rows.length
        ? [" ", h("button", { click: () => this.more() }, "show more")]
        : []),
    );
  }

  private columns(): readonly Sort[] {
    return this.app.profile.head.memory ? SORTS : SORTS.filter((it) => it !== "allocated");
  }

  private figure(value: number): string {
    return this.app.inBytes ? bytes(value) : seconds(value);
  }

  key(event: KeyboardEvent): boolean {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return false;
    const chosen = this.body.querySelector<HTMLElement>("tr.chosen") ?? this.body.querySelector<HTMLElement>("tr");
    chosen?.focus();
    return chosen !== null;
  }

  markdown(): string {
    const { profile, inBytes } = this.app;
    const names = inBytes ? ["self", "total"] : ["tottime", "cumtime"];
    const rows = this.rows().slice(0, MARKDOWN_ROWS);
    return markdownTable(["ncalls", ...names, "function", "place"], rows.map((it) => [count(it.calls), this.figure(it.self), this.figure(it.total), code(profile.nameOf(it.fn)), profile.placeOf(it.fn) && code(profile.placeOf(it.fn))]), 3);
  }

  exports(): Export[] {
    const { profile, inBytes } = this.app;
    const unit = inBytes ? 1 : 1e6;
    const rows = (): string =>
      csv(
        ["ncalls", "primitive_calls", ...(inBytes ? ["self_bytes", "total_bytes"] : ["tottime_s", "cumtime_s"]), "allocated_bytes", "function", "place"],
        this.rows().map((row) => [row.calls, profile.primitive[row.fn]!, row.self / unit, row.total / unit, row.allocated, profile.nameOf(row.fn), profile.placeOf(row.fn)]),
      );
    return [{ name: "CSV", type: "text/csv", make: rows }];
  }

  private more(): void {
    this.limit *= 4;
    this.update();
  }

  private rows(): Row[] {
    const { profile, matches, state } = this.app;
    const totals = profile.totals(this.app.filter);
    const allocated = profile.head.memory ? profile.totals({ ...profile.everything(), clock: "allocated" }).self : null;
    const rows: Row[] = [];
    const whole = profile.isEverything(this.app.filter);
    for (let fn = 0; fn < profile.functionCount; fn++) {
      if (matches.regex && !matches.functions[fn]) continue;
      const calls = profile.calls[fn]!;
      if (totals.total[fn]! > 0 || totals.self[fn]! > 0 || (whole && (calls > 0 || allocated?.[fn]! > 0)))
        rows.push({ fn, calls, self: totals.self[fn]!, total: totals.total[fn]!, allocated: allocated?.[fn] ?? NaN });
    }
    const { value } = COLUMNS[state.sort];
    const last = (number: number): number => (Number.isNaN(number) ? -Infinity : number);
    const byName = (a: Row, b: Row): number => (profile.nameOf(a.fn) < profile.nameOf(b.fn) ? -1 : 1);
    rows.sort((a, b) => (state.sort === "name" ? byName(a, b) : last(value(b)) - last(value(a)) || b.total - a.total || a.fn - b.fn));
    if (state.ascending) rows.reverse();
    return rows;
  }

  private header(sort: Sort): HTMLElement {
    const { state } = this.app;
    const sorted = state.sort === sort;
    const turn = (): void => this.app.set({ sort, ascending: sorted ? !state.ascending : false }, true);
    const down = sort === "name" ? state.ascending : !state.ascending;
    return h(
      "th",
      { scope: "col", class: sort === "name" ? "name" : "number", "aria-sort": sorted ? (down ? "descending" : "ascending") : "none" },
      h("button.link", { click: turn, title: COLUMNS[sort].about }, COLUMNS[sort].title, sort === "allocated" && this.app.profile.head.memory_period ? " (estimated)" : "", sorted ? (down ? " ▾" : " ▴") : ""),
    );
  }

  private row(row: Row, all: number): HTMLElement {
    const { profile, state } = this.app;
    const primitive = profile.primitive[row.fn]!;
    const calls = primitive < row.calls ? `${count(row.calls)}/${count(primitive)}` : count(row.calls);
    const rough = !this.app.inBytes && !profile.head.timed && !profile.head.traced && profile.sigma[row.fn]! > 0.18 * row.self && row.self > 0;
    return h(
      "tr",
      {
        "data-fn": row.fn,
        tabindex: 0,
        class: row.fn === state.fn ? "chosen" : null,
        "aria-selected": row.fn === state.fn ? "true" : "false",
        click: () => this.app.choose(row.fn),
        dblclick: () => this.app.openSource(row.fn),
      },
      h("td.number", {}, calls),
      h("td.number.barred", { title: percent(row.self, all) }, bar(row.self / all, "bar"), `${rough ? "~" : ""}${this.figure(row.self)}`),
      h("td.number", {}, this.figure(row.self / row.calls)),
      h("td.number.barred", { title: percent(row.total, all) }, bar(row.total / all, "bar"), this.figure(row.total)),
      h("td.number", {}, this.figure(row.total / row.calls)),
      this.app.profile.head.memory && h("td.number", {}, bytes(row.allocated)),
      h("td.name", {}, h(`span.dot.${familyOf(profile, row.fn)}`, { "aria-hidden": "true" }), profile.nameOf(row.fn), h("span.quiet", {}, `  ${profile.placeOf(row.fn)}`)),
    );
  }

  private rowKey(event: KeyboardEvent): void {
    const row = (event.target as HTMLElement).closest("tr");
    const fn = Number(row?.dataset["fn"]);
    const next = event.key === "ArrowDown" ? row?.nextElementSibling : event.key === "ArrowUp" ? row?.previousElementSibling : null;
    if (next) {
      const other = Number((next as HTMLElement).dataset["fn"]);
      (next as HTMLElement).focus();
      this.app.choose(other);
    } else if (event.key === "Enter") this.app.openSource(fn);
    else if (event.key === " ") this.app.choose(fn);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
