// A tree on a canvas: only what is in the viewport is drawn, however large the tree is.

import { css } from "./dom";
import { escaped, type Drawing } from "./export";
import type { Tree } from "./tree";

export interface FlameLook {
  name(key: number, entry: number): string;
  color(key: number, entry: number): string;
  isMatch(key: number): boolean;
  /** The function that is chosen, wherever it stands. */
  isChosen(key: number): boolean;
  searching(): boolean;
}

interface Box {
  entry: number;
  x: number;
  y: number;
  width: number;
}

/** Neighbours in a row that are too narrow to be drawn one by one. */
interface Strip {
  x: number;
  y: number;
  right: number;
}

const ROW = 19;
const FONT = "12px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace";
const LETTER = 7.25;
const LEAST = 1; // pixels: what is narrower is drawn together with its neighbours, and told apart by whoever zooms in
const STRIP_GAP = 0.75; // pixels between strips of such that are drawn as one
const STRIP_LEAST = 0.4; // pixels of a strip that is drawn
const STRIP = "several, each too narrow to show: zoom in";
const TEXT_FROM = 32;
const SKIPS = 8; // entries that are skipped one by one before the next one to draw is looked for

export class Flame {
  readonly canvas: HTMLCanvasElement;
  cursor = 0;
  zoomed = 0;
  private readonly context: CanvasRenderingContext2D;
  private top = 0; // pixels scrolled
  private from = 0; // what is between the edges, in the tree's time
  private to = 1;
  private boxes: Box[] = [];
  private strips: Strip[] = [];
  private scheduled = false;
  private hovered = -1;

  onHover: (entry: number, x: number, y: number) => void = () => {};
  onChoose: (entry: number) => void = () => {};
  onZoom: (entry: number) => void = () => {};

