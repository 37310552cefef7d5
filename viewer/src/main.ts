// The page: opens the data, keeps the state in the address, shows one view at a time.

import { App, type View } from "./app";
import { Data } from "./data";
import { h } from "./dom";
import { save } from "./export";
import { plural, time } from "./format";
import { helpDialog } from "./help";
import { copyMarkdown } from "./markdown";
import { isBytes, Profile, type Clock } from "./model";
import { open } from "./packed";
import { clocksOf, fromFragment, initialState, needsTimes, toFragment, VIEWS, type State, type ViewName } from "./state";
import { showDetail } from "./views/detail";
import { DifferenceView } from "./views/difference";
import { FlameView, isDark } from "./views/flame";
import { SourceView } from "./views/source";
import { SummaryView } from "./views/summary";
import { TableView } from "./views/table";
import { TimelineView } from "./views/timeline";

const TITLES: Record<ViewName, string> = {
  summary: "Summary",
  flame: "Flame",
  table: "Table",
  source: "Source",
  timeline: "Timeline",
  difference: "Difference",
};
const CLOCK_WORDS: Record<Clock, string> = { wall: "wall time", cpu: "on a CPU", gil: "holding the GIL", wait: "waiting", allocated: "bytes allocated", held: "bytes held at the peak" };
const WITH_DETAIL: ReadonlySet<ViewName> = new Set(["flame", "table", "source", "timeline", "difference"]);
const MAKERS: Record<ViewName, (app: App) => View> = {
  summary: (app) => new SummaryView(app),
  flame: (app) => new FlameView(app),
  table: (app) => new TableView(app),
  source: (app) => new SourceView(app),
  timeline: (app) => new TimelineView(app),
  difference: (app) => new DifferenceView(app),
};

class Page {
  private readonly app: App;
  private readonly initial: State;
  private readonly views = new Map<ViewName, View>();
  private readonly main = h("main", { id: "main", tabindex: -1 });
  private readonly detail = h("aside.detail", { "aria-label": "Chosen function" });
  private readonly tabs = h("nav.tabs", { "aria-label": "Views" });
  private readonly chips = h("div.chips");
  private readonly status = h("p.status", { role: "status", "aria-live": "polite" });
  private readonly search = h("input.search", { type: "search", placeholder: "Search  /", "aria-label": "Search names, by a regular expression", spellcheck: "false" });
  private readonly found = h("span.quiet.found", { id: "found" });
  private readonly saves = h("span.saves", { role: "group", "aria-label": "Save or copy what is shown" });
  private readonly clock = h("select", { "aria-label": "What is measured" });
  private readonly process = h("select", { "aria-label": "Which process" });
  private readonly help = helpDialog();
  private times: Promise<ArrayBuffer> | null = null;

