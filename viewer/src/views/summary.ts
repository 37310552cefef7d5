// What a recording says before any question: computing or waiting, what to change, where the time went.

import type { App, View } from "../app";
import { bar, h } from "../dom";
import { bytes, count, gainOf, percent, plural, time } from "../format";
import { code, markdownTable } from "../markdown";
import type { Finding } from "../data";

const TOP = 10;

/** In a column of its own, beside the time. */
function share(part: number, all: number): HTMLElement {
  return h("span.percent", {}, percent(part, all));
}

interface Part {
  name: string;
  className: string;
  us: number;
}

export class SummaryView implements View {
  readonly element = h("div.summary-view");

  constructor(private readonly app: App) {}

  update(): void {
    this.element.replaceChildren(
      ...[this.split(), this.findings(), h("div.columns", {}, this.functions(), this.lines()), this.quality()].filter((it) => it !== null),
    );
  }

  markdown(): string {
    const { app } = this;
    const { profile } = app;
    const { head } = profile;
    const { all } = profile.totals(app.filter);
    const duration = head.recording.duration_s === null ? head.total_us : head.recording.duration_s * 1e6;
    const findings = (head.findings ?? []).map((it, i) => `${i + 1}. ${it.confidence === "low" ? "maybe " : ""}${it.title}, ${code(profile.placeOf(it.function, it.line))}: ${gainOf(it).likely} ${gainOf(it).what}. ${it.why}. Fix: ${it.fix}`);
    const lines = profile.hottestLines(app.filter, TOP).map((it) => [time(it.own), percent(it.own, all), code(profile.placeOf(it.fn, it.line)), it.source && code(it.source)]);
    return [
      `**${code(head.title)}** ${time(duration)}${head.timed ? "" : ` ${head.split}`}`,
      ...(findings.length ? [findings.join("\n")] : []),
      markdownTable(["time", "share", "line", "source"], lines, 2),
    ].join("\n\n");
  }

  private parts(): Part[] {
    const { head } = this.app.profile;
    const waiting = Object.entries(head.recording.waiting ?? {})
      .map(([name, s]) => ({ name: `waiting: ${name === "gil" ? "GIL" : name}`, className: `wait-${name}`, us: s * 1e6 }))
      .filter((it) => it.us > 0);
    const waited = waiting.reduce((sum, it) => sum + it.us, 0);
    const wall = Math.max(head.total_us + (head.recording.probe_s ?? 0) * 1e6, waited);
    const python = Math.max(0, wall - waited - head.runnable_us - head.native_us);
    return [
      ...waiting,
      { name: "Python", className: "python", us: python },
      { name: "C code without the GIL", className: "native", us: head.native_us },
      { name: "no CPU free", className: "runnable", us: head.runnable_us },
    ].filter((it) => it.us > 0.0005 * wall);
  }

  private split(): HTMLElement {
    const { head } = this.app.profile;
    const parts = head.recording.waiting === null ? [] : this.parts();
    const all = parts.reduce((sum, it) => sum + it.us, 0);
    const duration = head.recording.duration_s;
    return h(
      "section.card.split",
      {},
      h("p.headline", {}, h("strong", {}, time(duration === null ? head.total_us : duration * 1e6)), head.timed ? " of calls that were timed" : `  ${head.split}`),
      parts.length
        ? h("div.stack", { role: "img", "aria-label": head.split }, parts.map((it) => bar(it.us / all, it.className)))
        : null,
      parts.length
        ? h("ul.legend", {}, parts.map((it) => h(`li.key.${it.className}`, {}, `${it.name} `, h("b", {}, percent(it.us, all)), ` ${time(it.us)}`)))
        : null,
      head.parked_us > 0 ? h("p.quiet", {}, `${time(head.parked_us)} of threads that were parked (idle workers) is in none of this.`) : null,
      head.memory ? h("p.quiet", {}, `Memory was tracked as well: choose bytes in place of time above; the table and the source have it beside${this.app.profile.overTime ? ", the timeline has it over time" : ""}. ${head.memory_period ? `All bytes are estimated, from a sample each ${bytes(head.memory_period)} of what is allocated; how far they may be off, what was left` : "What was left"} at the end, or freed at once, \`pyrometer memory\` tells.`) : null,
      this.app.profile.onlyLooks ? h("p", {}, "Nobody sampled it: what was resident over time is in the ", h("button.link", { click: () => this.app.set({ view: "timeline" }) }, "timeline"), ".") : null,
      head.foreign ? h("p.quiet", {}, `Read from ${head.foreign}${head.timeless ? ", which has no times: each sample is taken for 1 ms" : ""}. How well it was measured the file does not say.`) : null,
      head.lines_alone ? h("p", {}, "The file has counted lines and nothing else: they are in the ", h("button.link", { click: () => this.app.set({ view: "source" }) }, "source"), ".") : null,
      head.timed ? h("p.warning", {}, "Made from a file of calls and their times: it knows who called whom, but no stacks, threads or waiting.") : null,
    );
  }

  private findings(): HTMLElement | null {
    const { findings } = this.app.profile.head;
    if (!findings || this.app.profile.onlyLooks || this.app.profile.head.lines_alone) return null;
    return h(
      "section.card.findings",
      {},
      h("h2", {}, findings.length ? `Worth changing: ${plural(findings.length, "finding")}` : this.app.profile.head.foreign ? "No finding" : "Nothing here is worth changing"),
      findings.length === 0
        ? h("p.quiet", {}, `No rule found anything that would give back 5 % of the time.${this.app.profile.head.foreign ? " Most of them had nothing to go by: the file has no counts, queries or arguments." : ""}`)
        : h("ol", {}, findings.map((it) => this.finding(it))),
    );
  }

