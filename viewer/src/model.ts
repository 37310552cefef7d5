// What a page knows of a recording, and what it answers: no DOM in here.

import { fromWays, type Column, type Data, type Head } from "./data";
import { MemoryOverTime } from "./memory";
import { inOrder, layOut, openPreorder, sumUp, Trie, type Nodes, type Preorder, type Tree } from "./tree";

export const CLOCKS = ["wall", "cpu", "gil", "wait"] as const;
/** What weighs in place of time: bytes, of which nobody knows when, in which thread or state. */
export const BYTES = ["allocated", "held"] as const;
export type Clock = (typeof CLOCKS)[number] | (typeof BYTES)[number];

export function isBytes(clock: Clock): clock is (typeof BYTES)[number] {
  return (BYTES as readonly string[]).includes(clock);
}

/** Which samples count. Buckets are the parts of the duration; TO is the first one that does not count. */
export interface Filter {
  clock: Clock;
  from: number;
  to: number;
  thread: number; // -1: all
  process: number; // by its pid; -1: all
}

/** What of the stacks is shown, and in which order. */
export interface Shape {
  folded: boolean; // whoever called a library has its time
  collapsed: boolean; // a function that calls itself, whatever stands between, stands once
  hidden: readonly number[]; // functions whose callers have their time
  ordered: boolean; // as time went, else the heaviest first
}
export const PLAIN: Shape = { folded: false, collapsed: false, hidden: [], ordered: false };

/** Stacks merged by function, and of each stack its node. */
interface Merged {
  trie: Nodes;
  nodeOf: Uint32Array;
}

/** Times are microseconds everywhere. */
export interface Totals {
  all: number;
  samples: number;
  self: Float64Array; // by function
  total: Float64Array;
  selfSamples: Float64Array;
  stackSelf: Float64Array;
  nodeSelf: Float64Array; // by node of all stacks merged by function
  nodeTotal: Float64Array;
}

export interface Edge {
  function: number; // rootFunction: the root of a thread
  calls: number; // NaN: not known
  time: number;
}

export interface Line {
  line: number;
  own: number; // in the line itself, and in the C functions that it calls
  total: number;
  hits: number; // NaN: not counted
  allocated: number; // bytes, in the line itself and in the C functions that it calls; NaN: not tracked
  source: string | null;
}

const PYTHON = 0;
const C = 1;
const MAX_CALLER_DEPTH = 200;

const LEFT_ALL = 4095; // of "stack_left": nothing was taken out
const OFF_US = 4; // to which the times of cells are told,
const OFF_BUCKETS = 2000; // or to so small a part of a bucket, where that is more
const WEIGHTS_A_US = 8; // parts of a microsecond in which a bucket's weight is given

export class Profile {
  readonly head: Head;
  readonly functionCount: number;
  readonly rootFunction: number;
  readonly hasTimeline: boolean;
  /** Else what is known are sums of cells: the cells of a large recording are opened when a question needs them. */
  timesKnown: boolean;
  /** Of a file that knows no stacks: the tree is a guess, times of functions are those of the file. */
  readonly estimated: boolean;
  readonly overTime: MemoryOverTime | null;
  /** Nothing was sampled: somebody only looked at what was resident. */
  readonly onlyLooks: boolean;
  readonly calls: Float64Array; // by function, NaN: not counted
  readonly primitive: Float64Array;
  readonly sigma: Float64Array;

  private readonly name: Column;
  private readonly file: Column;
  private readonly firstLine: Column;
  private readonly kind: Column;
  private readonly frameFunction: Column;
  private readonly frameLine: Column;
  private readonly stackParent: Uint32Array;
  private readonly stackFrame: Column;
  private cell: Record<"bucket" | "thread" | "stack" | "kind" | "samples" | "us", Column>;
  private readonly waiting: Uint8Array; // by kind
  private readonly memory: Record<"stack" | "allocated" | "held" | "blocks", Column>;
  private readonly edgeCalls = new Map<number, number>();
  private readonly edges: Record<"caller" | "callee" | "calls" | "total", Column>;
  private readonly measured: { self: Float64Array; total: Float64Array };
  private readonly baseline: { parent: Uint32Array; fn: Column; us: Column };
  private readonly trie: Preorder; // stacks merged by function
  private readonly outer: Uint8Array; // by node: its function is nowhere further down
  private readonly nodeOf: Uint32Array; // stack -> its node
  private merged = new Map<string, Merged>(); // otherwise, as a shape wants it
  private readonly sources = new Map<number, Map<number, number>>(); // file -> line -> string
  private readonly counted = new Map<number, Map<number, [number, number]>>(); // function -> line -> hits, time
  private known = new Map<string, Totals>();
  private trees = new Map<string, Tree>();

