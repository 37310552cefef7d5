// What stands in the page as text: gzipped, and 13 bits of that in two of 91 printable characters (src/view/page.c, tools/page).

const DIGITS = 91;
const PAIR_BITS = 13;
const DIGIT_BITS = 6;

/** The digit that each character stands for: all that are printed but the space, &, < and \\. */
function digits(): Uint8Array {
  const all = new Uint8Array(128);
  let digit = 0;
  for (let code = 0x21; code < 0x7f; code++) if (!"&<\\".includes(String.fromCharCode(code))) all[code] = digit++;
  return all;
}

export function unpack(text: string): Uint8Array<ArrayBuffer> {
  const from = digits();
  const pairs = text.length >> 1;
  const bytes = new Uint8Array((pairs * PAIR_BITS + (text.length % 2) * DIGIT_BITS) >> 3);
  let [bits, count, made] = [0, 0, 0];
  for (let i = 0; i < text.length; i += 2) {
    const last = i + 1 === text.length;
    bits |= (from[text.charCodeAt(i) & 127]! + (last ? 0 : from[text.charCodeAt(i + 1) & 127]! * DIGITS)) << count;
    count += last ? DIGIT_BITS : PAIR_BITS;
    for (; count >= 8; count -= 8, bits >>>= 8) bytes[made++] = bits;
  }
  return bytes;
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

/** What is packed in the element ID of the page, which is not needed any more then. */
export async function open(id: string): Promise<ArrayBuffer> {
  const element = await whole(id);
  const bytes = unpack(element.textContent!.trim());
  element.remove();
  const stream = new DecompressionStream("gzip");
  const writer = stream.writable.getWriter();
  const written = writer.write(bytes).then(() => writer.close());
  const [opened] = await Promise.all([new Response(stream.readable).arrayBuffer(), written]);
  return opened;
}
