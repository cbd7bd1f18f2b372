// Numbers as people read them. null and undefined are a dash.

const none = "–";
const given = (v) => v !== undefined && v !== null && v !== "" && Number.isFinite(Number(v));
const whole = new Intl.NumberFormat("en");
const day = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
const hour = new Intl.DateTimeFormat("en-GB", { timeStyle: "short" });

export const count = (v) => (given(v) ? whole.format(Math.round(v)) : none);

export const plural = (n, one, many = one + "s") => `${count(n)} ${n === 1 ? one : many}`;

// Probabilities have two places on a page.
export const prob = (v) => (given(v) ? Number(v).toFixed(2) : none);

export function fixed(v, places) {
  return given(v) ? Number(v).toFixed(places) : none;
}

export function bytes(v) {
  if (!given(v)) return none;
  const units = ["B", "kB", "MB", "GB", "TB"];
  let i = 0;
  for (v = Number(v); v >= 1000 && i < units.length - 1; i++) v /= 1000;
  return `${i === 0 || v >= 100 ? Math.round(v) : v.toFixed(1)} ${units[i]}`;
}

// dollars has two digits that count, as bcc status: slides cost fractions of a cent.
export function dollars(v) {
  if (!given(v)) return none;
  let digits = 2;
  for (let x = Number(v); x > 0 && x < 0.095 && digits < 6; x *= 10) digits++;
  return `$${Number(v).toFixed(digits)}`;
}

// span is a length of time given in seconds.
export function span(seconds) {
  if (!given(seconds)) return none;
  const v = Math.max(0, Number(seconds));
  if (v < 9.95) return `${v.toFixed(1)} s`;
  if (v < 99.5) return `${Math.round(v)} s`;
  if (v < 5970) return `${Math.round(v / 60)} min`;
  if (v < 172_000) return `${(v / 3600).toFixed(v < 36_000 ? 1 : 0)} h`;
  return `${Math.round(v / 86_400)} days`;
}

// when is a moment given as RFC 3339 text: the hour today, else with its day.
export function when(t) {
  if (!t) return none;
  const d = new Date(t);
  if (Number.isNaN(d.getTime())) return none;
  return d.toDateString() === new Date().toDateString() ? hour.format(d) : day.format(d);
}

// length is a distance given in µm.
export function length(um) {
  return um >= 1000 ? `${um / 1000} mm` : `${um} µm`;
}
