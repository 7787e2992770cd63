package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
)

const (
	maxMessageBytes = 256 << 20
	connectSeconds  = 30
)

// serialized sends messages as they are, and only counts the bytes of responses.
type serialized struct{}

func (serialized) Name() string { return "proto" }

func (serialized) Marshal(message any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(message.([]byte))}, nil
}

func (serialized) Unmarshal(content mem.BufferSlice, size any) error {
	*size.(*int) = content.Len()
	return nil
}

// connect opens connections, distributed evenly over the addresses, and waits until all are ready.
func connect(addresses []string, connections int) ([]*grpc.ClientConn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), connectSeconds*time.Second)
	defer cancel()
	opened := make([]*grpc.ClientConn, connections)
	for i := range opened {
		address := addresses[i%len(addresses)]
		if !strings.HasPrefix(address, "unix:") {
			address = "passthrough:///" + address
		}
		connection, err := grpc.NewClient(
			address,
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithDefaultCallOptions(
				grpc.ForceCodecV2(serialized{}),
				grpc.MaxCallRecvMsgSize(maxMessageBytes),
				grpc.MaxCallSendMsgSize(maxMessageBytes),
			),
		)
		if err != nil {
			return nil, err
		}
		connection.Connect()
		opened[i] = connection
	}
	for i, connection := range opened {
		for state := connection.GetState(); state != connectivity.Ready; state = connection.GetState() {
			if !connection.WaitForStateChange(ctx, state) {
				return nil, fmt.Errorf("cannot connect to %s", addresses[i%len(addresses)])
			}
		}
	}
	return opened, nil
}