  constructor(data: Data) {
    this.head = data.head;
    this.name = fromWays(data.column("function_name"));
    this.file = fromWays(data.column("function_file"));
    this.firstLine = data.column("function_line");
    this.kind = data.column("function_kind");
    this.functionCount = this.name.length;
    this.rootFunction = this.functionCount;
    this.estimated = this.head.timed;
    this.overTime = MemoryOverTime.of(data);
    this.hasTimeline = this.head.buckets > 1 || this.overTime !== null;
    this.trie = openPreorder(data.column("node_up"), data.column("node_function"));
    this.frameFunction = fromWays(data.column("frame_function"));
    this.frameLine = fromWays(data.column("frame_line"));
    ({ parent: this.stackParent, frame: this.stackFrame, nodeOf: this.nodeOf } = this.takeStacks(data));
    this.cell = data.column("sum_stack").length ? this.takeSums(data) : this.takeCells(data);
    this.timesKnown = data.column("sum_stack").length === 0;
    this.onlyLooks = this.overTime !== null && this.timesKnown && this.cell.stack.length === 0 && !this.head.memory;
    this.waiting = Uint8Array.from(this.head.kinds, (kind) => Number(kind.waits !== "" || kind.parked || kind.state === "waiting" || kind.state === "gil_wait"));
    this.memory = {
      stack: fromWays(data.column("memory_stack")),
      allocated: data.column("memory_allocated"),
      held: data.column("memory_held"),
      blocks: data.column("memory_blocks"),
    };
    const rows = fromWays(data.column("row_function"));
    const byFunction = (column: string, unknown: number): Float64Array => {
      const values = new Float64Array(this.functionCount).fill(unknown);
      const from = data.column(column);
      for (let i = 0; i < from.length; i++) values[rows[i]!] = from[i]!;
      return values;
    };
    this.calls = byFunction("row_calls", 0).map(callsOf);
    this.primitive = byFunction("row_recursive", 0).map((recursive, fn) => this.calls[fn]! - recursive);
    this.sigma = byFunction("row_sigma", 0);
    this.measured = { self: byFunction("row_self", 0), total: byFunction("row_total", 0) };
    this.edges = {
      caller: data.column("edge_caller"),
      callee: fromWays(data.column("edge_callee")),
      calls: Float64Array.from(data.column("edge_calls"), callsOf),
      total: data.column("edge_total"),
    };
    for (let i = 0; i < this.edges.caller.length; i++)
      this.edgeCalls.set(this.edgeKey(this.edges.caller[i]!, this.edges.callee[i]!), this.edges.calls[i]!);
    this.baseline = {
      parent: fromSteps(data.column("base_parent")),
      fn: data.column("base_function"),
      us: data.column("base_us"),
    };
    this.takeSources(data);
    this.outer = this.findOuter();
  }

  /** Of each stack its parent, its frame and its node: those of a node follow those of the node before it. */
  private takeStacks(data: Data): { parent: Uint32Array; frame: Uint32Array; nodeOf: Uint32Array } {
    const [which, place, stacks] = [data.column("stack_parent"), data.column("stack_frame"), data.column("node_stacks")];
    const firstFrame = new Uint32Array(this.functionCount + 1); // of each function; its frames are in a row
    for (let frame = this.frameFunction.length - 1; frame >= 0; frame--) firstFrame[this.frameFunction[frame]!] = frame;
    const { parent: above, key } = this.trie;
    const firstStack = new Uint32Array(stacks.length + 1);
    const [parent, frame, nodeOf] = [new Uint32Array(which.length), new Uint32Array(which.length), new Uint32Array(which.length)];
    let stack = 0;
    for (let node = 0; node < stacks.length; node++) {
      firstStack[node] = stack;
      const [first, below] = [firstFrame[key[node]!]!, firstStack[above[node]!]!];
      for (let left = stacks[node]!; left > 0; left--, stack++) {
        parent[stack] = below + which[stack]!;
        frame[stack] = first + place[stack]!;
        nodeOf[stack] = node;
      }
    }
    return { parent, frame, nodeOf };
  }

  /** The sums of cells, as cells of one bucket. */
  private takeSums(data: Data): Profile["cell"] {
    const stack = fromWays(data.column("sum_stack"));
    const thread = fromWays(data.column("sum_thread"));
    return { bucket: new Uint8Array(stack.length), thread, stack, kind: data.column("sum_kind"), samples: data.column("sum_samples"), us: data.column("sum_us") };
  }

  /** DATA are the cells that were left for later. */
  takeTimes(data: Data): void {
    this.cell = this.takeCells(data);
    this.timesKnown = true;
  }

