package manifests

import "gopkg.in/yaml.v3"

// guard reports whether the tree is within the limits and made only of what a manifest may contain.
func (b *binder) guard(doc *yaml.Node) bool {
	g := guard{binder: b, sizes: map[*yaml.Node]size{}}
	before := len(b.errs)
	g.walk(doc, 0)
	if len(b.errs) > before {
		return false
	}
	switch total := g.weigh(doc); {
	case len(b.errs) > before:
	case total.values > 2*maxValues:
		g.failAt(g.alias, "", "aliases bring in more than %d values", maxValues)
	case total.depth > maxDepth:
		g.failAt(g.alias, "", "with aliases, more than %d levels inside each other", maxDepth)
	}
	return len(b.errs) == before
}

type guard struct {
	*binder
	aliases int
	alias   *yaml.Node          // the first
	sizes   map[*yaml.Node]size // of what an alias brings in
}

// A size is what a node amounts to with its aliases followed.
type size struct {
	open          bool // being measured: meeting it again is a cycle
	values, depth int
}

// walk checks the text as it stands, aliases not followed.
func (g *guard) walk(n *yaml.Node, depth int) bool {
	if depth > maxDepth {
		g.failAt(n, "", "more than %d levels inside each other", maxDepth)
		return false
	}
	switch tag := n.ShortTag(); {
	case n.Kind == yaml.AliasNode:
		if g.aliases++; g.aliases == 1 {
			g.alias = n
		} else if g.aliases > maxAliases {
			g.failAt(n, "", "more than %d aliases", maxAliases)
			return false
		}
	case n.Kind != yaml.DocumentNode && !knownTags[tag]:
		g.failAt(n, "remove it", "the type tag %s has no meaning here", tag)
	case n.Kind == yaml.MappingNode && len(n.Content)/2 > maxKeys:
		g.failAt(n.Content[2*maxKeys], "", "more than %d keys in one mapping", maxKeys)
	}
	for _, c := range n.Content {
		if !g.walk(c, depth+1) {
			return false
		}
	}
	return true
}

var knownTags = map[string]bool{
	"!!str": true, "!!int": true, "!!float": true, "!!bool": true, "!!null": true, "!!timestamp": true,
	"!!map": true, "!!seq": true, "!!merge": true,
}

// weigh measures n with aliases followed. Each anchor is measured once, so a bomb costs no more than its text.
func (g *guard) weigh(n *yaml.Node) size {
	if n.Kind == yaml.AliasNode {
		return g.target(n)
	}
	total := size{values: 1}
	for _, c := range n.Content {
		s := g.weigh(c)
		total.values = min(total.values+s.values, 10*maxValues)
		total.depth = max(total.depth, s.depth+1)
	}
	return total
}

func (g *guard) target(alias *yaml.Node) size {
	s, known := g.sizes[alias.Alias]
	if s.open {
		g.failAt(alias, "", "alias *%s stands inside what it repeats", alias.Value)
		return size{}
	}
	if !known {
		g.sizes[alias.Alias] = size{open: true}
		s = g.weigh(alias.Alias)
		g.sizes[alias.Alias] = s
	}
	return s
}
