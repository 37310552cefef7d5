import { expect, test } from "vitest";

import { pieces, unpack } from "../src/packed";

const UNSAFE = [0, 8, 9, 10, 11, 12, 13, 26, 27, 32, 38, 60, 92, 127];

/** As src/view/pack.c writes them. */
function text(bytes: number[]): string {
  let bits = bytes.reduceRight((all, byte) => (all << 8n) | BigInt(byte), 0n);
  let made = "";
  for (let left = 8 * bytes.length; left > 0; left -= 7, bits >>= 7n) {
    let code = Number(bits & 127n);
    if (UNSAFE.includes(code)) {
      bits >>= 7n;
      left -= 7;
      code = ((UNSAFE.indexOf(code) + 2) << 7) | Number(bits & 127n);
    }
    made += String.fromCharCode(code);
  }
  return made;
}

test("bytes are what they were, of any number", () => {
  for (let size = 0; size < 60; size++) {
    const bytes = Array.from({ length: size }, (_, i) => (i * 151 + size * 37) & 255);
    const found = [...unpack(text(bytes))];
    expect(found.slice(0, size)).toEqual(bytes);
    expect(found.slice(size).every((it) => it === 0)).toBe(true);
    expect(found.length).toBeLessThan(size + 2);
  }
});

test("pieces are as long as is said before them", () => {
  const bytes = [2, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 7, 8, 9, 255];
  expect(pieces(unpack(text(bytes))).map((it) => [...it])).toEqual([[7, 8, 9], [255]]);
  expect(pieces(unpack(text([0, 0, 0, 0])))).toEqual([]);
});
