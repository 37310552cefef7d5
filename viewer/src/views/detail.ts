// The panel beside the views: one function, who called it and whom it calls.

import type { App } from "../app";
import { familyOf, FAMILY_WORDS } from "../colors";
import { bar, h } from "../dom";
import { count, percent } from "../format";
import { code, copyMarkdown, markdownTable } from "../markdown";
import type { Edge } from "../model";

const EDGES_SHOWN = 12;

function edgeRow(app: App, edge: Edge, most: number): HTMLElement {
  const { profile } = app;
  const isRoot = edge.function === profile.rootFunction;
  const name = profile.nameOf(edge.function);
  return h(
    "tr",
    {},
    h("td.name", {}, isRoot
      ? h("span.quiet", {}, "<root>")
      : h("button.link", { click: () => app.choose(edge.function), title: `${name} ${profile.placeOf(edge.function)}` }, name)),
    h("td.number", {}, count(edge.calls)),
    h("td.number.barred", {}, bar(edge.time / most, "bar"), app.amount(edge.time)),
  );
}

function edgeTable(app: App, title: string, edges: Edge[], most: number, id: string): HTMLElement {
  const shown = edges.slice(0, EDGES_SHOWN);
  return h(
    "section",
    { id },
    h("h3", {}, title),
    edges.length === 0
      ? h("p.quiet", {}, "none was seen")
      : h(
          "table.edges",
          {},
          h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "function"), h("th.number", { scope: "col" }, "calls"), h("th.number", { scope: "col" }, app.inBytes ? "bytes" : "time"))),
          h("tbody", {}, shown.map((edge) => edgeRow(app, edge, most))),
        ),
    edges.length > shown.length && h("p.quiet", {}, `and ${edges.length - shown.length} more`),
  );
}

function markdown(app: App, fn: number): string {
  const { profile } = app;
  const totals = profile.totals(app.filter);
  const { callers, callees } = profile.neighbours(fn, app.filter);
  const rows = (title: string, edges: Edge[]): string =>
    markdownTable(["calls", app.inBytes ? "bytes" : "time", title], edges.slice(0, EDGES_SHOWN).map((it) => [count(it.calls), app.amount(it.time), code(profile.nameOf(it.function))]), 2);
  return [
    `**${code(profile.nameOf(fn))}** ${profile.placeOf(fn) && code(profile.placeOf(fn))}`,
    `self ${app.amount(totals.self[fn]!)} (${percent(totals.self[fn]!, totals.all)}), total ${app.amount(totals.total[fn]!)} (${percent(totals.total[fn]!, totals.all)}), calls ${count(profile.calls[fn]!)}`,
    rows("called by", callers),
    rows("calls", callees),
  ].join("\n\n");
}

/** Fill PANEL. */
export function showDetail(app: App, panel: HTMLElement): void {
  const { profile, state } = app;
  const fn = state.fn;
  if (fn < 0) {
    panel.replaceChildren(
      h("p.quiet", {}, "Choose a function, by a click or with the arrow keys, to see who calls it and what it calls."),
    );
    return;
  }
  const totals = profile.totals(app.filter);
  const [self, total] = [totals.self[fn]!, totals.total[fn]!];
  const { callers, callees } = profile.neighbours(fn, app.filter);
  const samples = totals.selfSamples[fn]!;
  const rough = !app.inBytes && !profile.head.timed && !profile.head.traced && samples > 0 && samples < 30;
  const fact = (name: string, value: string, more = ""): HTMLElement[] => [
    h("dt", {}, name),
    h("dd", {}, value, more && h("span.quiet", {}, ` ${more}`)),
  ];
  panel.replaceChildren(
    h("h2", {}, profile.nameOf(fn)),
    h("p.place", {}, profile.placeOf(fn) || FAMILY_WORDS[familyOf(profile, fn)], h("span.quiet", {}, profile.placeOf(fn) && ` · ${FAMILY_WORDS[familyOf(profile, fn)]}`)),
    h(
      "dl.facts",
      {},
      fact("self", app.amount(self), `${percent(self, totals.all)}${rough ? `, from only ${samples} samples` : ""}`),
      fact("total", app.amount(total), percent(total, totals.all)),
      fact("calls", count(profile.calls[fn]!), profile.calls[fn]! > 1 ? `${app.amount(total / profile.calls[fn]!)} each` : ""),
    ),
    h(
      "p.actions",
      {},
      h("button", { click: () => app.openSource(fn), disabled: !profile.isPython(fn) }, "Source"),
      h("button", { click: () => app.set({ view: "flame", focus: fn, zoom: 0 }) }, "Callers and callees"),
      h("button", { title: "as Markdown", click: () => void copyMarkdown(app, markdown(app, fn)) }, "Copy"),
    ),
    edgeTable(app, "Called by", callers, Math.max(total, 1), "callers"),
    edgeTable(app, "Calls", callees, Math.max(total, 1), "callees"),
    ...(!profile.isEverything(app.filter) && profile.head.counted
      ? [h("p.quiet", {}, "Calls are those of the whole recording.")]
      : []),
  );
}
