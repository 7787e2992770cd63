// Command history_checker checks whether recorded histories of enrollment groups are linearizable.
//
// It reads one operation a line, as JSON, from standard input, and prints "linearizable", "not linearizable" with the
// groups concerned, or "unknown" if the check takes too long. The search is done by porcupine; this file only has the
// model: a group is its revision and its set of enrolled days.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

const timeout = 2 * time.Minute

// input is what a caller asked of a group.
type input struct {
	Group string `json:"group"`
	// Kind is "enroll", "leave" or "read".
	Kind string `json:"kind"`
	Day  int    `json:"day"`
	// Expected is the expected revision, or nil.
	Expected *int `json:"expected"`
}

// output is the response. After a write it is the group after the write, after a conflict only the current revision.
type output struct {
	// Outcome is "done", "conflict", or "unknown" if the call failed and may have been applied.
	Outcome  string `json:"outcome"`
	Revision int    `json:"revision"`
	Days     []int  `json:"days"`
}

type operation struct {
	input
	output
	Client int   `json:"client"`
	Call   int64 `json:"call"`
	Return int64 `json:"return"`
}

// state has the days as text, because porcupine compares states.
type state struct {
	revision int
	days     string
}

func encoded(days []int) string {
	sorted := slices.Clone(days)
	slices.Sort(sorted)
	return strings.Trim(fmt.Sprint(sorted), "[]")
}

// written returns the state after a write. Enrolling an enrolled day, or leaving another one, makes no revision.
func written(before state, in input) state {
	var days []string
	if before.days != "" {
		days = strings.Fields(before.days)
	}
	day := fmt.Sprint(in.Day)
	at := slices.Index(days, day)
	if (at >= 0) == (in.Kind == "enroll") {
		return before
	}
	if at >= 0 {
		days = slices.Delete(days, at, at+1)
	} else {
		days = append(days, day)
	}
	slices.SortFunc(days, func(a, b string) int {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	return state{before.revision + 1, strings.Join(days, " ")}
}

// step returns whether an operation can have its output in a state, and the state after it.
func step(before state, in input, out output) (bool, state) {
	matches := in.Expected == nil || *in.Expected == before.revision
	switch {
	case in.Kind == "read":
		return out.Revision == before.revision && encoded(out.Days) == before.days, before
	case out.Outcome == "conflict":
		return !matches && out.Revision == before.revision, before
	case out.Outcome == "unknown" && !matches:
		return true, before
	case out.Outcome == "unknown":
		return true, written(before, in)
	default:
		after := written(before, in)
		return matches && out.Revision == after.revision && encoded(out.Days) == after.days, after
	}
}

var model = porcupine.Model{
	Init: func() interface{} { return state{} },
	Step: func(before, in, out interface{}) (bool, interface{}) {
		return step(before.(state), in.(input), out.(output))
	},
}

func read() (map[string][]porcupine.Operation, error) {
	groups := map[string][]porcupine.Operation{}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var one operation
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			return nil, err
		}
		returned := one.Return
		if one.Outcome == "unknown" {
			returned = math.MaxInt64 // it can take effect at any time after its call, or never
		}
		groups[one.Group] = append(groups[one.Group], porcupine.Operation{
			ClientId: one.Client, Input: one.input, Output: one.output, Call: one.Call, Return: returned,
		})
	}
	return groups, lines.Err()
}

func main() {
	log.SetFlags(0)
	groups, err := read()
	if err != nil {
		log.Fatal(err)
	}
	result := "linearizable"
	for group, operations := range groups {
		switch porcupine.CheckOperationsTimeout(model, operations, timeout) {
		case porcupine.Illegal:
			fmt.Println("not linearizable:", group)
			result = ""
		case porcupine.Unknown:
			fmt.Println("unknown:", group)
			result = ""
		}
	}
	if result != "" {
		fmt.Println(result)
	}
}
