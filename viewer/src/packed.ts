// What stands in the page as text: packed in pieces, 7 bits of these as a character (src/view/pack.c, tools/page).

const BITS = 7;
/** What is no character of its own: U+0100 and what follows stand for these, and for 7 bits more. */
const UNSAFE = [0x00, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x1a, 0x1b, 0x20, 0x26, 0x3c, 0x5c, 0x7f];
const FIRST_UNSAFE = 2;

/** The bytes, and perhaps a zero after them. */
export function unpack(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(Math.ceil((text.length * 2 * BITS) / 8));
  let [bits, count, made] = [0, 0, 0];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >> BITS) {
      bits |= (UNSAFE[(code >> BITS) - FIRST_UNSAFE]! | ((code & 127) << BITS)) << count;
      count += 2 * BITS;
    } else {
      bits |= code << count;
      count += BITS;
    }
    for (; count >= 8; count -= 8, bits >>>= 8) bytes[made++] = bits;
  }
  return bytes.subarray(0, made);
}

/** The pieces that they hold: how many there are, the size of each, and they. */
export function pieces(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>[] {
  const numbers = new DataView(bytes.buffer, bytes.byteOffset);
  const count = numbers.getUint32(0, true);
  let from = 4 * (1 + count);
  return Array.from({ length: count }, (_, i) => bytes.subarray(from, (from += numbers.getUint32(4 * (1 + i), true))));
}

/** The element ID, once the browser has read to its end: that is when another one follows it, or nothing more comes. Whoever waits by a timer waits
 *  longer, since a browser that is loading lets timers wait. */
function whole(id: string): Promise<Element> {
  return new Promise((resolve, reject) => {
    const look = (): boolean => {
      const element = document.getElementById(id);
      const ended = document.readyState !== "loading";
      if (element && (element.nextElementSibling || ended)) resolve(element);
      else if (ended) reject(new Error(`there is no ${id} in it`));
      else return false;
      observer.disconnect();
      return true;
    };
    const observer = new MutationObserver(look);
    if (look()) return;
    observer.observe(document, { childList: true, subtree: true });
    document.addEventListener("readystatechange", look);
  });
}

async function inflated(packed: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer> {
  const stream = new DecompressionStream("deflate");
  const writer = stream.writable.getWriter();
  const written = writer.write(packed).then(() => writer.close());
  const [opened] = await Promise.all([new Response(stream.readable).arrayBuffer(), written]);
  return opened;
}

/** What is packed in the element ID of the page, which is not needed any more then. */
export async function open(id: string): Promise<ArrayBuffer> {
  const element = await whole(id);
  const bytes = unpack(element.textContent!);
  element.remove();
  const opened = await Promise.all(pieces(bytes).map(inflated));
  return opened.length === 1 ? opened[0]! : new Blob(opened).arrayBuffer();
}