  private takeCells(data: Data): Profile["cell"] {
    const cell = {
      bucket: fromWays(data.column("cell_bucket")),
      thread: fromWays(data.column("cell_thread")),
      stack: new Uint32Array(0) as Column,
      kind: data.column("cell_kind"),
      samples: data.column("cell_samples"),
      us: data.column("cell_us"),
    };
    cell.stack = waysOf(data.column("cell_stack"), cell.thread, this.head.threads.length);
    if (cell.us.length < cell.stack.length) cell.us = this.sampledTimes(data, cell);
    const left = data.column("stack_left");
    if (left.length === 0) return cell;
    const us = (cell.us = Float64Array.from(cell.us)); // with what counting cost: parked samples keep it
    const parked = this.head.kinds.map((kind) => kind.parked);
    for (let i = 0; i < us.length; i++) if (!parked[cell.kind[i]!]) us[i]! *= left[cell.stack[i]!]! / LEFT_ALL;
    return cell;
  }

  /** Samples of a bucket weigh nearly the same: what is told is how far each cell is off that. */
  private sampledTimes(data: Data, { bucket, samples }: Profile["cell"]): Float64Array {
    const weight = Float64Array.from(fromWays(data.column("bucket_weight")), (it) => it / WEIGHTS_A_US);
    const off = data.column("cell_off");
    const us = new Float64Array(off.length);
    const offUs = Math.max(OFF_US, this.head.bucket_us / OFF_BUCKETS);
    for (let i = 0; i < us.length; i++) us[i] = samples[i]! * weight[bucket[i]!]! + offUs * ((off[i]! >>> 1) ^ -(off[i]! & 1));
    return us;
  }

  private takeSources(data: Data): void {
    const [file, line, text] = [fromWays(data.column("source_file")), fromWays(data.column("source_line")), fromWays(data.column("source_text"))];
    for (let i = 0; i < file.length; i++) {
      let lines = this.sources.get(file[i]!);
      if (!lines) this.sources.set(file[i]!, (lines = new Map()));
      lines.set(line[i]!, text[i]!);
    }
    const [of, at] = [data.column("line_function"), data.column("line_line")];
    const [hits, total] = [data.column("line_hits"), data.column("line_total")];
    for (let i = 0; i < of.length; i++) {
      let lines = this.counted.get(of[i]!);
      if (!lines) this.counted.set(of[i]!, (lines = new Map()));
      lines.set(at[i]!, [callsOf(hits[i]!), total[i]!]);
    }
  }

  private edgeKey(caller: number, callee: number): number {
    return caller * (this.functionCount + 1) + callee;
  }

  // -- names --

  text(string: number): string {
    return this.head.strings[string] ?? "";
  }
  nameOf(fn: number): string {
    return fn === this.rootFunction ? "<root>" : this.text(this.name[fn]!);
  }
  fileOf(fn: number): number {
    return this.file[fn]!;
  }
  lineOf(fn: number): number {
    return this.firstLine[fn]!;
  }
  isPython(fn: number): boolean {
    return this.kind[fn] === PYTHON;
  }
  isC(fn: number): boolean {
    return this.kind[fn] === C;
  }
  isLibrary(fn: number): boolean {
    return this.isPython(fn) && this.head.files[this.file[fn]!]![2] !== 0;
  }
  shownFile(file: number): string {
    return this.text(this.head.files[file]![1]);
  }
  fullPath(file: number): string {
    return this.text(this.head.files[file]![0]);
  }
  /** "shop/views.py:52", "" of what is no Python function. */
  placeOf(fn: number, line = 0): string {
    if (fn >= this.functionCount || !this.isPython(fn)) return "";
    const [file, at] = [this.shownFile(this.file[fn]!), line || this.lineOf(fn)];
    return at > 0 ? `${file}:${at}` : file; // other tools do not tell where a function begins
  }
  threadName(thread: number): string {
    const it = this.head.threads[thread];
    if (!it) return "";
    const several = this.head.threads.some((other) => other.pid !== it.pid);
    const name = it.name || (it.id === it.pid ? "main thread" : `thread ${it.id}`);
    return `${name}${several ? ` (process ${it.pid})` : ""}`;
  }

  /** Where there are several: the processes with threads, in the order in which they were seen. */
  processes(): { pid: number; name: string }[] {
    const seen = new Map(this.head.threads.map((it) => [it.pid, it.command]));
    return seen.size < 2 ? [] : [...seen].map(([pid, command]) => ({ pid, name: `process ${pid}${command ? `: ${command}` : ""}` }));
  }

  // -- stacks --

  private functionOf(stack: number): number {
    return this.frameFunction[this.stackFrame[stack]!]!;
  }

  /** A library that is folded takes the C functions along that it calls. */
  private mergeStacks(shape: Shape): Merged {
    const count = this.stackParent.length;
    const trie = new Trie(count);
    const nodeOf = new Uint32Array(count);
    const inLibrary = new Uint8Array(count);
    const hidden = new Set(shape.hidden);
    for (let stack = 1; stack < count; stack++) {
      const parent = this.stackParent[stack]!;
      const fn = this.functionOf(stack);
      if (shape.folded && (this.isLibrary(fn) || (inLibrary[parent] && !this.isPython(fn)))) inLibrary[stack] = 1;
      const left = inLibrary[stack] || hidden.has(fn);
      nodeOf[stack] = left ? nodeOf[parent]! : this.place(trie, nodeOf[parent]!, fn, shape.collapsed);
    }
    return { trie, nodeOf };
  }

