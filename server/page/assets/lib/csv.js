// Comma-separated values, RFC 4180.

// parse returns the rows of a text as arrays of cells. Semicolons and tabs are taken
// too where the first line has them and no comma: spreadsheets write those.
export function parse(text) {
  text = text.replace(/^\uFEFF/, "");
  const head = text.slice(0, (text + "\n").search(/[\r\n]/));
  const sep = head.includes(",") ? "," : head.includes(";") ? ";" : "\t";
  const rows = [];
  let row = [], cell = "", quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (quoted) {
      if (c !== '"') cell += c;
      else if (text[i + 1] === '"') { cell += c; i++; }
      else quoted = false;
    } else if (c === '"' && cell === "") quoted = true;
    else if (c === sep) { row.push(cell); cell = ""; }
    else if (c === "\n" || c === "\r") {
      if (c === "\r" && text[i + 1] === "\n") i++;
      row.push(cell);
      if (row.length > 1 || cell !== "") rows.push(row);
      row = [];
      cell = "";
    } else cell += c;
  }
  row.push(cell);
  if (row.length > 1 || cell !== "") rows.push(row);
  return rows;
}

// write is the reverse. A cell that a spreadsheet would take for a formula gets an
// apostrophe before it; numbers are left alone.
export function write(rows) {
  const cell = (v) => {
    if (v === undefined || v === null) return "";
    let t = String(v);
    if (typeof v !== "number" && /^[=+\-@\t\r]/.test(t)) t = "'" + t;
    return /[",\r\n]/.test(t) ? `"${t.replaceAll('"', '""')}"` : t;
  };
  return rows.map((r) => r.map(cell).join(",")).join("\r\n") + "\r\n";
}
