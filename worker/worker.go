// Package worker takes jobs from the queue and gives them their meaning: it opens
// the slide, walks it with detect, keeps the results in the store, and says how it
// ended. It also looks at small pictures at once, for clients that wait.
package worker
