// Writes a PNG of 224x224 that looks like stained tissue, with nothing but Node.
import { writeFileSync } from "node:fs";
import * as zlib from "node:zlib";

const px = 224;
const rows = Buffer.alloc(px * (3 * px + 1));
for (let y = 0; y < px; y++)
  for (let x = 0; x < px; x++) {
    const dark = ((x * 7) ^ (y * 13)) % 23 < 6 ? 70 : 0;
    rows.set([200 - dark, 120 - dark, 190 - dark / 2], y * (3 * px + 1) + 1 + 3 * x);
  }
const chunk = (type, data) => {
  const body = Buffer.concat([Buffer.from(type), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc(body), body.length + 4);
  return out;
};
function crc(data) {
  if (zlib.crc32) return zlib.crc32(data); // Node 20.15 and later
  let c = ~0;
  for (const b of data) {
    c ^= b;
    for (let k = 0; k < 8; k++) c = (c >>> 1) ^ (c & 1 ? 0xedb88320 : 0);
  }
  return ~c >>> 0;
}
const head = Buffer.alloc(13);
head.writeUInt32BE(px, 0);
head.writeUInt32BE(px, 4);
head.set([8, 2], 8); // 8 bits, RGB
writeFileSync(process.argv[2], Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), chunk("IHDR", head), chunk("IDAT", zlib.deflateSync(rows)), chunk("IEND", Buffer.alloc(0))]));
