// Figures over scored slides: { score, label } with label 1 (BCC) or 0.

// roc returns the points of the curve from (0,0) to (1,1): { x: 1−specificity,
// y: sensitivity, threshold }, one for each different score. null where one class is missing.
export function roc(slides) {
  const sorted = slides.toSorted((a, b) => b.score - a.score);
  const positives = sorted.filter((s) => s.label === 1).length;
  const negatives = sorted.length - positives;
  if (!positives || !negatives) return null;
  const points = [{ x: 0, y: 0, threshold: Infinity }];
  let hits = 0, alarms = 0;
  sorted.forEach((s, i) => {
    if (s.label === 1) hits++;
    else alarms++;
    if (sorted[i + 1]?.score !== s.score) points.push({ x: alarms / negatives, y: hits / positives, threshold: s.score });
  });
  return points;
}

// auroc is the area under roc's points; equal scores count half.
export function auroc(points) {
  let area = 0;
  for (let i = 1; i < points.length; i++) area += (points[i].x - points[i - 1].x) * (points[i].y + points[i - 1].y) / 2;
  return area;
}

// at counts what a threshold does: a score at or above it is called BCC.
export function at(slides, threshold) {
  const c = { called: 0, hits: 0, misses: 0, alarms: 0, rests: 0 };
  for (const s of slides) {
    const called = s.score >= threshold;
    if (called) c.called++;
    if (s.label === 1) c[called ? "hits" : "misses"]++;
    if (s.label === 0) c[called ? "alarms" : "rests"]++;
  }
  return c;
}

// wilson is the 95 % interval of k out of n (Wilson 1927).
export function wilson(k, n) {
  const z = 1.959964, p = k / n, d = 1 + z * z / n;
  const mid = (p + z * z / (2 * n)) / d, half = z * Math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / d;
  return [Math.max(0, mid - half), Math.min(1, mid + half)];
}

// histogram counts values from 0 to 1 in bins of equal width; 1 falls into the last.
export function histogram(values, bins) {
  const counts = new Array(bins).fill(0);
  for (const v of values) counts[Math.min(bins - 1, Math.max(0, Math.floor(v * bins)))]++;
  return counts;
}
