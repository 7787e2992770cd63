package main

import (
	"slices"
	"time"
)

// report is the result of a load. Durations are in seconds.
type report struct {
	// Rate is the number of calls per second that succeeded, by the time at which they ended.
	Rate float64 `json:"rate"`
	// SentRate is the number of calls per second that were sent.
	SentRate float64 `json:"sent_rate"`
	// Ended is the number of calls that ended in the window.
	Ended int `json:"ended"`
	// Statuses describes the calls that were sent in the window.
	Statuses map[string]statusReport `json:"statuses"`
	// LagP99 and LagMax are how long after their due time calls were sent.
	LagP99 float64 `json:"lag_p99"`
	LagMax float64 `json:"lag_max"`
	// ClientCPU is the CPU time of this program per call.
	ClientCPU float64 `json:"client_cpu"`
	// ResponseBytes is the mean size of a successful response.
	ResponseBytes float64 `json:"response_bytes"`
}

type statusReport struct {
	Calls int     `json:"calls"`
	P50   float64 `json:"p50"`
	P99   float64 `json:"p99"`
	Max   float64 `json:"max"`
	// Message is the status message of one of the calls.
	Message string `json:"message"`
}

// newReport describes the calls of a window, in which the program used the given CPU time.
func newReport(calls []call, from, until time.Time, used time.Duration) report {
	made := report{Statuses: map[string]statusReport{}}
	seconds := until.Sub(from).Seconds()
	durations, messages := map[string][]time.Duration{}, map[string]string{}
	var lags []time.Duration
	succeeded, size := 0, 0
	for _, each := range calls {
		endedAt := each.sentAt.Add(each.duration)
		if !endedAt.Before(from) && endedAt.Before(until) {
			made.Ended++
			if each.status == "OK" {
				succeeded++
				size += each.bytes
			}
		}
		if !each.sentAt.Before(from) && each.sentAt.Before(until) {
			durations[each.status] = append(durations[each.status], each.duration)
			messages[each.status] = each.message
			lags = append(lags, each.lag)
		}
	}
	made.Rate, made.SentRate = float64(succeeded)/seconds, float64(len(lags))/seconds
	made.ResponseBytes = float64(size) / float64(max(succeeded, 1))
	made.ClientCPU = used.Seconds() / float64(max(made.Ended, 1))
	_, made.LagP99, made.LagMax = percentiles(lags)
	for status, each := range durations {
		p50, p99, slowest := percentiles(each)
		made.Statuses[status] = statusReport{len(each), p50, p99, slowest, messages[status]}
	}
	return made
}

// percentiles returns the median, the 99th percentile and the maximum in seconds, all 0 if there are no durations.
func percentiles(durations []time.Duration) (p50, p99, slowest float64) {
	if len(durations) == 0 {
		return 0, 0, 0
	}
	slices.Sort(durations)
	last := len(durations) - 1
	return durations[last/2].Seconds(), durations[last*99/100].Seconds(), durations[last].Seconds()
}
