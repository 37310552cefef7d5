// Trees of functions as arrays: merged from stacks, then laid out in preorder, the heaviest child first.
//
// Everything here is a loop, never a recursion: stacks may be twenty thousand frames deep.

import type { Column } from "./data";

/** Nodes, a parent before its children. Node 0 is the root. */
export interface Nodes {
  readonly count: number;
  readonly parent: Uint32Array;
  readonly key: Column;
}

/** Nodes in preorder: what is below one follows it, up to its end. */
export interface Preorder extends Nodes {
  readonly depth: Uint32Array;
  readonly end: Uint32Array;
}

/** UP: how many levels each node begins above where the one before it ended; 0 is a child of that one. */
export function openPreorder(up: Column, key: Column): Preorder {
  const count = Math.max(1, up.length); // the root is there, whatever a file says
  const [parent, depth, end] = [new Uint32Array(count), new Uint32Array(count), new Uint32Array(count)];
  let before = 0;
  for (let node = 1; node < count; node++) {
    for (let left = up[node]!; left > 0 && before > 0; left--) {
      end[before] = node;
      before = parent[before]!;
    }
    parent[node] = before;
    depth[node] = depth[before]! + 1;
    before = node;
  }
  for (; before > 0; before = parent[before]!) end[before] = count;
  end[0] = count;
  return { count, parent, key, depth, end };
}

/** A tree that grows: nodes in the order in which they were seen, a parent before its children. Node 0 is the root. */
export class Trie implements Nodes {
  count = 1;
  parent: Uint32Array;
  key: Uint32Array;
  private slots: Int32Array;

  constructor(expected: number) {
    const capacity = Math.max(16, expected + 1);
    this.parent = new Uint32Array(capacity);
    this.key = new Uint32Array(capacity);
    let size = 32;
    while (size < capacity * 2) size *= 2;
    this.slots = new Int32Array(size);
  }

  /** The child of PARENT for KEY, made when new. */
  child(parent: number, key: number): number {
    if (this.count * 2 > this.slots.length) this.rehash(this.slots.length * 2);
    const mask = this.slots.length - 1;
    let slot = this.hash(parent, key) & mask;
    for (let node = this.slots[slot]!; node !== 0; node = this.slots[slot]!) {
      if (this.parent[node] === parent && this.key[node] === key) return node;
      slot = (slot + 1) & mask;
    }
    if (this.count === this.parent.length) this.grow();
    this.parent[this.count] = parent;
    this.key[this.count] = key;
    this.slots[slot] = this.count;
    return this.count++;
  }

  private hash(parent: number, key: number): number {
    let mixed = Math.imul(parent, 0x9e3779b1) ^ Math.imul(key + 1, 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0xc2b2ae35);
    return mixed ^ (mixed >>> 13);
  }

  private grow(): void {
    const twice = (old: Uint32Array): Uint32Array => {
      const grown = new Uint32Array(old.length * 2);
      grown.set(old);
      return grown;
    };
    this.parent = twice(this.parent);
    this.key = twice(this.key);
  }

  private rehash(size: number): void {
    this.slots = new Int32Array(size);
    for (let node = 1; node < this.count; node++) {
      let slot = this.hash(this.parent[node]!, this.key[node]!) & (size - 1);
      while (this.slots[slot] !== 0) slot = (slot + 1) & (size - 1);
      this.slots[slot] = node;
    }
  }
}

/** A tree in preorder. All arrays have COUNT entries; entry 0 is the root. */
export interface Tree {
  count: number;
  /** The node of the trie. */
  origin: Uint32Array;
  key: Column;
  parent: Uint32Array;
  depth: Uint32Array;
  /** Where what is below an entry ends. */
  end: Uint32Array;
  /** Where it begins, the root beginning at 0. */
  start: Float64Array;
  self: Float64Array;
  total: Float64Array;
  /** Of TOTAL, while the thread waited. */
  waits: Float64Array;
  deepest: number;
}