  /** The node of FN below PARENT; if COLLAPSED and it stands on the way there, that one. */
  private place(trie: Trie, parent: number, fn: number, collapsed: boolean): number {
    if (collapsed && this.recurses(fn))
      for (let at = parent; at !== 0; at = trie.parent[at]!) if (trie.key[at] === fn) return at;
    return trie.child(parent, fn);
  }

  private shaped(shape: Shape): Merged {
    const key = JSON.stringify([shape.folded, shape.collapsed, shape.hidden]);
    if (key === JSON.stringify([false, false, []])) return { trie: this.trie, nodeOf: this.nodeOf };
    let found = this.merged.get(key);
    if (!found) {
      if (this.merged.size > 4) this.merged.clear();
      this.merged.set(key, (found = this.mergeStacks(shape)));
    }
    return found;
  }

  /** A number for each line of a file: functions may share one, as a comprehension does with who calls it. */
  private placesOfFrames(): Uint32Array {
    const known = new Map<string, number>();
    return Uint32Array.from({ length: this.frameFunction.length }, (_, frame) => {
      const [fn, line] = [this.frameFunction[frame]!, this.frameLine[frame]!];
      const place = this.isPython(fn) && line > 0 ? `${this.fileOf(fn)}:${line}` : `frame ${frame}`;
      if (!known.has(place)) known.set(place, frame);
      return known.get(place)!;
    });
  }

  /** Of each node: is its function nowhere further down? So that recursion counts once. */
  private findOuter(): Uint8Array {
    const { count, key, parent, depth } = this.trie;
    const outer = new Uint8Array(count);
    const onPath = new Uint32Array(this.functionCount + 1);
    let open = 0; // the node before, up to which the way from the root is on the path
    for (let node = 1; node < count; node++) {
      for (; depth[open]! >= depth[node]!; open = parent[open]!) onPath[key[open]!]!--;
      outer[node] = Number(onPath[key[node]!]!++ === 0);
      open = node;
    }
    return outer;
  }

  private linesOnce: Uint8Array | null = null;
  /** Of each stack: is its line nowhere further down? */
  private outerLines(): Uint8Array {
    if (this.linesOnce) return this.linesOnce;
    const { stackParent, stackFrame, nodeOf } = this;
    const places = this.placesOfFrames();
    const owner = new Int32Array(places.length).fill(-1); // the function of a place
    const shared = new Uint8Array(places.length); // by several
    places.forEach((place, frame) => {
      const fn = this.frameFunction[frame]!;
      if (owner[place] !== -1 && owner[place] !== fn) shared[place] = 1;
      owner[place] = fn;
    });
    const once = new Uint8Array(stackParent.length);
    for (let stack = 1; stack < once.length; stack++) {
      const place = places[stackFrame[stack]!]!;
      let at = 0; // whose function stands once on its stack has its line once, unless the line is others' too
      if (shared[place] || !this.outer[nodeOf[stack]!])
        for (at = stackParent[stack]!; at !== 0 && places[stackFrame[at]!] !== place; ) at = stackParent[at]!;
      once[stack] = Number(at === 0);
    }
    return (this.linesOnce = once);
  }

  // -- filters --

  everything(): Filter {
    return { clock: "wall", from: 0, to: this.head.buckets, thread: -1, process: -1 };
  }
  isEverything(filter: Filter): boolean {
    return filter.clock === "wall" && filter.thread < 0 && filter.process < 0 && filter.from <= 0 && filter.to >= this.head.buckets;
  }

  /** What counts: CELLS are places in the columns besides. Of bytes these are stacks and their blocks, and no cells. */
  private weighed(filter: Filter): { cells: Uint32Array; stack: Column; us: Column; samples: Column } {
    if (!isBytes(filter.clock)) return { cells: this.cellsOf(filter), stack: this.cell.stack, us: this.cell.us, samples: this.cell.samples };
    const { stack, blocks, [filter.clock]: us } = this.memory;
    return { cells: Uint32Array.from(stack.keys()).filter((at) => us[at]! > 0), stack, us, samples: blocks };
  }

