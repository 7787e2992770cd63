package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// streamReport describes what streams received, except for their first messages, and how they ended.
type streamReport struct {
	Messages int64          `json:"messages"`
	Bytes    int64          `json:"bytes"`
	Ends     map[string]int `json:"ends"`
}

// readStreams opens streams and reads them until this process receives SIGTERM. It prints `open` to standard error
// when each stream has received its first message.
func (l *load) readStreams(streams int) (streamReport, error) {
	terminated, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	ctx := metadata.NewOutgoingContext(terminated, l.metadata)
	var messages, size atomic.Int64
	var opening, reading sync.WaitGroup
	opening.Add(streams)
	ends := make(chan string, streams)
	for n := range streams {
		reading.Go(func() {
			opened := sync.OnceFunc(opening.Done)
			defer opened()
			ends <- l.readStream(ctx, n, func(bytes int, first bool) {
				if first {
					opened()
					return
				}
				messages.Add(1)
				size.Add(int64(bytes))
			})
		})
	}
	opening.Wait()
	if len(ends) > 0 {
		return streamReport{}, errors.New("a stream ended before its first message: " + <-ends)
	}
	fmt.Fprintln(os.Stderr, "open")
	reading.Wait()
	close(ends)
	made := streamReport{messages.Load(), size.Load(), map[string]int{}}
	for end := range ends {
		made.Ends[end]++
	}
	return made, nil
}

// readStream reads one stream to its end, and returns its status.
func (l *load) readStream(ctx context.Context, n int, received func(bytes int, first bool)) string {
	connection := l.connections[n%len(l.connections)]
	stream, err := connection.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, l.method)
	if err == nil {
		err = stream.SendMsg(l.requests.next())
	}
	if err == nil {
		err = stream.CloseSend()
	}
	var size int
	for first := true; err == nil; first = false {
		if err = stream.RecvMsg(&size); err == nil {
			received(size, first)
		}
	}
	return status.Code(err).String()
}
