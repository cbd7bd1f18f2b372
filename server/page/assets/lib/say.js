// Words for those who hear the page instead of seeing it.

let last = 0;

// say reads something out once.
export function say(words) {
  last = Date.now();
  document.getElementById("said").textContent = words;
}

// sayProgress is say for what changes all the time: at most every ten seconds.
export function sayProgress(words) {
  if (Date.now() - last > 10_000) say(words);
}
