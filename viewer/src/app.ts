// What every view is given: the recording, what is shown of it, and how to change that.

import type { Export } from "./export";
import { bytes, time } from "./format";
import { isBytes, type Filter, type Profile } from "./model";
import { filterOf, type State } from "./state";

export interface Matches {
  regex: RegExp | null;
  wrong: boolean; // what was typed is no regular expression
  functions: Uint8Array; // 1: matches
  count: number;
}

export class App {
  matches: Matches = { regex: null, wrong: false, functions: new Uint8Array(0), count: 0 };

  private searched: string | null = null;

  constructor(
    readonly profile: Profile,
    public state: State,
    /** Show another state. With KEEP it is no step for "back". */
    readonly set: (change: Partial<State>, keep?: boolean) => void,
    readonly say: (text: string) => void,
  ) {}

  get inBytes(): boolean {
    return isBytes(this.state.clock);
  }

  /** What something weighs, as it is measured now. */
  amount(value: number): string {
    return this.inBytes ? bytes(value) : time(value);
  }

  /** "of the time", "of all bytes". */
  get ofAll(): string {
    return this.inBytes ? "of all bytes" : "of the time";
  }

  get filter(): Filter {
    return filterOf(this.state);
  }

  /** What the search finds among the functions: in their names and places. */
  find(): void {
    const { profile } = this;
    if (this.searched === this.state.search) return;
    this.searched = this.state.search;
    const functions = new Uint8Array(profile.functionCount);
    this.matches = { regex: null, wrong: false, functions, count: 0 };
    if (!this.state.search) return;
    try {
      this.matches.regex = new RegExp(this.state.search, "i");
    } catch {
      this.matches.wrong = true;
      return;
    }
    for (let fn = 0; fn < functions.length; fn++) {
      if (!this.matches.regex.test(`${profile.nameOf(fn)} ${profile.placeOf(fn)}`)) continue;
      functions[fn] = 1;
      this.matches.count++;
    }
  }

  choose(fn: number): void {
    if (fn >= 0 && fn < this.profile.functionCount) this.set({ fn }, true);
  }

  openSource(fn: number, line = 0): void {
    if (fn < 0 || !this.profile.isPython(fn)) return;
    this.set({ view: "source", fn, file: this.profile.fileOf(fn), line: line || this.profile.lineOf(fn) });
  }
}

export interface View {
  readonly element: HTMLElement;
  /** The state, or the theme, is another one. */
  update(): void;
  /** A key that no part of the page took. True: it was for us. */
  key?(event: KeyboardEvent): boolean;
  /** How what is shown can be saved. */
  exports?(): Export[];
  /** What is shown, for a ticket. */
  markdown?(): string;
}