  /** The cells that count, in order. */
  private cellsOf(filter: Filter): Uint32Array {
    const { bucket, thread, kind } = this.cell;
    const bit = 1 << CLOCKS.indexOf(filter.clock as (typeof CLOCKS)[number]);
    const counts = Uint8Array.from(this.head.kinds, (it) => Number((it.clocks & bit) !== 0));
    const chosen = Uint8Array.from(this.head.threads, (it, i) => Number((filter.thread < 0 || filter.thread === i) && (filter.process < 0 || filter.process === it.pid)));
    const all = filter.thread < 0 && filter.process < 0;
    const cells = new Uint32Array(bucket.length);
    let count = 0;
    for (let cell = 0; cell < bucket.length; cell++) {
      if (bucket[cell]! < filter.from || bucket[cell]! >= filter.to) continue;
      if (!all && !chosen[thread[cell]!]) continue;
      if (this.estimated || counts[kind[cell]!]) cells[count++] = cell;
    }
    return cells.subarray(0, count);
  }

  totals(filter: Filter): Totals {
    const key = JSON.stringify(filter);
    let found = this.known.get(key);
    if (!found) {
      if (this.known.size > 20) this.known.clear();
      this.known.set(key, (found = this.addUp(filter)));
    }
    return found;
  }

  private addUp(filter: Filter): Totals {
    const { trie, nodeOf, outer } = this;
    const [functions, stacks] = [this.functionCount, this.stackParent.length];
    const [self, total, selfSamples] = [new Float64Array(functions), new Float64Array(functions), new Float64Array(functions)];
    const { cells, stack, us, samples } = this.weighed(filter);
    const [stackSelf, stackSamples] = [new Float64Array(stacks), new Float64Array(stacks)];
    for (let i = 0; i < cells.length; i++) {
      const cell = cells[i]!;
      const at = stack[cell]!;
      stackSelf[at]! += us[cell]!;
      stackSamples[at]! += samples[cell]!;
    }
    const nodeSelf = ownTimes(trie, nodeOf, stackSelf);
    let [all, seen] = [nodeSelf[0]!, stackSamples[0] ?? 0];
    for (let at = 1; at < stacks; at++) {
      seen += stackSamples[at]!;
      if (stackSamples[at]! > 0) selfSamples[trie.key[nodeOf[at]!]!]! += stackSamples[at]!;
    }
    const nodeTotal = nodeSelf.slice();
    for (let node = trie.count - 1; node > 0; node--) {
      const fn = trie.key[node]!;
      nodeTotal[trie.parent[node]!]! += nodeTotal[node]!;
      self[fn]! += nodeSelf[node]!;
      if (outer[node]) total[fn]! += nodeTotal[node]!;
      all += nodeSelf[node]!;
    }
    if (this.estimated) {
      self.set(this.measured.self);
      total.set(this.measured.total);
      all = this.head.total_us;
    }
    return { all, samples: seen, self, total, selfSamples, stackSelf, nodeSelf, nodeTotal };
  }

  /** All stacks, merged by function; the key of an entry is its function. In the order of time they are those of one thread:
   *  what several did at once stands in no row. */
  tree(filter: Filter, shape: Shape = PLAIN): Tree {
    const key = JSON.stringify([filter, shape]);
    let found = this.trees.get(key);
    if (!found) {
      if (this.trees.size > 8) this.trees.clear();
      const merged = this.shaped(shape);
      found = shape.ordered && !isBytes(filter.clock) ? this.treeInOrder(filter, merged) : this.treeByWeight(filter, merged);
      this.trees.set(key, found);
    }
    return found;
  }

  private treeByWeight(filter: Filter, { trie, nodeOf }: Merged): Tree {
    const totals = this.totals(filter);
    const waits = this.hasWaits ? ownTimes(trie, nodeOf, this.waits(filter)) : undefined;
    return trie === this.trie ? layOut(trie, totals.nodeSelf, waits, totals.nodeTotal) : layOut(trie, ownTimes(trie, nodeOf, totals.stackSelf), waits);
  }

  private treeInOrder(filter: Filter, { trie, nodeOf }: Merged): Tree {
    const nodes: number[] = [];
    const times: number[] = [];
    const waits: number[] = [];
    for (const cell of this.cellsOf({ ...filter, thread: this.orderedThread(filter) })) {
      const us = this.cell.us[cell]!;
      nodes.push(nodeOf[this.cell.stack[cell]!]!);
      times.push(us);
      waits.push(this.isWait(cell) ? us : 0);
    }
    return inOrder(trie, nodes, times, waits);
  }

  /** The thread that is shown in the order of time: the one that was chosen, or the one with the most time. */
  orderedThread(filter: Filter): number {
    if (filter.thread >= 0) return filter.thread;
    const times = new Float64Array(this.head.threads.length + 1);
    for (const cell of this.cellsOf(filter)) times[this.cell.thread[cell]!]! += this.cell.us[cell]!;
    return times.reduce((best, us, at) => (us > times[best]! ? at : best), 0);
  }

  private isWait(cell: number): boolean {
    return this.waiting[this.cell.kind[cell]!] === 1;
  }

  /** Whether it is known who ran and who waited. */
  get hasStates(): boolean {
    return this.head.kinds.some((kind) => kind.state !== "unknown");
  }