  constructor(
    public tree: Tree,
    private readonly look: FlameLook,
    /** The root is at the bottom, what called it above. */
    private readonly upwards: boolean,
    label: string,
  ) {
    this.canvas = document.createElement("canvas");
    this.canvas.className = "flame";
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "application");
    this.canvas.setAttribute("aria-roledescription", "flame graph");
    this.canvas.setAttribute("aria-label", label);
    this.context = this.canvas.getContext("2d", { alpha: false })!;
    this.canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.canvas.addEventListener("pointerdown", (event) => this.press(event));
    this.canvas.addEventListener("pointermove", (event) => this.move(event));
    this.canvas.addEventListener("pointerleave", () => this.hover(-1, 0, 0));
    this.canvas.addEventListener("dblclick", (event) => {
      const entry = this.at(event.offsetX, event.offsetY);
      if (entry >= 0) this.onZoom(entry);
    });
    this.canvas.addEventListener("keydown", (event) => {
      if (this.key(event)) {
        event.preventDefault();
        event.stopPropagation();
      }
    });
    new ResizeObserver(() => this.draw()).observe(this.canvas);
    this.setTree(tree);
  }

  setTree(tree: Tree): void {
    this.tree = tree;
    this.cursor = this.zoomed = 0;
    this.top = 0;
    this.show(0);
  }

  /** Zoom so that ENTRY is as wide as the canvas. */
  show(entry: number): void {
    this.zoomed = entry < this.tree.count ? entry : 0;
    this.from = this.tree.start[this.zoomed]!;
    this.to = this.from + (this.tree.total[this.zoomed]! || 1);
    this.reveal(this.zoomed);
    this.draw();
  }

  /** The entry of the trie's node ORIGIN; 0 if it is not there. */
  entryOf(origin: number): number {
    const found = origin ? this.tree.origin.indexOf(origin) : 0;
    return found < 0 ? 0 : found;
  }

  draw(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      this.paint();
    });
  }

  get rows(): number {
    return this.tree.deepest + 1;
  }

  private get width(): number {
    return this.canvas.clientWidth;
  }
  private get height(): number {
    return this.canvas.clientHeight;
  }

  private mostScroll(): number {
    return Math.max(0, this.rows * ROW - this.height);
  }

  /** Bring the row of ENTRY into the viewport. */
  private reveal(entry: number): void {
    const at = this.tree.depth[entry]! * ROW;
    if (at < this.top + ROW) this.top = Math.max(0, at - 2 * ROW);
    else if (this.height > 0 && at + 2 * ROW > this.top + this.height) this.top = at + 3 * ROW - this.height;
    this.top = Math.max(0, Math.min(this.top, Math.max(this.mostScroll(), this.height > 0 ? 0 : at)));
  }

  /** The boxes in the viewport, in preorder. */
  private cull(): Box[] {
    const { tree, from, to, width, height, upwards } = this; // asking the canvas for its size is slow
    const { start, total, depth, end } = tree;
    const scale = width / (to - from);
    const least = LEAST / scale;
    const firstRow = Math.floor(this.top / ROW);
    const lastRow = Math.ceil((this.top + height) / ROW);
    const rowTop = (row: number): number => (upwards ? height - (row + 1) * ROW + this.top : row * ROW - this.top);
    const boxes: Box[] = [];
    const strips: Strip[] = [];
    const open: (Strip | undefined)[] = []; // the last one of each row in the viewport
    let skipped = 0; // in a row
    for (let i = 0; i < tree.count; ) {
      const begin = start[i]!;
      if (begin > to) break; // and so do all that follow
      const past = begin + total[i]! < from;
      if (past || total[i]! < least || depth[i]! > lastRow) {
        const far = ++skipped >= SKIPS; // look for the next place that shows
        const row = depth[i]! - firstRow;
        if (!past && row >= 0 && depth[i]! <= lastRow) {
          const above = tree.parent[i]!;
          const until = far ? Math.min(begin + least, start[above]! + total[above]!) : begin + total[i]!;
          const [x, right] = [Math.max(0, (begin - from) * scale), Math.min(width, (until - from) * scale)];
          const last = open[row];
          if (last && x - last.right < STRIP_GAP) last.right = Math.max(last.right, right);
          else strips.push((open[row] = { x, y: rowTop(depth[i]!), right }));
        }
        i = far ? this.after(i, Math.max(from, begin + least)) : end[i]!;
        continue;
      }
      skipped = 0;
      if (depth[i]! >= firstRow) {
        const x = (begin - from) * scale;
        const left = Math.max(0, x);
        boxes.push({ entry: i, x: left, y: rowTop(depth[i]!), width: Math.min(width, x + total[i]! * scale) - left });
        open[depth[i]! - firstRow] = undefined;
      }
      i++;
    }
    this.strips = strips.filter((strip) => strip.right - strip.x >= STRIP_LEAST);
    return boxes;
  }

  /** The first entry behind ENTRY, and not below it, that does not end before TIME. In preorder no entry begins before the one that it follows. */
  private after(entry: number, time: number): number {
    const { start, total, parent, end, count } = this.tree;
    const first = end[entry]!;
    let [low, high] = [first, count]; // the first that begins at TIME or later
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (start[middle]! < time) low = middle + 1;
      else high = middle;
    }
    let found = low; // or what it is in, or what ends behind TIME before it
    for (let at = low - 1; at >= first; at = parent[at]!) if (start[at]! + total[at]! >= time) found = at;
    return found;
  }

  private paint(): void {
    const ratio = window.devicePixelRatio || 1;
    const { context, canvas, width: shownWidth, height: shownHeight } = this;
    if (shownWidth === 0 || shownHeight === 0) return;
    const [width, height] = [Math.round(shownWidth * ratio), Math.round(shownHeight * ratio)];
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    this.top = Math.max(0, Math.min(this.top, this.mostScroll()));
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = css("--panel");
    context.fillRect(0, 0, shownWidth, shownHeight);
    this.boxes = this.cull();
    this.fill();
    this.write();
    this.underline();
    this.outline(this.cursor, css("--ink"), 2);
    if (this.hovered >= 0) this.outline(this.hovered, css("--ink"), 1);
  }

  private fill(): void {
    const searching = this.look.searching();
    const { context, tree } = this;
    const groups = new Map<string, Box[]>(); // a change of colour is what is slow
    for (const box of this.boxes) {
      const key = tree.key[box.entry]!;
      let color = box.entry === 0 ? css("--root") : this.look.color(key, box.entry);
      if (searching) color = box.entry !== 0 && this.look.isMatch(key) ? css("--match") : `${color}|faded`;
      const group = groups.get(color);
      if (group) group.push(box);
      else groups.set(color, [box]);
    }
    context.fillStyle = css("--special");
    for (const { x, y, right } of this.strips) context.fillRect(x, y, Math.max(right - x - 1, 0.5), ROW - 1);
    for (const [color, boxes] of groups) {
      const [plain, faded] = color.split("|");
      context.globalAlpha = faded ? 0.35 : 1;
      context.fillStyle = plain!;
      for (const box of boxes) context.fillRect(box.x, box.y, Math.max(box.width - 1, 0.5), ROW - 1);
    }
    context.globalAlpha = 1;
  }

  private write(): void {
    const { context, tree } = this;
    context.font = FONT;
    context.textBaseline = "middle";
    context.fillStyle = css("--on-frame");
    for (const box of this.boxes) {
      if (box.width < TEXT_FROM) continue;
      context.fillText(this.fitted(this.look.name(tree.key[box.entry]!, box.entry), box.width), box.x + 4, box.y + ROW / 2);
    }
  }

  private underline(): void {
    this.context.fillStyle = css("--ink");
    for (const box of this.boxes)
      if (box.entry !== 0 && this.look.isChosen(this.tree.key[box.entry]!))
        this.context.fillRect(box.x, box.y + ROW - 3, Math.max(box.width - 1, 1), 2); // below the underscores
  }

  private outline(entry: number, color: string, line: number): void {
    const box = this.boxes.find((it) => it.entry === entry);
    if (!box || (entry === 0 && document.activeElement !== this.canvas)) return;
    this.context.strokeStyle = color;
    this.context.lineWidth = line;
    this.context.strokeRect(box.x + 1, box.y + 1, Math.max(box.width - 3, 1), ROW - 3);
  }

  /** What is zoomed into, and all below it, whether it fits the viewport or not. */
  below(): number[] {
    return Array.from({ length: this.tree.end[this.zoomed]! - this.zoomed }, (_, i) => this.zoomed + i);
  }

  /** The picture in the viewport as SVG. */
  svg(): Drawing {
    const { width, height, tree } = this;
    const searching = this.look.searching();
    const boxes = this.cull();
    const strips = this.strips.map(({ x, y, right }) => {
      const [left, top, wide] = [x, y, Math.max(right - x - 1, 0.5)].map((it) => it.toFixed(2));
      return `<g><title>${STRIP}</title><rect x="${left}" y="${top}" width="${wide}" height="${ROW - 1}" fill="${css("--special")}"/></g>`;
    });
    const shapes = boxes.map((box) => {
      const key = tree.key[box.entry]!;
      const match = box.entry !== 0 && this.look.isMatch(key);
      const color = box.entry === 0 ? css("--root") : searching && match ? css("--match") : this.look.color(key, box.entry);
      const opacity = searching && !match ? ' opacity="0.35"' : "";
      const [x, y, wide] = [box.x, box.y, Math.max(box.width - 1, 0.5)].map((it) => it.toFixed(2));
      const name = this.look.name(key, box.entry);
      const text = box.width < TEXT_FROM ? "" : `<text x="${(box.x + 4).toFixed(2)}" y="${(box.y + ROW / 2 + 4).toFixed(2)}">${escaped(this.fitted(name, box.width))}</text>`;
      return `<g><title>${escaped(name)}</title><rect x="${x}" y="${y}" width="${wide}" height="${ROW - 1}" fill="${color}"${opacity}/>${text}</g>`;
    });
    const style = `<style>text { font: ${FONT}; fill: ${css("--on-frame")}; }</style>`;
    return { width, height, body: `${style}<rect width="${width}" height="${height}" fill="${css("--panel")}"/>${[...shapes, ...strips].join("\n")}` };
  }

  private fitted(text: string, width: number): string {
    const room = Math.floor((width - 8) / LETTER);
    return text.length <= room ? text : `${text.slice(0, Math.max(room - 1, 1))}…`;
  }

  /** The entry drawn at a place; -1: none. */
  at(x: number, y: number): number {
    for (const box of this.boxes)
      if (y >= box.y && y < box.y + ROW && x >= box.x && x < box.x + Math.max(box.width, 1)) return box.entry;
    return -1;
  }

  // -- mouse --

  private hover(entry: number, x: number, y: number): void {
    if (entry !== this.hovered) {
      this.hovered = entry;
      this.draw();
    }
    this.onHover(entry, x, y);
  }

  private dragged: { x: number; y: number; from: number; to: number; top: number; moved: boolean } | null = null;

  private press(event: PointerEvent): void {
    this.canvas.focus();
    this.canvas.setPointerCapture(event.pointerId);
    this.dragged = { x: event.offsetX, y: event.offsetY, from: this.from, to: this.to, top: this.top, moved: false };
    const release = (up: PointerEvent): void => {
      const moved = this.dragged?.moved;
      this.dragged = null;
      this.canvas.removeEventListener("pointerup", release);
      if (!moved) this.choose(this.at(up.offsetX, up.offsetY));
    };
    this.canvas.addEventListener("pointerup", release);
  }

  private move(event: PointerEvent): void {
    const drag = this.dragged;
    if (!drag) {
      this.hover(this.at(event.offsetX, event.offsetY), event.offsetX, event.offsetY);
      return;
    }
    const [dx, dy] = [event.offsetX - drag.x, event.offsetY - drag.y];
    if (Math.abs(dx) + Math.abs(dy) > 4) drag.moved = true;
    if (!drag.moved) return;
    const step = ((drag.to - drag.from) / this.width) * dx;
    this.pan(drag.from - step, drag.to - step);
    this.top = drag.top + (this.upwards ? dy : -dy);
    this.draw();
  }

  /** Not beyond the edges of the tree. */
  private pan(from: number, to: number): void {
    const all = this.tree.total[0]! || 1;
    const span = Math.min(to - from, all);
    this.from = Math.max(0, Math.min(from, all - span));
    this.to = this.from + span;
  }

  private wheel(event: WheelEvent): void {
    if (event.ctrlKey || event.metaKey || event.shiftKey) {
      event.preventDefault();
      const at = this.from + ((this.to - this.from) * event.offsetX) / this.width;
      this.scaleAround(at, Math.exp((event.deltaY || event.deltaX) * 0.002));
      return;
    }
    const before = this.top;
    this.top = Math.max(0, Math.min(this.mostScroll(), this.top + (this.upwards ? -event.deltaY : event.deltaY)));
    if (event.deltaX) {
      const step = ((this.to - this.from) / this.width) * event.deltaX;
      this.pan(this.from + step, this.to + step);
    }
    if (this.top !== before || event.deltaX) event.preventDefault();
    this.draw();
  }

  private scaleAround(at: number, factor: number): void {
    const least = (this.tree.total[0]! || 1) / 1e9;
    const span = Math.max(least, (this.to - this.from) * factor);
    const share = (at - this.from) / (this.to - this.from);
    this.pan(at - span * share, at + span * (1 - share));
    this.draw();
  }

  private choose(entry: number): void {
    if (entry < 0) return;
    this.cursor = entry;
    this.draw();
    this.onChoose(entry);
  }

  // -- keyboard: parent, child and siblings by the arrows --

  private key(event: KeyboardEvent): boolean {
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    const [inwards, outwards] = this.upwards ? ["ArrowUp", "ArrowDown"] : ["ArrowDown", "ArrowUp"];
    switch (event.key) {
      case inwards:
        return this.go(this.cursor + 1 < this.tree.end[this.cursor]! ? this.cursor + 1 : this.cursor);
      case outwards:
        return this.go(this.tree.parent[this.cursor]!);
      case "ArrowRight":
        return this.go(this.sibling(1));
      case "ArrowLeft":
        return this.go(this.sibling(-1));
      case "Home":
        return this.go(0);
      case "Enter":
        this.onZoom(this.cursor);
        return true;
      case "+":
      case "=":
      case "-":
        this.scaleAround((this.from + this.to) / 2, event.key === "-" ? 1.5 : 1 / 1.5);
        return true;
      default:
        return false;
    }
  }

  private sibling(step: number): number {
    const { tree, cursor } = this;
    if (cursor === 0) return 0;
    if (step > 0) {
      const next = tree.end[cursor]!;
      return next < tree.end[tree.parent[cursor]!]! ? next : cursor;
    }
    let previous = cursor;
    for (let at = tree.parent[cursor]! + 1; at < cursor; at = tree.end[at]!) previous = at;
    return previous;
  }

  private go(entry: number): true {
    this.reveal(entry);
    const begin = this.tree.start[entry]!;
    const end = begin + this.tree.total[entry]!;
    if (end < this.from || begin > this.to || end - begin > this.to - this.from) {
      const span = Math.max(this.to - this.from, end - begin);
      this.pan(begin, begin + span);
    }
    this.choose(entry);
    return true;
  }
}
