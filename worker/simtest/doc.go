// Package simtest has whole fleets live through hours of trouble in milliseconds: the
// code of worker and cohort as it is, over a queue and a store in memory, under a
// virtual clock.
//
// In: a seed. Out: test failures, with the seed and what had happened up to there.
// Nothing is stubbed but what looks at slides (it waits and returns rows that follow
// from the slide), the queue (queuetest.Memory, which misbehaves within what package
// queue promises) and the store (blobtest.Memory behind links that lag, break and lose
// answers).
//
//	plan_test.go    what a seed means: slides, cohorts, events
//	slide_test.go   slides, what is to be found on them, and who looks
//	link_test.go    a process' way to queue and store; it is cut, or the process killed
//	fleet_test.go   servers and workers come and go; clients submit
//	check_test.go   what must hold after each event, and in the end
//	sim_test.go     the seeds
//
// Everything is drawn from the seed but three things: the order in which goroutines
// that are due at the same nanosecond run, the identities of cohorts, and the jitter
// of pauses before another attempt. So a seed that fails may have to be run some times
// (-count) before it fails again; nearly all waits have lengths of their own, so it is
// not often.
package simtest
