// Colours of frames. Whose code it is says the family, which file the shade; the text beside says it again.

import type { Profile } from "./model";
import type { ColorBy } from "./state";

function hash(text: string): number {
  let value = 2166136261;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 16777619);
  return (value ^ (value >>> 13)) >>> 0;
}

export type Family = "own" | "library" | "c" | "special";

export function familyOf(profile: Profile, fn: number): Family {
  if (profile.isC(fn)) return "c";
  if (!profile.isPython(fn)) return "special";
  return profile.isLibrary(fn) ? "library" : "own";
}

export const FAMILY_WORDS: Record<Family, string> = {
  own: "own code",
  library: "library",
  c: "C function",
  special: "no Python function",
};

/** [hue from, hue to, saturation, lightness in the light, lightness in the dark] */
const FAMILIES: Record<Family, [number, number, number, number, number]> = {
  own: [14, 46, 88, 68, 31],
  library: [190, 235, 45, 76, 32],
  c: [270, 320, 40, 78, 36],
  special: [90, 120, 8, 82, 34],
};

/** What a function belongs to, where colours tell that apart: its file, or the folder at the head of its path. */
function belongsTo(profile: Profile, fn: number, by: ColorBy): string {
  const file = profile.shownFile(profile.fileOf(fn));
  const slash = file.indexOf("/", 1);
  return by === "module" && slash > 0 ? file.slice(0, slash) : file;
}

export class Palette {
  private readonly known = new Map<number, string>();
  constructor(
    private readonly profile: Profile,
    private readonly dark: boolean,
    private readonly by: ColorBy = "code",
  ) {}

  of(fn: number): string {
    let color = this.known.get(fn);
    if (!color && this.by !== "code" && this.profile.isPython(fn) && this.profile.shownFile(this.profile.fileOf(fn))) {
      const hue = hash(belongsTo(this.profile, fn, this.by)) % 360;
      this.known.set(fn, (color = `hsl(${hue} 60% ${this.dark ? 33 : 74}%)`));
    }
    if (!color) {
      const [from, to, saturation, light, dark] = FAMILIES[familyOf(this.profile, fn)];
      const where = this.profile.isPython(fn) ? this.profile.shownFile(this.profile.fileOf(fn)) : this.profile.nameOf(fn);
      const seed = hash(where);
      const shade = (hash(this.profile.nameOf(fn)) % 7) - 3;
      const hue = from + (seed % (to - from));
      color = `hsl(${hue} ${saturation}% ${(this.dark ? dark : light) + shade}%)`;
      this.known.set(fn, color);
    }
    return color;
  }
}

/** Red, green and blue of what ran and of what waited. */
const RAN = { light: [243, 167, 96], dark: [150, 78, 20] };
const WAITED = { light: [160, 196, 232], dark: [42, 80, 124] };

/** Of what waited for SHARE of its time: between the two, in eight steps. */
export function waitingColor(share: number, dark: boolean): string {
  const step = Math.round(Math.min(1, Math.max(0, share)) * 8) / 8;
  const theme = dark ? "dark" : "light";
  return `rgb(${RAN[theme].map((from, i) => Math.round(from + (WAITED[theme][i]! - from) * step)).join(" ")})`;
}

/** Of what took BEFORE and takes AFTER: blue is less, red is more, the deeper the more of ALL it is. */
export function changeColor(before: number, after: number, all: number, dark: boolean): string {
  const share = all > 0 ? (after - before) / all : 0;
  const strength = Math.min(1, Math.sqrt(Math.abs(share)) * 2.2);
  if (strength < 0.06) return dark ? "hsl(220 6% 30%)" : "hsl(220 10% 90%)";
  const hue = share > 0 ? 8 : 215;
  return `hsl(${hue} ${30 + 50 * strength}% ${dark ? 28 + 14 * strength : 90 - 30 * strength}%)`;
}