  /** Whether anything waited. */
  private get hasWaits(): boolean {
    return this.hasStates && this.waiting.includes(1);
  }

  /** Of each stack, the part of its own time in which the thread waited. */
  private waits(filter: Filter): Float64Array {
    const waits = new Float64Array(this.stackParent.length);
    if (!isBytes(filter.clock)) for (const cell of this.cellsOf(filter)) if (this.isWait(cell)) waits[this.cell.stack[cell]!]! += this.cell.us[cell]!;
    return waits;
  }

  /** What FN called, from every place it stands in, as one tree; its root is FN. */
  callees(fn: number, filter: Filter): Tree {
    const { nodeSelf: self } = this.totals(filter);
    const merged = new Trie(1024);
    const place = new Int32Array(this.trie.count).fill(-1); // below FN: its node in MERGED
    const times = new Growing();
    for (let node = 1; node < this.trie.count; node++) {
      const parent = this.trie.parent[node]!;
      if (place[parent]! >= 0) place[node] = merged.child(place[parent]!, this.trie.key[node]!);
      else if (this.trie.key[node] === fn) place[node] = 0;
      const at = place[node]!;
      if (at >= 0) times.add(at, self[node]!);
    }
    return layOut(merged, times.upTo(merged.count));
  }

  /** Who called FN, by whom it was called, and so on; its root is FN. Time of a recursion counts where it began. */
  callers(fn: number, filter: Filter): { tree: Tree; cut: boolean } {
    const { nodeTotal: total } = this.totals(filter);
    const merged = new Trie(1024);
    const inside = new Uint8Array(this.trie.count);
    const times = new Growing();
    let cut = false;
    for (let node = 1; node < this.trie.count; node++) {
      const parent = this.trie.parent[node]!;
      const starts = this.trie.key[node] === fn && !inside[parent];
      inside[node] = inside[parent]! | Number(starts);
      if (!starts || total[node] === 0) continue;
      let at = 0;
      let up = parent;
      for (let depth = 0; up !== 0 && depth < MAX_CALLER_DEPTH; depth++, up = this.trie.parent[up]!)
        at = merged.child(at, this.trie.key[up]!);
      cut ||= up !== 0;
      times.add(at, total[node]!);
    }
    return { tree: layOut(merged, times.upTo(merged.count)), cut };
  }

  /** The functions that called FN, and those it called. A caller is the nearest Python function below, as in `stats`. */
  neighbours(fn: number, filter: Filter): { callers: Edge[]; callees: Edge[] } {
    if (this.estimated) return this.timedNeighbours(fn);
    const callers = new Map<number, number>();
    const callees = new Map<number, number>();
    const python = new Int32Array(this.trie.count).fill(-1); // nearest Python function of a node, itself included
    const { nodeTotal: total } = this.totals(filter);
    for (let node = 1; node < this.trie.count; node++) {
      const parent = this.trie.parent[node]!;
      const key = this.trie.key[node]!;
      const caller = python[parent]!;
      python[node] = this.isPython(key) ? key : caller;
      if (total[node] === 0) continue;
      if (key === fn && !this.isOpen(node, caller, fn, python))
        add(callers, caller < 0 ? this.rootFunction : caller, total[node]!);
      if (caller === fn && !this.isOpen(node, fn, key, python)) add(callees, key, total[node]!);
    }
    this.addCounted(fn, callers, callees);
    return { callers: this.toEdges(callers, (other) => [other, fn]), callees: this.toEdges(callees, (other) => [fn, other]) };
  }

  /** Does the pair stand further down on the stack of NODE already? */
  private isOpen(node: number, caller: number, callee: number, python: Int32Array): boolean {
    if (!this.recurses(callee)) return false;
    for (let at = this.trie.parent[node]!; at !== 0; at = this.trie.parent[at]!)
      if (this.trie.key[at] === callee && python[this.trie.parent[at]!] === caller) return true;
    return false;
  }

  private recursive: Uint8Array | null = null;
  private recurses(fn: number): boolean {
    if (!this.recursive) {
      this.recursive = new Uint8Array(this.functionCount);
      for (let node = 1; node < this.trie.count; node++) if (!this.outer[node]) this.recursive[this.trie.key[node]!] = 1;
    }
    return this.recursive[fn] === 1;
  }

  /** Pairs that were counted but never sampled belong to the answer as well. */
  private addCounted(fn: number, callers: Map<number, number>, callees: Map<number, number>): void {
    const { caller, callee, calls } = this.edges;
    for (let i = 0; i < caller.length; i++) {
      if (!(calls[i]! > 0)) continue;
      if (callee[i] === fn) add(callers, caller[i]!, 0);
      if (caller[i] === fn) add(callees, callee[i]!, 0);
    }
  }

