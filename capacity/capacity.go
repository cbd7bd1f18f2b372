// Package capacity says what a list of slides takes: time, money, and how many machines
// of which kind.
//
// In: a Catalogue of instance types and their prices, Rates (how many patches a second a
// machine was measured to walk), the Work. Out: a Plan: what can be had for how much,
// what is advised, and how sure that is. It opens no slide, runs no model and asks
// nobody: it reckons.
//
//	catalogue.go  instance types and prices     table.go     files of both
//	rates.go      what was measured             estimate.go  what was not
//	work.go       slides and their patches      sizes.go     slides' sizes out of a table
//	share.go      how evenly n machines share them
//	plan.go       finish and cost of n of a type
//	choose.go     the frontier, and what is advised
package capacity

//go:generate sh -c "go run ./generate > catalogue.new && mv catalogue.new catalogue.csv"

// Type is a kind of machine that can be had.
type Type struct {
	Name           string
	Arch           string // GOARCH
	VCPU           int
	ThreadsPerCore int // vCPUs of a core: 2 where a vCPU is half a core
	MemoryGiB      float64
	GPUs           int
	GPU            string  // their name
	USD            float64 // an hour, on demand
	SpotUSD        float64 // an hour, spot; 0: not known
	Source, Date   string  // of the prices
}

// Cores is how many cores the type has: work that keeps the arithmetic units of a core
// busy gains little from its second thread.
func (t Type) Cores() float64 { return float64(t.VCPU) / float64(max(t.ThreadsPerCore, 1)) }