  constructor(private readonly profile: Profile) {
    this.initial = initialState(profile);
    const state = fromFragment(location.hash, this.initial, profile);
    this.app = new App(profile, state, (change, keep) => this.set(change, keep), (text) => this.status.replaceChildren(text));
    document.getElementById("app")!.replaceChildren(this.header(), h("div.body", {}, this.main, this.detail), this.status, this.help);
    document.title = `${profile.head.title} – Pyrometer`;
    this.search.value = state.search;
    addEventListener("keydown", (event) => this.key(event));
    addEventListener("hashchange", () => this.restore());
    addEventListener("popstate", () => this.restore());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.show());
    this.show();
  }

  private get clocks(): readonly Clock[] {
    return clocksOf(this.profile);
  }

  private names(): ViewName[] {
    return VIEWS.filter((name) => (name !== "timeline" || this.profile.hasTimeline) && (name !== "difference" || this.profile.head.difference));
  }

  private header(): HTMLElement {
    const { head } = this.profile;
    let timer = 0;
    this.search.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.set({ search: this.search.value }, true), 80);
    });
    for (const clock of clocksOf(this.profile)) this.clock.append(h("option", { value: clock }, this.words(clock)));
    this.clock.addEventListener("change", () => this.set({ clock: this.clock.value as Clock }));
    const processes = this.profile.processes();
    for (const { pid, name } of [{ pid: -1, name: "all processes" }, ...processes]) this.process.append(h("option", { value: pid }, name));
    this.process.addEventListener("change", () => this.set({ process: Number(this.process.value), thread: -1 }));
    const duration = head.recording.duration_s === null ? head.total_us : head.recording.duration_s * 1e6;
    return h(
      "header",
      {},
      h("a.skip", { href: "#main", click: (event: Event) => { event.preventDefault(); this.main.focus(); } }, "Skip to the view"),
      h("h1", {}, head.title, h("span.quiet", {}, ` ${time(duration)}`)),
      this.tabs,
      h(
        "div.controls",
        {},
        this.search,
        this.found,
        processes.length > 0 && this.process,
        ((!this.profile.estimated && !head.traced && this.profile.hasStates) || head.memory) && this.clock,
        this.saves,
        h("button", { click: () => this.toggleTheme(), title: "light or dark (d)", "aria-label": "Light or dark" }, "◐"),
        h("button", { click: () => this.help.showModal(), title: "keyboard (?)", "aria-label": "Keyboard help" }, "?"),
      ),
      this.chips,
    );
  }

  private set(change: Partial<State>, keep = false): void {
    const state = { ...this.app.state, ...change };
    const fragment = `#${toFragment(state, this.initial)}`;
    this.app.state = state;
    try {
      if (keep || fragment === location.hash) history.replaceState(null, "", fragment);
      else history.pushState(null, "", fragment);
    } catch {
      /* in a frame without an address of its own the page works all the same */
    }
    this.show();
  }

  private restore(): void {
    this.app.state = fromFragment(location.hash, this.initial, this.profile);
    this.search.value = this.app.state.search;
    this.show();
  }

  private toggleTheme(): void {
    this.set({ theme: isDark() ? "light" : "dark" }, true);
  }

  /** Of a large recording the cells are opened when they are asked for. */
  private async openTimes(): Promise<void> {
    this.app.say("opening when each sample was taken …");
    try {
      this.profile.takeTimes(new Data(await (this.times ??= open("later"))));
      this.app.say("");
      this.show();
    } catch (error) {
      this.app.say(`When each sample was taken cannot be shown: ${error}. The file may be cut short.`);
    }
  }

  private show(): void {
    const { state } = this.app;
    if (!this.profile.timesKnown && needsTimes(state, this.profile)) {
      if (!this.times) void this.openTimes();
      return;
    }
    if (state.theme) document.documentElement.dataset["theme"] = state.theme;
    else delete document.documentElement.dataset["theme"];
    this.app.find();
    let view = this.views.get(state.view);
    if (!view) this.views.set(state.view, (view = MAKERS[state.view](this.app)));
    if (this.main.firstChild !== view.element) this.main.replaceChildren(view.element);
    this.clock.value = state.clock;
    this.process.value = String(state.process);
    this.showTabs();
    this.showChips();
    this.showFound();
    this.detail.hidden = !WITH_DETAIL.has(state.view);
    if (!this.detail.hidden) showDetail(this.app, this.detail);
    view.update();
    this.showSaves(view);
    document.documentElement.dataset["ready"] = "yes";
  }

  private showSaves(view: View): void {
    const stem = `${this.profile.head.title}-${this.app.state.view}`;
    const text = view.markdown?.bind(view);
    this.saves.replaceChildren(
      ...(text ? [h("button", { click: () => void copyMarkdown(this.app, text()), title: "copy what is shown as Markdown (y)", "aria-label": "Copy as Markdown" }, "MD")] : []),
      ...(view.exports?.() ?? []).map((what) =>
        h("button", { click: () => void save(what, stem).then((name) => this.app.say(`saved ${name}`)), title: `save what is shown as ${what.name}` }, what.name),
      ),
    );
  }

  private showTabs(): void {
    const names = this.names();
    if (this.tabs.childElementCount !== names.length)
      this.tabs.replaceChildren(...names.map((name, i) => h("button.tab", { click: () => this.set({ view: name }), "data-view": name, title: `key ${i + 1}` }, TITLES[name])));
    for (const tab of this.tabs.querySelectorAll<HTMLElement>("button")) {
      if (tab.dataset["view"] === this.app.state.view) tab.setAttribute("aria-current", "page");
      else tab.removeAttribute("aria-current");
    }
  }

  private words(clock: Clock): string {
    return `${CLOCK_WORDS[clock]}${isBytes(clock) && this.profile.head.memory_period ? ", estimated" : ""}`;
  }

  /** What is left out, each with a way to take it back: nothing is hidden in silence. */
  private showChips(): void {
    const { state } = this.app;
    const { head } = this.profile;
    const seconds = (bucket: number): string => ((bucket * head.bucket_us) / 1e6).toFixed(2);
    const chip = (text: string, back: Partial<State>): HTMLElement =>
      h("button.chip", { click: () => this.set(back), title: "take this back" }, text, h("span", { "aria-hidden": "true" }, " ✕"));
    this.chips.replaceChildren(
      ...[
        isBytes(state.clock) && !this.profile.isEverything({ ...this.app.filter, clock: "wall" }) ? h("span.quiet", {}, "bytes are those of the whole recording") : null,
        state.from > 0 || state.to < head.buckets ? chip(`only ${seconds(state.from)} – ${seconds(state.to)} s`, { from: 0, to: head.buckets }) : null,
        state.process >= 0 ? chip(`only process ${state.process}`, { process: -1 }) : null,
        state.thread >= 0 ? chip(`only thread ${this.profile.threadName(state.thread)}`, { thread: -1 }) : null,
        ...state.hidden.map((fn) => chip(`hidden: ${this.profile.nameOf(fn)}`, { hidden: state.hidden.filter((it) => it !== fn), zoom: 0 })),
        state.clock !== "wall" ? chip(`${isBytes(state.clock) ? "" : "only "}${this.words(state.clock)}`, { clock: "wall" }) : null,
      ].filter((it) => it !== null),
    );
  }

  private showFound(): void {
    const { matches } = this.app;
    this.found.classList.toggle("warning", matches.wrong);
    this.found.textContent = matches.wrong ? "not a regular expression" : matches.regex ? plural(matches.count, "function") : "";
  }

  // -- keyboard --

  private key(event: KeyboardEvent): void {
    const target = event.target as HTMLElement;
    if (event.ctrlKey || event.metaKey || event.altKey || this.help.open) return;
    if (target.matches("input, select, textarea")) {
      if (event.key === "Escape" && target === this.search) {
        this.search.value = "";
        this.search.blur();
        this.set({ search: "" }, true);
      }
      return;
    }
    if (this.take(event)) event.preventDefault();
  }

  private take(event: KeyboardEvent): boolean {
    const { app } = this;
    const { state } = app;
    const number = Number(event.key);
    if (number >= 1 && number <= this.names().length) {
      this.set({ view: this.names()[number - 1]! });
      return true;
    }
    switch (event.key) {
      case "/":
        this.search.focus();
        this.search.select();
        return true;
      case "?":
        this.help.showModal();
        return true;
      case "d":
        this.toggleTheme();
        return true;
      case "c":
        if (!this.clock.isConnected) return false;
        this.set({ clock: this.clocks[(this.clocks.indexOf(state.clock) + 1) % this.clocks.length]! });
        return true;
      case "f":
        if (state.fn >= 0) this.set({ view: "flame", focus: state.fn });
        return true;
      case "s":
        app.openSource(state.fn);
        return true;
      case "y": {
        const view = this.views.get(state.view);
        if (!view?.markdown) return false;
        void copyMarkdown(app, view.markdown());
        return true;
      }
      case "r":
        this.search.value = "";
        this.set({ ...this.initial, view: state.view, theme: state.theme, fn: state.fn });
        return true;
    }
    if (event.key.startsWith("Arrow") && target(event)) return false;
    return this.views.get(state.view)?.key?.(event) ?? false;
  }
}

/** Is the key for an element that scrolls or is pressed? */
function target(event: KeyboardEvent): boolean {
  const element = event.target as HTMLElement;
  return element !== document.body && !element.matches("main, button, canvas");
}

async function start(): Promise<void> {
  try {
    new Page(new Profile(new Data(await open("data"))));
  } catch (error) {
    document.getElementById("app")!.replaceChildren(
      h("p.opening", { role: "alert" }, "This page cannot be shown: ", String(error), ". The file may be cut short."),
    );
    throw error;
  }
}

void start();
