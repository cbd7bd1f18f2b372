package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// A native histogram's buckets grow by a tenth, so a quantile is within some 5 %; it
// has at most so many of them, and where values are spread wider it makes them coarser:
// the memory of a series is bounded whatever is observed.
const (
	nativeGrowth  = 1.1
	nativeBuckets = 100
	nativeReset   = time.Hour // of a histogram that had to become coarser, at the earliest
)

// Histogram returns the options of a histogram with those buckets that is also a
// native one. Which of both is sent depends on what the scraper asks for: fixed
// buckets to all, native ones to a Prometheus that reads them.
func Histogram(name, help string, buckets []float64) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{
		Name: name, Help: help, Buckets: buckets,
		NativeHistogramBucketFactor:     nativeGrowth,
		NativeHistogramMaxBucketNumber:  nativeBuckets,
		NativeHistogramMinResetDuration: nativeReset,
	}
}
