// Files out of what was dropped or picked, folders walked through.

// What a server may take; all else in a folder is left out and counted.
const slides = /\.(tiff?|svs|ndpi|scn|mrxs|bif|png|jpe?g)$/i;

// fromPicker returns { files, skipped } of an input's files.
export function fromPicker(list) {
  return sift([...list]);
}

// fromDrop does so of a drop. It must be called while the drop is handled: the
// browser takes its entries away afterwards.
export function fromDrop(transfer) {
  const entries = [...transfer.items].filter((i) => i.kind === "file").map((i) => i.webkitGetAsEntry?.() ?? i.getAsFile());
  return Promise.all(entries.map(walk)).then((lists) => sift(lists.flat()));
}

function sift(files) {
  const wanted = files.filter((f) => slides.test(f.name));
  return { files: wanted, skipped: files.length - wanted.length };
}

async function walk(entry) {
  if (!entry || entry instanceof File) return entry ? [entry] : [];
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader();
  const found = [];
  for (;;) { // a reader gives a hundred at a time
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) break;
    found.push(...some);
  }
  found.sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
  return (await Promise.all(found.map(walk))).flat();
}
