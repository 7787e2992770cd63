package main

import (
	"context"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// minPause of the open loop, which then sends all calls that are due, so that high rates don't wake it for each call.
const minPause = 200 * time.Microsecond

// call is one call that has ended.
type call struct {
	sentAt   time.Time
	duration time.Duration
	lag      time.Duration // between the instant at which it was due and the one at which it was sent
	status   string
	message  string // of the status
	bytes    int    // size of the response
}

// load sends calls during a warm-up and then during a window, in which they are measured.
type load struct {
	connections []*grpc.ClientConn
	method      string
	requests    *requests
	metadata    metadata.MD
	deadline    time.Duration
	from, until time.Time // the window
}

func (l *load) send(n int, dueAt time.Time) call {
	request := l.requests.next()
	ctx, cancel := context.WithTimeout(metadata.NewOutgoingContext(context.Background(), l.metadata), l.deadline)
	defer cancel()
	var size int
	sentAt := time.Now()
	err := l.connections[n%len(l.connections)].Invoke(ctx, l.method, request, &size)
	done := call{sentAt: sentAt, duration: time.Since(sentAt), lag: sentAt.Sub(dueAt), status: "OK", bytes: size}
	if err != nil {
		failure := status.Convert(err)
		done.status, done.message = failure.Code().String(), failure.Message()
	}
	return done
}

// closedLoop sends calls from a number of callers, each of which waits for its response before its next call.
func (l *load) closedLoop(callers int) []call {
	done := make([][]call, callers)
	var running sync.WaitGroup
	for caller := range callers {
		running.Go(func() {
			for now := time.Now(); now.Before(l.until); now = time.Now() {
				done[caller] = append(done[caller], l.send(caller, now))
			}
		})
	}
	running.Wait()
	var all []call
	for _, each := range done {
		all = append(all, each...)
	}
	return all
}

// openLoop sends calls at a constant rate per second, without waiting for responses.
func (l *load) openLoop(rate float64) []call {
	began := time.Now()
	done := make([]call, int(l.until.Sub(began).Seconds()*rate))
	var running sync.WaitGroup
	for n := range done {
		dueAt := began.Add(time.Duration(float64(n) / rate * float64(time.Second)))
		if wait := time.Until(dueAt); wait > 0 {
			time.Sleep(max(wait, minPause))
		}
		running.Go(func() { done[n] = l.send(n, dueAt) })
	}
	running.Wait()
	return done
}

// cpuTime returns the CPU time of this process.
func cpuTime() time.Duration {
	var used syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &used) // fails only for invalid arguments
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