function emptyTree(count: number, key: Uint32Array): Tree {
  return {
    count,
    origin: new Uint32Array(count),
    key,
    parent: new Uint32Array(count),
    depth: new Uint32Array(count),
    end: new Uint32Array(count),
    start: new Float64Array(count),
    self: new Float64Array(count),
    total: new Float64Array(count),
    waits: new Float64Array(count),
    deepest: 0,
  };
}

/** Where what is below each entry ends. */
function closeEntries(tree: Tree): void {
  for (let entry = tree.count - 1; entry >= 0; entry--) {
    if (tree.end[entry] === 0) tree.end[entry] = entry + 1;
    if (entry > 0) tree.end[tree.parent[entry]!] = Math.max(tree.end[tree.parent[entry]!]!, tree.end[entry]!);
  }
}

/** Of each node, with what is below it. */
export function sumUp(trie: Nodes, self: Float64Array): Float64Array {
  const total = self.slice(0, trie.count);
  for (let node = trie.count - 1; node > 0; node--) total[trie.parent[node]!]! += total[node]!;
  return total;
}

/** The children of each node in one array, those of NODE from first[node] to first[node + 1]. */
function childLists(trie: Nodes): { first: Uint32Array; child: Uint32Array } {
  const first = new Uint32Array(trie.count + 2);
  const child = new Uint32Array(trie.count);
  for (let node = 1; node < trie.count; node++) first[trie.parent[node]! + 2]!++;
  for (let node = 2; node < first.length; node++) first[node]! += first[node - 1]!;
  for (let node = 1; node < trie.count; node++) child[first[trie.parent[node]! + 1]!++] = node;
  return { first, child };
}

/** Whether each node of TRIE has time, and the heaviest child of each comes first. */
function isLaidOut({ count, parent }: Preorder, total: Float64Array): boolean {
  const last = new Float64Array(count).fill(Infinity); // of each node, the child that came last
  for (let node = 1; node < count; node++) {
    const [time, above] = [total[node]!, parent[node]!];
    if (!(time > 0) || time > last[above]! * (1 + SAME)) return false; // sums of the same numbers may differ by a hair
    last[above] = time;
  }
  return true;
}
const SAME = 1e-9;

/** The nodes of TRIE are the entries. */
function asItIs(trie: Preorder, self: Float64Array, total: Float64Array, waited?: Float64Array): Tree {
  const waits = waited ?? new Float64Array(trie.count);
  const { count, parent, depth, end, key } = trie;
  const [origin, start, next] = [new Uint32Array(count), new Float64Array(count), new Float64Array(count)];
  next[0] = 0;
  let deepest = 0;
  for (let node = 1; node < count; node++) {
    const above = parent[node]!;
    origin[node] = node;
    start[node] = next[node] = next[above]!;
    next[above]! += total[node]!;
    if (depth[node]! > deepest) deepest = depth[node]!;
  }
  return { count, origin, key, parent, depth, end, start, self, total, waits, deepest };
}

/** Lay TRIE out; what has no time is left out. SELF is the time of each node's own, WAITS the part of it that was waited. */
export function layOut(trie: Nodes | Preorder, self: Float64Array, waits?: Float64Array, total = sumUp(trie, self)): Tree {
  const waited = waits && sumUp(trie, waits);
  if ("end" in trie && isLaidOut(trie, total)) return asItIs(trie, self, total, waited);
  const { first, child } = childLists(trie);
  let count = 1;
  for (let node = 1; node < trie.count; node++) if (total[node]! > 0) count++;
  const key = new Uint32Array(count);
  const tree = emptyTree(count, key);
  const open = new Uint32Array(count + 1); // nodes whose turn comes, the next one last
  const above = new Uint32Array(count + 1);
  const next = new Float64Array(count); // where the next child of an entry begins
  let waiting = 1;
  let made = 0;
  while (waiting > 0) {
    waiting--;
    const node = open[waiting]!;
    const parent = above[waiting]!;
    const entry = made++;
    tree.origin[entry] = node;
    key[entry] = trie.key[node]!;
    tree.self[entry] = self[node]!;
    tree.total[entry] = total[node]!;
    if (waited) tree.waits[entry] = waited[node]!;
    tree.parent[entry] = parent;
    if (entry > 0) {
      tree.depth[entry] = tree.depth[parent]! + 1;
      tree.start[entry] = next[parent]!;
      next[parent]! += total[node]!;
      if (tree.depth[entry]! > tree.deepest) tree.deepest = tree.depth[entry]!;
    }
    next[entry] = tree.start[entry]!;
    const from = waiting;
    for (let i = first[node]!; i < first[node + 1]!; i++) {
      if (!(total[child[i]!]! > 0)) continue;
      open[waiting] = child[i]!;
      above[waiting++] = entry;
    }
    if (waiting - from > 1) sortByWeight(open, from, waiting, total);
  }
  closeEntries(tree);
  return tree;
}