  private finding(it: Finding): HTMLElement {
    const { app } = this;
    const { profile } = app;
    const source = it.line ? profile.source(profile.fileOf(it.function), it.line) : null;
    const { likely, what, range } = gainOf(it);
    return h(
      "li.finding",
      {},
      h("p.title", {}, h("b", {}, `${it.confidence === "low" ? "maybe " : ""}${it.title}`), h("span.gain", {}, `${likely} ${what}`, h("span.quiet", {}, range))),
      h(
        "p",
        {},
        h("button.link", { click: () => app.openSource(it.function, it.line) }, profile.placeOf(it.function, it.line)),
        " in ",
        h("button.link", { click: () => app.set({ view: "flame", fn: it.function, focus: it.function }) }, profile.nameOf(it.function)),
      ),
      source ? h("pre", {}, source.trim()) : null,
      it.query ? h("pre.query", {}, it.query) : null,
      h("dl", {}, h("dt", {}, "why"), h("dd", {}, it.why), h("dt", {}, "fix"), h("dd", {}, it.fix), ...(it.doubt ? [h("dt", {}, "doubt"), h("dd", {}, it.doubt)] : [])),
      it.innocent ? h("p.quiet", {}, `not the problem: ${it.innocent}; free, it would save ${time(it.innocent_s * 1e6)}`) : null,
    );
  }

  private functions(): HTMLElement {
    const { app } = this;
    const { profile } = app;
    const totals = profile.totals(app.filter);
    const top = [...totals.self.keys()].filter((fn) => totals.self[fn]! > 0).sort((a, b) => totals.self[b]! - totals.self[a]!).slice(0, TOP);
    return h(
      "section.card",
      {},
      h("h2", {}, "Functions, by time in themselves"),
      top.length === 0 ? h("p.quiet", {}, "No function has any time.") : null,
      h(
        "table.top",
        {},
        h("thead", {}, h("tr", {}, h("th.number.time", { scope: "col" }, "self"), h("th.number.calls", { scope: "col" }, "calls"), h("th", { scope: "col" }, "function"))),
        h("tbody", {}, top.map((fn) =>
          h(
            "tr",
            {},
            h("td.number.barred", {}, bar(totals.self[fn]! / totals.all, "bar"), time(totals.self[fn]!), share(totals.self[fn]!, totals.all)),
            h("td.number", {}, count(profile.calls[fn]!)),
            h("td.name", {}, h("button.link", { click: () => app.set({ view: "flame", fn, focus: fn }), title: profile.placeOf(fn) }, profile.nameOf(fn)), h("span.quiet", {}, `  ${profile.placeOf(fn)}`)),
          ),
        )),
      ),
    );
  }

  private lines(): HTMLElement | null {
    const { app } = this;
    const { profile } = app;
    const top = profile.hottestLines(app.filter, TOP);
    if (top.length === 0) return null;
    const { all } = profile.totals(app.filter);
    return h(
      "section.card",
      {},
      h("h2", {}, "Lines, by time in themselves and in C functions they call"),
      h(
        "table.top",
        {},
        h("thead", {}, h("tr", {}, h("th.number.time", { scope: "col" }, "time"), h("th", { scope: "col" }, "line"))),
        h("tbody", {}, top.map((it) =>
          h(
            "tr",
            {},
            h("td.number.barred", {}, bar(it.own / all, "bar"), time(it.own), share(it.own, all)),
            h("td.name", {}, h("button.link", { click: () => app.openSource(it.fn, it.line) }, profile.placeOf(it.fn, it.line)), h("code", { title: it.source }, it.source)),
          ),
        )),
      ),
    );
  }

  private quality(): HTMLElement | null {
    const { head } = this.app.profile;
    const it = head.recording;
    if (it.samples === null) return null;
    const share = (part: number | null, all: number | null): string => (part === null || !all ? "" : ` (${percent(part, all)})`);
    const facts: [string, string][] = [
      ["command", it.command ?? "–"],
      ["Python", it.python ?? "–"],
      ["started", it.started ? it.started.replace("T", " ").replace(/\.\d+Z/, " UTC") : "–"],
      ["samples", `${count(it.samples)}, ${count(it.unsure ?? NaN)} with an unsure top${share(it.unsure, it.samples)}`],
      ["rate reached", it.rate_hz ? `${Math.round(it.rate_hz)} Hz` : "–"],
      ["missed and late", `${count(it.missed_ticks ?? NaN)} ticks missed, ${count(it.late ?? NaN)} late`],
      ...(it.not_counted ?? []).map((what): [string, string] => ["not counted", what]),
      ["CPU", it.cpu_kernel_s === null ? "–" : `the kernel counted ${time(it.cpu_kernel_s * 1e6)}, the samples say ${time((it.cpu_profile_s ?? 0) * 1e6)}`],
      ["the profiler itself", `sampler ${time((it.sampler_cpu_s ?? 0) * 1e6)} of CPU${it.probe_s === null ? "" : `; counting cost ${time(it.probe_s * 1e6)}, taken out of all times`}`],
    ];
    return h(
      "section.card.quality",
      {},
      h("h2", {}, "What was measured, and how well"),
      h("dl", {}, facts.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    );
  }
}
