// The load generator of the benchmarks: sends serialized requests to gRPC servers, and prints a JSON object.
//
// It uses less CPU per call than a client in Python, which would compete with the server for the same cores. By
// default it is a closed loop of callers; with -rate, an open loop. With -streams, it reads streams instead.
// benchmarks/load.py is its interface in Python, and benchmarks/python_load.py has the same flags and output.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"google.golang.org/grpc/metadata"
)

// gcPercent trades memory for CPU time, which this program competes for with the server.
const gcPercent = 400

type arguments struct {
	addresses   string
	method      string
	requests    string
	connections int
	callers     int
	rate        float64
	streams     int
	seconds     float64
	warmUp      float64
	deadline    float64
	metadata    metadata.MD
}

func main() {
	debug.SetGCPercent(gcPercent)
	if err := run(parse()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func parse() arguments {
	given := arguments{metadata: metadata.MD{}}
	flag.StringVar(&given.addresses, "addresses", "", "addresses of servers, separated by commas")
	flag.StringVar(&given.method, "method", "", "full name of the method: /package.Service/Method")
	flag.StringVar(&given.requests, "requests", "", "file of serialized requests, each after its length (4 bytes)")
	flag.IntVar(&given.connections, "connections", 8, "number of connections, distributed over the addresses")
	flag.IntVar(&given.callers, "callers", 64, "number of callers, each with one call at a time")
	flag.Float64Var(&given.rate, "rate", 0, "calls per second that are sent without waiting for responses, instead of callers")
	flag.IntVar(&given.streams, "streams", 0, "number of streams to open and to read until SIGTERM, instead of calls")
	flag.Float64Var(&given.seconds, "seconds", 5, "length of the measured window")
	flag.Float64Var(&given.warmUp, "warm-up", 1, "seconds before the window")
	flag.Float64Var(&given.deadline, "deadline", 30, "deadline of each call, in seconds")
	flag.Func("metadata", "key=value that is sent with every call (can be repeated)", func(pair string) error {
		key, value, found := strings.Cut(pair, "=")
		if !found {
			return fmt.Errorf("%q has no =", pair)
		}
		given.metadata.Append(key, value)
		return nil
	})
	flag.Parse()
	return given
}

func run(given arguments) error {
	requests, err := readRequests(given.requests)
	if err != nil {
		return err
	}
	connections, err := connect(strings.Split(given.addresses, ","), given.connections)
	if err != nil {
		return err
	}
	sending := &load{
		connections: connections,
		method:      given.method,
		requests:    requests,
		metadata:    given.metadata,
		deadline:    seconds(given.deadline),
	}
	if given.streams > 0 {
		made, err := sending.readStreams(given.streams)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(made)
	}
	return json.NewEncoder(os.Stdout).Encode(sending.measure(given, os.Stderr))
}

// measure sends calls, and writes `begin` and `end` when the window begins and ends, for programs that measure others.
func (l *load) measure(given arguments, progress io.Writer) report {
	l.from = time.Now().Add(seconds(given.warmUp))
	l.until = l.from.Add(seconds(given.seconds))
	used := make(chan time.Duration)
	go func() {
		time.Sleep(time.Until(l.from))
		before := cpuTime()
		fmt.Fprintln(progress, "begin")
		time.Sleep(time.Until(l.until))
		fmt.Fprintln(progress, "end")
		used <- cpuTime() - before
	}()
	if given.rate > 0 {
		return newReport(l.openLoop(given.rate), l.from, l.until, <-used)
	}
	return newReport(l.closedLoop(given.callers), l.from, l.until, <-used)
}

func seconds(number float64) time.Duration {
	return time.Duration(number * float64(time.Second))
}