  private toEdges(times: Map<number, number>, pair: (other: number) => [number, number]): Edge[] {
    const edges = [...times].map(([other, time]) => {
      const [caller, callee] = pair(other);
      return { function: other, time, calls: this.edgeCalls.get(this.edgeKey(caller, callee)) ?? NaN };
    });
    return edges.sort((a, b) => b.time - a.time || (b.calls || 0) - (a.calls || 0));
  }

  private timedNeighbours(fn: number): { callers: Edge[]; callees: Edge[] } {
    const { caller, callee, calls, total } = this.edges;
    const callers: Edge[] = [];
    const callees: Edge[] = [];
    for (let i = 0; i < caller.length; i++) {
      const edge = { calls: calls[i]!, time: total[i]! };
      if (callee[i] === fn) callers.push({ function: caller[i]!, ...edge });
      if (caller[i] === fn) callees.push({ function: callee[i]!, ...edge });
    }
    const heavier = (a: Edge, b: Edge): number => (b.time || 0) - (a.time || 0);
    return { callers: callers.sort(heavier), callees: callees.sort(heavier) };
  }

  // -- the baseline --

  /** Both recordings as one tree, with the time of each entry in both; its widths are those of BY. */
  difference(by: "before" | "after"): { tree: Tree; before: Float64Array; after: Float64Array } {
    const { parent, fn, us } = this.baseline;
    const merged = new Trie(this.trie.count + parent.length);
    const mine = this.totals(this.everything()).nodeSelf;
    const place = new Uint32Array(Math.max(this.trie.count, parent.length));
    for (let node = 1; node < this.trie.count; node++)
      place[node] = merged.child(place[this.trie.parent[node]!]!, this.trie.key[node]!);
    const after = new Float64Array(this.trie.count + parent.length);
    for (let node = 0; node < this.trie.count; node++) after[place[node]!]! += mine[node]!;
    place.fill(0);
    const before = new Float64Array(after.length);
    for (let stack = 0; stack < parent.length; stack++) {
      if (stack > 0) place[stack] = merged.child(place[parent[stack]!]!, fn[stack]!);
      before[place[stack]!]! += us[stack]!;
    }
    const tree = layOut(merged, by === "after" ? after : before);
    const sums = [sumUp(merged, before), sumUp(merged, after)].map((sum) => {
      const byEntry = new Float64Array(tree.count);
      for (let entry = 0; entry < tree.count; entry++) byEntry[entry] = sum[tree.origin[entry]!]!;
      return byEntry;
    });
    return { tree, before: sums[0]!, after: sums[1]! };
  }

  // -- lines --

  /** Each line with time: in itself and the C functions it calls, and with everything it called. Of a file of counted lines that is one time. */
  private lines(filter: Filter): { fn: number; line: number; own: number; total: number }[] {
    if (this.head.lines_alone) return [...this.counted].flatMap(([fn, lines]) => [...lines].map(([line, [, us]]) => ({ fn, line, own: us, total: us })));
    const { stackSelf } = this.totals(filter);
    const stackTotal = stackSelf.slice();
    for (let stack = stackTotal.length - 1; stack > 0; stack--) stackTotal[this.stackParent[stack]!]! += stackTotal[stack]!;
    const once = this.outerLines();
    const frames = this.frameFunction.length;
    const [own, total] = [new Float64Array(frames), new Float64Array(frames)];
    const python = new Uint32Array(this.stackParent.length); // the stack up to its nearest line of Python
    for (let stack = 1; stack < this.stackParent.length; stack++) {
      const frame = this.stackFrame[stack]!;
      python[stack] = this.isPython(this.functionOf(stack)) ? stack : python[this.stackParent[stack]!]!;
      if (python[stack]! > 0) own[this.stackFrame[python[stack]!]!]! += stackSelf[stack]!;
      if (once[stack]) total[frame]! += stackTotal[stack]!;
    }
    const lines = [];
    for (let frame = 0; frame < frames; frame++) {
      const [fn, line] = [this.frameFunction[frame]!, this.frameLine[frame]!];
      if ((total[frame]! > 0 || own[frame]! > 0) && line > 0 && this.isPython(fn))
        lines.push({ fn, line, own: own[frame]!, total: total[frame]! });
    }
    return lines;
  }

  hottestLines(filter: Filter, limit: number): { fn: number; line: number; own: number; source: string }[] {
    return this.lines(filter)
      .sort((a, b) => b.own - a.own || b.total - a.total)
      .slice(0, limit)
      .map(({ fn, line, own }) => ({ fn, line, own, source: this.source(this.fileOf(fn), line)?.trim() ?? "" }));
  }

  source(file: number, line: number): string | null {
    const string = this.sources.get(file)?.get(line);
    return string === undefined ? null : this.text(string);
  }

  /** Files with time in them and in the C functions they call, the hottest first. */
  hotFiles(filter: Filter): { file: number; own: number }[] {
    const times = new Map<number, number>();
    for (const it of this.lines(filter)) add(times, this.fileOf(it.fn), it.own);
    return [...times].map(([file, own]) => ({ file, own })).sort((a, b) => b.own - a.own);
  }