/** NODES from FROM to TO, the lightest first, of equals the one that was seen last. */
function sortByWeight(nodes: Uint32Array, from: number, to: number, total: Float64Array): void {
  if (to - from > 32) {
    nodes.subarray(from, to).sort((a, b) => total[a]! - total[b]! || b - a);
    return;
  }
  for (let i = from + 1; i < to; i++) {
    const node = nodes[i]!;
    const time = total[node]!;
    let at = i;
    for (; at > from && (total[nodes[at - 1]!]! > time || (total[nodes[at - 1]!] === time && nodes[at - 1]! < node)); at--) nodes[at] = nodes[at - 1]!;
    nodes[at] = node;
  }
}

/** One thread as time went: TIMES[i] was spent in NODES[i] of TRIE, of which WAITS[i] waiting. What two in a row have in common
 *  goes on; the origin of an entry is itself. */
export function inOrder(trie: Nodes, nodes: readonly number[], times: readonly number[], waits: readonly number[]): Tree {
  const depth = new Uint32Array(trie.count);
  for (let node = 1; node < trie.count; node++) depth[node] = depth[trie.parent[node]!]! + 1;
  const made = { node: [0], parent: [0], start: [0], self: [0], waits: [0] };
  const open = [0]; // entries, by their depth
  let now = 0;
  nodes.forEach((node, i) => {
    const fresh: number[] = []; // of the way to NODE, what is not open; the innermost first
    let at = node;
    for (; depth[at]! >= open.length || made.node[open[depth[at]!]!] !== at; at = trie.parent[at]!) fresh.push(at);
    open.length = depth[at]! + 1;
    for (const next of fresh.reverse()) {
      made.parent.push(open[open.length - 1]!);
      made.start.push(now);
      made.self.push(0);
      made.waits.push(0);
      open.push(made.node.push(next) - 1);
    }
    made.self[open[open.length - 1]!]! += times[i]!;
    made.waits[open[open.length - 1]!]! += waits[i]!;
    now += times[i]!;
  });
  return treeOf(trie, depth, made);
}

function treeOf(trie: Nodes, depth: Uint32Array, made: Record<"node" | "parent" | "start" | "self" | "waits", number[]>): Tree {
  const key = new Uint32Array(made.node.length);
  const tree = emptyTree(made.node.length, key);
  for (let entry = 0; entry < tree.count; entry++) {
    tree.origin[entry] = entry;
    key[entry] = trie.key[made.node[entry]!]!;
    tree.depth[entry] = depth[made.node[entry]!]!;
    if (tree.depth[entry]! > tree.deepest) tree.deepest = tree.depth[entry]!;
  }
  tree.parent.set(made.parent);
  tree.start.set(made.start);
  tree.self.set(made.self);
  tree.total.set(made.self);
  tree.waits.set(made.waits);
  for (let entry = tree.count - 1; entry > 0; entry--) {
    tree.total[tree.parent[entry]!]! += tree.total[entry]!;
    tree.waits[tree.parent[entry]!]! += tree.waits[entry]!;
  }
  closeEntries(tree);
  return tree;
}
