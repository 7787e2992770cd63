package main

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"os"
	"sync/atomic"
)

// placeholder is replaced by a new random UUID in every copy of a request.
const placeholder = "00000000-0000-4000-8000-000000000000"

// requests are serialized messages that all callers take in turn.
type requests struct {
	messages [][]byte
	ids      []int // position of the placeholder in each message, or -1
	taken    atomic.Int64
}

// readRequests reads a file of messages, each preceded by its length as four bytes, most significant first.
func readRequests(path string) (*requests, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	read := &requests{}
	for len(content) > 0 {
		if len(content) < 4 || int(binary.BigEndian.Uint32(content)) > len(content)-4 {
			return nil, errors.New(path + ": the last message is incomplete")
		}
		end := 4 + int(binary.BigEndian.Uint32(content))
		read.messages = append(read.messages, content[4:end])
		read.ids = append(read.ids, bytes.Index(content[4:end], []byte(placeholder)))
		content = content[end:]
	}
	if len(read.messages) == 0 {
		return nil, errors.New(path + ": no messages")
	}
	return read, nil
}

// next returns the next message in turn, with its own id. It can be called concurrently.
func (r *requests) next() []byte {
	n := int(r.taken.Add(1)-1) % len(r.messages)
	message, at := r.messages[n], r.ids[n]
	if at < 0 {
		return message
	}
	message = bytes.Clone(message)
	writeNewID(message[at : at+len(placeholder)])
	return message
}

// writeNewID writes a random UUID of version 4.
func writeNewID(to []byte) {
	var id [16]byte
	rand.Read(id[:]) // never fails
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	hex.Encode(to[0:8], id[0:4])
	hex.Encode(to[9:13], id[4:6])
	hex.Encode(to[14:18], id[6:8])
	hex.Encode(to[19:23], id[8:10])
	hex.Encode(to[24:36], id[10:16])
}
