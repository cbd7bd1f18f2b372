// Package queue keeps jobs until they are done: on NATS JetStream, inside this
// process or on a cluster elsewhere.
//
// In: jobs, each a name, a lane and bytes. Out: leases, one at a time to whoever
// asks; a lease that is not beaten goes to another. Beside the jobs it carries
// words to whoever listens at the moment (Tell, Listen), which may be lost. It does
// not know what a job means.
package queue
