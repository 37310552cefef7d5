// The flame graph: all stacks, or one function with its callers above and its callees below.

import type { App, View } from "../app";
import { familyOf, FAMILY_WORDS, Palette, waitingColor, type Family } from "../colors";
import { h } from "../dom";
import { csv, joined, type Export } from "../export";
import { Flame, type FlameLook } from "../flame";
import { percent, time } from "../format";
import { COLORS, ORDERS, shapeOf, type ColorBy, type State } from "../state";
import type { Tree } from "../tree";

const ORDER_WORDS: Record<State["order"], string> = { weight: "heaviest first", time: "as time went" };
const COLOR_WORDS: Record<ColorBy, string> = { code: "whose code", module: "module", file: "file", waiting: "running or waiting" };

export function isDark(): boolean {
  const chosen = document.documentElement.dataset["theme"];
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Share of a tree that is below any entry with a matching key. */
export function matchedTime(tree: Tree, isMatch: (key: number) => boolean): number {
  let sum = 0;
  for (let i = 1; i < tree.count; ) {
    if (!isMatch(tree.key[i]!)) {
      i++;
      continue;
    }
    sum += tree.total[i]!;
    i = tree.end[i]!;
  }
  return sum;
}

export class FlameView implements View {
  readonly element = h("div.flame-view");
  private readonly tip = h("div.tip", { role: "tooltip", hidden: true });
  private readonly notes = h("div.notes");
  private readonly stage = h("div.stage");
  private flames: Flame[] = [];
  private shown = "";
  private palette: Palette;

  constructor(private readonly app: App) {
    this.palette = new Palette(app.profile, isDark(), app.state.color);
    this.element.append(this.notes, this.stage, this.tip);
  }

  update(): void {
    const { app } = this;
    const { state, profile } = app;
    this.palette = new Palette(profile, isDark(), state.color);
    const what = JSON.stringify([app.filter, state.focus, shapeOf(state)]);
    if (what !== this.shown) {
      this.shown = what;
      this.build();
    } else if (state.focus < 0 && this.flames[0]) {
      const entry = this.flames[0].entryOf(state.zoom);
      if (entry !== this.flames[0].zoomed) this.flames[0].show(entry);
    }
    this.note();
    for (const flame of this.flames) flame.draw();
  }

  key(event: KeyboardEvent): boolean {
    const { state } = this.app;
    if (event.key === "Escape" || event.key === "Backspace") {
      if (state.focus >= 0) this.app.set({ focus: -1 });
      else if (state.zoom) this.app.set({ zoom: 0 });
      else return false;
      return true;
    }
    if (state.focus < 0 && this.shapeKey(event.key)) return true;
    if (event.key === "m") {
      this.colorBy(this.colors()[(this.colors().indexOf(state.color) + 1) % this.colors().length]!);
      return true;
    }
    if (event.key.startsWith("Arrow") && this.flames[0]) {
      this.flames[0].canvas.focus();
      this.flames[0].canvas.dispatchEvent(new KeyboardEvent("keydown", { key: event.key }));
      return true;
    }
    return false;
  }

  /** Keys that show other boxes. */
  private shapeKey(key: string): boolean {
    const { app } = this;
    const { state } = app;
    if (key === "l") this.fold();
    else if (key === "k") this.collapse();
    else if (key === "o" && app.profile.hasTimeline) this.orderBy(state.order === "time" ? "weight" : "time");
    else if (key === "h" && state.fn >= 0) this.hide(state.fn);
    else return false;
    return true;
  }

  /** Show the boxes otherwise, and say how: what is zoomed into is another one then. */
  private reshape(change: Partial<State>, words: string): void {
    this.app.set({ ...change, zoom: 0 });
    this.app.say(words);
  }

  private fold(): void {
    const libraries = this.app.state.libraries === "folded" ? "shown" : "folded";
    this.reshape({ libraries }, libraries === "folded" ? "libraries are folded into whoever called them" : "libraries are shown");
  }

  private collapse(): void {
    const recursion = this.app.state.recursion === "collapsed" ? "shown" : "collapsed";
    this.reshape({ recursion }, recursion === "collapsed" ? "a function that calls itself stands once" : "recursion is shown");
  }

  private orderBy(order: State["order"]): void {
    this.reshape({ order }, ORDER_WORDS[order]);
  }

  private hide(fn: number): void {
    const hidden = [...new Set([...this.app.state.hidden, fn])].sort((a, b) => a - b);
    this.reshape({ hidden }, `${this.app.profile.nameOf(fn)} is hidden: whoever called it has its time`);
  }

  private colors(): readonly ColorBy[] {
    return this.app.profile.hasStates ? COLORS : COLORS.filter((it) => it !== "waiting");
  }

  private colorBy(color: ColorBy): void {
    this.app.set({ color }, true);
    this.app.say(`colours tell: ${COLOR_WORDS[color]}`);
  }

  private rootName(): string {
    return this.app.profile.head.title;
  }

  private look(tree: Tree, root: string): FlameLook {
    const { app } = this;
    const waits = (entry: number): string => (app.state.color === "waiting" ? this.waits(tree, entry) : "");
    return {
      name: (key, entry) => (entry === 0 ? `${root}  ${app.amount(tree.total[0]!)}` : app.profile.nameOf(key)) + waits(entry),
      color: (key, entry) =>
        app.state.color === "waiting" ? waitingColor(tree.waits[entry]! / tree.total[entry]!, isDark()) : this.palette.of(key),
      isMatch: (key) => app.matches.functions[key] === 1,
      isChosen: (key) => key === app.state.fn,
      searching: () => app.matches.regex !== null,
    };
  }

  private flame(tree: Tree, root: string, upwards: boolean, label: string): Flame {
    const flame = new Flame(tree, this.look(tree, root), upwards, label);
    const keyOf = (entry: number): number => (entry === 0 ? this.app.state.focus : tree.key[entry]!);
    flame.onChoose = (entry) => {
      this.app.choose(keyOf(entry));
      this.app.say(this.sentence(tree, entry, keyOf(entry), root));
    };
    flame.onHover = (entry, x, y) => this.hover(flame, tree, entry, x, y, keyOf(entry), root);
    flame.onZoom = (entry) => {
      if (this.app.state.focus >= 0) flame.show(entry);
      else this.app.set({ zoom: tree.origin[entry]! });
      this.app.say(`zoomed into ${this.sentence(tree, entry, keyOf(entry), root)}`);
    };
    return flame;
  }

  private build(): void {
    const { app } = this;
    const { profile, state } = app;
    if (state.focus < 0) {
      const tree = profile.tree(app.filter, shapeOf(state));
      this.flames = [this.flame(tree, this.rootName(), false, "Flame graph: callers above what they call. Arrow keys move, Enter zooms, Escape goes back.")];
      this.stage.className = "stage";
      this.stage.replaceChildren(this.flames[0]!.canvas);
      this.flames[0]!.show(this.flames[0]!.entryOf(state.zoom));
      return;
    }
    const name = profile.nameOf(state.focus);
    const callers = profile.callers(state.focus, app.filter);
    const callees = profile.callees(state.focus, app.filter);
    this.flames = [
      this.flame(callers.tree, name, true, `Callers of ${name}, the nearest one at the bottom`),
      this.flame(callees, name, false, `Callees of ${name}`),
    ];
    this.stage.className = "stage sandwich";
    const [above, below] = this.flames.map((flame) => flame.canvas);
    above!.style.flexGrow = String(Math.min(callers.tree.deepest + 1, 30));
    below!.style.flexGrow = String(Math.min(callees.deepest + 1, 30));
    this.stage.replaceChildren(
      h("p.label", {}, `who called ${name}`, callers.cut ? " (the 200 nearest frames)" : ""),
      above!,
      h("p.label", {}, "and what it called"),
      below!,
    );
  }

  private note(): void {
    const { app } = this;
    const { profile, state } = app;
    const families: Family[] = ["own", "library", "c", "special"];
    const here = new Set<Family>();
    const totals = profile.totals(app.filter);
    for (let fn = 0; fn < profile.functionCount; fn++) if (totals.total[fn]! > 0) here.add(familyOf(profile, fn));
    const back =
      state.focus >= 0
        ? h("button", { click: () => app.set({ focus: -1 }) }, "← all stacks (Esc)")
        : state.zoom
          ? h("button", { click: () => app.set({ zoom: 0 }) }, "← whole recording (Esc)")
          : null;
    this.notes.replaceChildren(
      ...[
        back,
        profile.estimated
          ? h("strong.warning", {}, "estimated from caller edges: the file knows who called whom, but no stacks")
          : null,
        this.legend(families.filter((it) => here.has(it))),
        ...(state.focus < 0 ? this.shapeControls(here.has("library")) : []),
        this.choice("colours", this.colors(), COLOR_WORDS, state.color, (color) => this.colorBy(color), "key m"),
        app.matches.regex
          ? h("span.found", {}, `search: ${percent(matchedTime(profile.tree(app.filter), (key) => app.matches.functions[key] === 1), totals.all)} ${app.ofAll}`)
          : null,
      ].filter((it) => it !== null),
    );
  }

  private legend(families: Family[]): HTMLElement | null {
    const { color } = this.app.state;
    if (color === "waiting") return h("span.legend", {}, h("span.key.ran", {}, "ran"), h("span.key.waited", {}, "waited, and how much of its time"));
    if (color !== "code") return h("span.quiet", {}, `a ${color} has one colour`);
    return h("span.legend", {}, families.map((it) => h(`span.key.${it}`, {}, FAMILY_WORDS[it])));
  }

  private choice<T extends string>(label: string, all: readonly T[], words: Record<T, string>, chosen: T, take: (it: T) => void, title: string): HTMLElement {
    const select = h("select", { "aria-label": label, title, change: () => take(select.value as T) }, all.map((it) => h("option", { value: it, selected: it === chosen }, words[it])));
    return select;
  }

  private shapeControls(libraries: boolean): (HTMLElement | null)[] {
    const { app } = this;
    const { profile, state } = app;
    const pressed = (is: boolean): string => (is ? "true" : "false");
    return [
      profile.hasTimeline && !app.inBytes ? this.choice("order", ORDERS, ORDER_WORDS, state.order, (order) => this.orderBy(order), "key o") : null,
      state.order === "time" && !app.inBytes
        ? h("span.quiet", {}, `of ${profile.threadName(profile.orderedThread(app.filter))}, true to ${time(profile.head.bucket_us)}`)
        : null,
      libraries ? h("button", { click: () => this.fold(), "aria-pressed": pressed(state.libraries === "folded"), title: "key l" }, "fold libraries") : null,
      h("button", { click: () => this.collapse(), "aria-pressed": pressed(state.recursion === "collapsed"), title: "key k" }, "collapse recursion"),
      state.fn >= 0 && !state.hidden.includes(state.fn)
        ? h("button", { click: () => this.hide(state.fn), title: "key h: whoever called it has its time" }, `hide ${profile.nameOf(state.fn)}`)
        : null,
    ];
  }

  // -- what is shown, as a file --

  exports(): Export[] {
    const { profile } = this.app;
    const figures = (tree: Tree, entry: number): number[] => {
      const [self, total, waits] = [tree.self[entry]!, tree.total[entry]!, tree.waits[entry]!];
      return this.app.inBytes ? [self, total] : [self / 1e6, total / 1e6, waits / 1e6];
    };
    const rows = (): string =>
      csv(
        ["flame", "depth", "function", "place", ...(this.app.inBytes ? ["self_bytes", "total_bytes"] : ["self_s", "total_s", "waiting_s"])],
        this.flames.flatMap((flame, i) =>
          flame.below().map((entry) => {
            const { tree } = flame;
            const key = entry === 0 ? this.app.state.focus : tree.key[entry]!;
            return [i, tree.depth[entry]!, key < 0 ? this.rootName() : profile.nameOf(key), key < 0 ? "" : profile.placeOf(key), ...figures(tree, entry)];
          }),
        ),
      );
    return [
      { name: "SVG", type: "image/svg+xml", make: () => joined(this.flames) },
      { name: "PNG", canvases: () => this.flames.map((flame) => flame.canvas) },
      { name: "CSV", type: "text/csv", make: rows },
    ];
  }

  /** ", 83 % waiting" */
  private waits(tree: Tree, entry: number): string {
    const share = tree.waits[entry]! / tree.total[entry]!;
    return share >= 0.05 ? `, ${Math.round(100 * share)} % waiting` : "";
  }

  private sentence(tree: Tree, entry: number, fn: number, root: string): string {
    const name = entry === 0 || fn < 0 ? root : this.app.profile.nameOf(fn);
    const all = this.app.profile.totals(this.app.filter).all;
    return `${name}: ${this.app.amount(tree.total[entry]!)}, ${percent(tree.total[entry]!, all)} ${this.app.ofAll}`;
  }

  private hover(flame: Flame, tree: Tree, entry: number, x: number, y: number, fn: number, root: string): void {
    this.tip.hidden = entry < 0;
    if (entry < 0) return;
    const { profile } = this.app;
    const all = profile.totals(this.app.filter).all;
    this.tip.replaceChildren(
      h("b", {}, entry === 0 || fn < 0 ? root : profile.nameOf(fn)),
      h("div.quiet", {}, fn >= 0 ? profile.placeOf(fn) : ""),
      h("div", {}, `${this.app.amount(tree.total[entry]!)}, ${percent(tree.total[entry]!, all)} of all`),
      h("div", {}, `self ${this.app.amount(tree.self[entry]!)}`),
      h("div", {}, this.waits(tree, entry).replace(", ", "")),
    );
    const place = flame.canvas.getBoundingClientRect();
    const left = Math.min(place.left + x + 14, window.innerWidth - this.tip.offsetWidth - 8);
    const top = Math.min(place.top + y + 16, window.innerHeight - this.tip.offsetHeight - 8);
    this.tip.style.left = `${left}px`;
    this.tip.style.top = `${top}px`;
  }
}
