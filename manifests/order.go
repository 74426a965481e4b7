package manifests

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxCycles are named; who has more will see the rest after mending these.
const maxCycles = 10

// A reference is what stands in "after": the id of an export or transfer, or its address where an id is both.
type reference struct {
	name    string
	address string // "" if there is no such entry
	node    *yaml.Node
}

func referenceForm() form[reference] {
	f := str()
	return form[reference]{schema: f.schema, bind: func(b *binder, v value, to *reference) {
		to.node = v.node
		f.bind(b, v, &to.name)
	}}
}

// checkOrder turns what "after" names into addresses, and refuses what does not exist and cycles.
func (b *binder) checkOrder(m *Manifest) {
	known := map[string]bool{}
	var names []string
	for _, e := range m.Exports {
		known["export."+e.ID] = true
		names = append(names, e.ID)
	}
	for _, t := range m.Transfers {
		known["transfer."+t.ID] = true
		names = append(names, t.ID)
	}
	for i := range m.Transfers {
		t := &m.Transfers[i]
		for j := range t.after {
			r := &t.after[j]
			if r.name == "" {
				continue // said when it was read
			}
			if r.address = b.address(*r, known, names); r.address != "" {
				t.After = append(t.After, r.address)
			}
		}
	}
	b.checkCycles(m.Transfers)
	for i := range m.Transfers {
		m.Transfers[i].after = nil
	}
}

func (b *binder) address(r reference, known map[string]bool, names []string) string {
	export, transfer := known["export."+r.name], known["transfer."+r.name]
	switch {
	case known[r.name]:
		return r.name
	case export && transfer:
		b.failAt(r.node, fmt.Sprintf("write export.%s or transfer.%s", r.name, r.name), "after: %q is both an export and a transfer", r.name)
	case export:
		return "export." + r.name
	case transfer:
		return "transfer." + r.name
	default:
		b.failAt(r.node, b.suggest(r.name, names), "after: there is no export or transfer %q", r.name)
	}
	return ""
}

// checkCycles follows "after" depth first; coming back to an entry that is still being followed closes a cycle.
func (b *binder) checkCycles(transfers []Transfer) {
	byAddress := map[string]*Transfer{}
	for i := range transfers {
		byAddress["transfer."+transfers[i].ID] = &transfers[i]
	}
	var path []string
	onPath, done := map[string]int{}, map[string]bool{} // where in the path, from 1
	cycles := 0
	var follow func(address string)
	follow = func(address string) {
		t := byAddress[address]
		if t == nil || done[address] {
			return // an export waits for nothing
		}
		path = append(path, address)
		onPath[address] = len(path)
		for _, r := range t.after {
			if at := onPath[r.address]; at == 0 {
				follow(r.address)
			} else if cycles++; cycles <= maxCycles {
				b.failAt(r.node, "", "cycle in after: %s", arrows(append(slices.Clone(path[at-1:]), r.address)))
			}
		}
		path = path[:len(path)-1]
		delete(onPath, address)
		done[address] = true
	}
	for _, t := range transfers {
		follow("transfer." + t.ID)
	}
}

func arrows(path []string) string {
	if n := len(path); n > 12 {
		path = append(append(slices.Clone(path[:5]), fmt.Sprintf("(%d more)", n-10)), path[n-5:]...)
	}
	return strings.Join(path, " -> ")
}
