// What is shown: one value, kept in the fragment of the address, so that a link or "back" restores it.

import { BYTES, CLOCKS, type Clock, type Filter, type Profile, type Shape } from "./model";

export const VIEWS = ["summary", "flame", "table", "source", "timeline", "difference"] as const;
export type ViewName = (typeof VIEWS)[number];
export const SORTS = ["ncalls", "self", "selfper", "total", "totalper", "allocated", "name"] as const;
export type Sort = (typeof SORTS)[number];
const THEMES = ["", "light", "dark"] as const;
const WIDTHS = ["after", "before"] as const;
const LIBRARIES = ["shown", "folded"] as const;
const RECURSION = ["shown", "collapsed"] as const;
export const ORDERS = ["weight", "time"] as const;
export const COLORS = ["code", "module", "file", "waiting"] as const;
export type ColorBy = (typeof COLORS)[number];
const HIDDEN_MAX = 200;

export interface State {
  view: ViewName;
  clock: Clock;
  from: number; // buckets
  to: number;
  at: number; // the moment whose memory is shown, in milliseconds; -1: the peak
  thread: number; // -1: all
  process: number; // its pid; -1: all
  fn: number; // the chosen function; -1: none
  search: string;
  zoom: number; // node of the flame graph; 0: all of it
  focus: number; // function whose callers and callees are shown; -1: none
  libraries: (typeof LIBRARIES)[number]; // in the flame graph of all stacks
  recursion: (typeof RECURSION)[number];
  hidden: readonly number[]; // functions left to whoever called them
  order: (typeof ORDERS)[number];
  color: ColorBy;
  sort: Sort;
  ascending: boolean;
  file: number; // of the source; -1: that of the function
  line: number;
  widths: (typeof WIDTHS)[number]; // of the difference
  theme: (typeof THEMES)[number]; // "": as the system has it
}

/** The function with the most time of its own, so that the page begins with an answer; -1: none has any. What is no function
 *  ("[pyrometer starts to count]") is no answer. */
function hottest(profile: Profile): number {
  const { self } = profile.totals(profile.everything());
  const isFunction = (fn: number): boolean => profile.isPython(fn) || profile.isC(fn);
  return self.reduce((best, us, at) => (us > (best < 0 ? 0 : self[best]!) && isFunction(at) ? at : best), -1);
}

export function initialState(profile: Profile): State {
  return {
    view: profile.onlyLooks ? "timeline" : profile.head.lines_alone ? "source" : "summary",
    clock: "wall",
    from: 0,
    to: profile.head.buckets,
    at: -1,
    thread: -1,
    process: -1,
    fn: hottest(profile),
    search: "",
    zoom: 0,
    focus: -1,
    libraries: "shown",
    recursion: "shown",
    hidden: [],
    order: "weight",
    color: "code",
    sort: "total",
    ascending: false,
    file: -1,
    line: 0,
    widths: "after",
    theme: "",
  };
}

/** What the boxes, rows and lines of PROFILE may be measured by. */
export function clocksOf(profile: Profile): readonly Clock[] {
  return profile.head.memory ? [...CLOCKS, ...BYTES] : CLOCKS;
}

/** Whether STATE asks when something was, not only how long. */
export function needsTimes(state: State, { head }: Profile): boolean {
  return state.view === "timeline" || state.order === "time" || state.from > 0 || state.to < head.buckets;
}

export function filterOf(state: State): Filter {
  return { clock: state.clock, from: state.from, to: state.to, thread: state.thread, process: state.process };
}

export function shapeOf(state: State): Shape {
  return { folded: state.libraries === "folded", collapsed: state.recursion === "collapsed", hidden: state.hidden, ordered: state.order === "time" };
}

/** Only what differs from the beginning. */
export function toFragment(state: State, initial: State): string {
  const fragment = new URLSearchParams();
  for (const [key, value] of Object.entries(state))
    if (String(value) !== String(initial[key as keyof State])) fragment.set(key, String(value));
  return fragment.toString();
}

function oneOf<T extends string>(text: string | null, all: readonly T[], otherwise: T): T {
  return all.includes(text as T) ? (text as T) : otherwise;
}

/** A fragment may be of another recording, or made up: what is no value is left as in the beginning. */
export function fromFragment(text: string, initial: State, profile: Profile): State {
  const fragment = new URLSearchParams(text.replace(/^#/, ""));
  const number = (key: keyof State, least: number, most: number): number => {
    const value = Number(fragment.get(key) ?? NaN);
    return Number.isInteger(value) && value >= least && value <= most ? value : (initial[key] as number);
  };
  const { buckets, threads, files } = profile.head;
  const functions = (text: string): number[] => {
    const numbers = text.split(",").map((it) => (it === "" ? NaN : Number(it)));
    const known = numbers.filter((it) => Number.isInteger(it) && it >= 0 && it < profile.functionCount);
    return [...new Set(known)].slice(0, HIDDEN_MAX).sort((a, b) => a - b);
  };
  const state: State = {
    view: oneOf(fragment.get("view"), VIEWS, initial.view),
    clock: oneOf<Clock>(fragment.get("clock"), clocksOf(profile), initial.clock),
    from: number("from", 0, buckets - 1),
    to: number("to", 1, buckets),
    at: number("at", -1, 0xffffffff),
    thread: number("thread", -1, threads.length - 1),
    process: number("process", -1, 0x7fffffff),
    fn: number("fn", -1, profile.functionCount - 1),
    search: fragment.get("search") ?? "",
    zoom: number("zoom", 0, 0xffffffff),
    focus: number("focus", -1, profile.functionCount - 1),
    libraries: oneOf(fragment.get("libraries"), LIBRARIES, initial.libraries),
    recursion: oneOf(fragment.get("recursion"), RECURSION, initial.recursion),
    hidden: functions(fragment.get("hidden") ?? ""),
    order: oneOf(fragment.get("order"), ORDERS, initial.order),
    color: oneOf(fragment.get("color"), COLORS, initial.color),
    sort: oneOf(fragment.get("sort"), SORTS, initial.sort),
    ascending: fragment.get("ascending") === "true",
    file: number("file", -1, files.length - 1),
    line: number("line", 0, 0xffffffff),
    widths: oneOf(fragment.get("widths"), WIDTHS, initial.widths),
    theme: oneOf(fragment.get("theme"), THEMES, initial.theme),
  };
  if (state.from >= state.to) [state.from, state.to] = [initial.from, initial.to];
  if (!profile.processes().some((it) => it.pid === state.process)) state.process = initial.process;
  if (state.view === "difference" && !profile.head.difference) state.view = initial.view;
  if (!profile.hasTimeline) state.order = initial.order;
  if (!profile.hasStates) state.color = state.color === "waiting" ? initial.color : state.color;
  if (state.view === "timeline" && !profile.hasTimeline) state.view = initial.view;
  return state;
}
