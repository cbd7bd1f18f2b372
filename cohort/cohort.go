// Package cohort keeps account of submitted slides: what was asked for, how far it
// is, how each ended. Submitted = pending + running + done + failed + quarantined +
// cancelled, at any moment and after any crash.
//
// In: manifests, and words from workers. Out: jobs on the queue, status, events.
// The truth lies in the store (manifest.json and one end a slide); what is kept in
// memory is read from there, and told on by events meanwhile.
package cohort
