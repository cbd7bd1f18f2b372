package main

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var (
	drawnFloor = regexp.MustCompile(`(?m)^floor (\d+) +(.*)$`)
	remark     = regexp.MustCompile(`\([^)]*\)`)
	columns    = regexp.MustCompile(`\s{2,}`)
	roomsLine  = regexp.MustCompile("^\\| (`[^|]*) \\|")
)

// The house of docs/ARCHITECTURE.md is the one that house_test.go keeps: each room is
// drawn on its floor and has its line, and none is drawn that is not there.
func TestTheHouseIsDrawnAsItStands(t *testing.T) {
	t.Parallel()
	house := readDocuments(t).documents["docs/ARCHITECTURE.md"]
	drawn, lines := map[string]int{}, map[string]bool{}
	for _, s := range house.sections {
		for _, b := range s.blocks {
			for _, m := range drawnFloor.FindAllStringSubmatch(b.text, -1) {
				floor, _ := strconv.Atoi(m[1])
				for _, name := range columns.Split(strings.TrimSpace(remark.ReplaceAllString(m[2], "")), -1) {
					if !strings.Contains(name, " ") { // no words about the floor
						drawn[room(strings.TrimSuffix(name, "main.go"))] = floor
					}
				}
			}
		}
		for _, l := range s.lines {
			if m := roomsLine.FindStringSubmatch(l.text); m != nil {
				for _, name := range (textLine{text: m[1]}).spans() {
					lines[room(name)] = true
				}
			}
		}
	}
	if want := inDrawing(floors); !maps.Equal(drawn, want) {
		t.Errorf("drawn are %v, the floors are %v", drawn, want)
	}
	for name := range inDrawing(floors) {
		if name != "" && name != "cli" && !lines[name] {
			t.Errorf("the room %s has no line in the table", name)
		}
	}
	for name := range lines {
		if _, ok := floors[name]; !ok {
			t.Errorf("the table has a line for %s, which is no room", name)
		}
	}
}

// inDrawing leaves out what is a command beside a room.
func inDrawing(all map[string]int) map[string]int {
	all = maps.Clone(all)
	maps.DeleteFunc(all, func(name string, _ int) bool { return slices.Contains([]string{"models/make"}, name) })
	return all
}