  /** What is known of FILE, line by line, ascending. */
  fileLines(file: number, filter: Filter): Line[] {
    const lines = new Map<number, Line>();
    const at = (line: number): Line => {
      let found = lines.get(line);
      if (!found)
        lines.set(line, (found = { line, own: 0, total: 0, hits: NaN, allocated: NaN, source: this.source(file, line) }));
      return found;
    };
    for (const line of this.sources.get(file)?.keys() ?? []) at(line);
    for (const it of this.lines(filter)) {
      if (this.fileOf(it.fn) !== file) continue;
      if (!this.head.lines_alone) at(it.line).own += it.own;
      at(it.line).total += it.total;
    }
    if (this.head.memory)
      for (const it of this.lines({ ...this.everything(), clock: "allocated" }))
        if (this.fileOf(it.fn) === file) at(it.line).allocated = (at(it.line).allocated || 0) + it.own;
    for (const [fn, counted] of this.counted)
      if (this.fileOf(fn) === file) for (const [line, [hits]] of counted) if (line > 0) at(line).hits = hits;
    return [...lines.values()].sort((a, b) => a.line - b.line);
  }

  /** Functions of FILE by their first line. */
  functionsIn(file: number): number[] {
    const found: number[] = [];
    for (let fn = 0; fn < this.functionCount; fn++) if (this.isPython(fn) && this.fileOf(fn) === file) found.push(fn);
    return found.sort((a, b) => this.lineOf(a) - this.lineOf(b));
  }

  // -- threads over time --

  /** Of each thread with samples: its time by bucket and kind. */
  timeline(): Map<number, Float64Array[]> {
    const rows = new Map<number, Float64Array[]>();
    const { bucket, thread, kind, us } = this.cell;
    for (let i = 0; i < bucket.length; i++) {
      let row = rows.get(thread[i]!);
      if (!row) rows.set(thread[i]!, (row = this.head.kinds.map(() => new Float64Array(0))));
      if (row[kind[i]!]!.length === 0) row[kind[i]!] = new Float64Array(this.head.buckets);
      row[kind[i]!]![bucket[i]!]! += us[i]!;
    }
    return rows;
  }

  /** In which buckets, of which threads, FN was on the stack: thread -> time by bucket. */
  presence(fn: number): Map<number, Float64Array> {
    const within = new Uint8Array(this.trie.count);
    for (let node = 1; node < this.trie.count; node++)
      within[node] = this.trie.key[node] === fn ? 1 : within[this.trie.parent[node]!]!;
    const rows = new Map<number, Float64Array>();
    const { bucket, thread, stack, us } = this.cell;
    for (let i = 0; i < bucket.length; i++) {
      if (!within[this.nodeOf[stack[i]!]!]) continue;
      let row = rows.get(thread[i]!);
      if (!row) rows.set(thread[i]!, (row = new Float64Array(this.head.buckets)));
      row[bucket[i]!]! += us[i]!;
    }
    return rows;
  }
}

/** The time of each node's own, of the stacks that were merged into it. */
function ownTimes(trie: Nodes, nodeOf: Uint32Array, stackSelf: Float64Array): Float64Array {
  const self = new Float64Array(trie.count);
  for (let stack = 0; stack < nodeOf.length; stack++) self[nodeOf[stack]!]! += stackSelf[stack]!;
  return self;
}

/** Sums by a number that counts up. */
class Growing {
  private values = new Float64Array(1024);

  add(at: number, value: number): void {
    if (at >= this.values.length) {
      const grown = new Float64Array(Math.max(at + 1, this.values.length * 2));
      grown.set(this.values);
      this.values = grown;
    }
    this.values[at]! += value;
  }

  upTo(count: number): Float64Array {
    const all = new Float64Array(count);
    all.set(this.values.subarray(0, count));
    return all;
  }
}

function add(map: Map<number, number>, key: number, value: number): void {
  map.set(key, (map.get(key) ?? 0) + value);
}

/** Distances to the parent become parents. */
export function fromSteps(steps: Column): Uint32Array {
  const parents = new Uint32Array(steps.length);
  for (let i = 1; i < steps.length; i++) parents[i] = i - steps[i]!;
  return parents;
}

/** What stands for a number of calls: one more than it, 0 if it is not known. */
function callsOf(value: number): number {
  return value > 0 ? value - 1 : NaN;
}

/** Ways from the last stack of the same thread become stacks. */
function waysOf(ways: Column, thread: Column, threads: number): Uint32Array {
  const last = new Uint32Array(threads + 1);
  const stacks = new Uint32Array(ways.length);
  for (let i = 0; i < ways.length; i++) stacks[i] = last[thread[i]!]! += (ways[i]! >>> 1) ^ -(ways[i]! & 1);
  return stacks;
}
