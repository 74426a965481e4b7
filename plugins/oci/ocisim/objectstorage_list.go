package ocisim

import (
	"slices"
	"strings"
)

// listing is a request to list objects.
type listing struct {
	prefix, start, end, after, delimiter string
	fields                               []string
	limit                                int
}

// listed is one entry of a listing: an object, or a prefix that stands for many.
type listed struct {
	name   string
	object *object // nil for a prefix
}

func listObjects(c *call) error {
	b, err := c.findBucket()
	if err != nil {
		return err
	}
	q, err := c.listing()
	if err != nil {
		return err
	}
	entries, next := c.s.store.bucket(b.ID).list(q)
	if f := c.fault; f != nil && f.ShortPage && len(entries) > f.PageItems {
		next = entries[f.PageItems].name
		entries = entries[:f.PageItems]
	}
	objects, prefixes := []map[string]any{}, []string{}
	for _, e := range entries {
		if e.object == nil {
			prefixes = append(prefixes, e.name)
			continue
		}
		objects = append(objects, c.s.summary(e.object, q.fields))
	}
	out := map[string]any{"objects": objects}
	if q.delimiter != "" {
		out["prefixes"] = prefixes
	}
	if next != "" {
		out["nextStartWith"] = next
	}
	return c.json(200, out)
}

// listing reads the query. With a pre-authenticated request for a prefix, only that prefix can be listed.
func (c *call) listing() (listing, error) {
	q := listing{prefix: c.query("prefix"), start: c.query("start"), end: c.query("end"), after: c.query("startAfter"), delimiter: c.query("delimiter")}
	var err error
	if q.limit, err = c.limit(); err != nil {
		return q, err
	}
	if q.delimiter != "" && q.delimiter != "/" {
		return q, fail(400, "InvalidParameter", "The delimiter %q is not supported, only '/' is", q.delimiter)
	}
	if q.start != "" && q.after != "" {
		return q, fail(400, "InvalidParameter", "start and startAfter may not both be specified")
	}
	known := []string{"name", "size", "etag", "md5", "timeCreated", "timeModified", "storageTier", "archivalState"}
	for _, f := range strings.Split(c.query("fields"), ",") {
		if f = strings.TrimSpace(f); f == "" {
			continue
		}
		if !slices.Contains(known, f) {
			return q, fail(400, "InvalidParameter", "fields: %q is not one of %s", f, strings.Join(known, ", "))
		}
		q.fields = append(q.fields, f)
	}
	return q, nil
}

// list returns the entries in order of their names, at most limit, and the name at which the next listing has to start.
func (b *contents) list(q listing) (entries []listed, next string) {
	from := max(q.start, q.prefix)
	i, _ := slices.BinarySearch(b.names, from)
	if q.after != "" && q.after >= from {
		var exact bool
		if i, exact = slices.BinarySearch(b.names, q.after); exact {
			i++
		}
	}
	for i < len(b.names) {
		name := b.names[i]
		if !strings.HasPrefix(name, q.prefix) || q.end != "" && name >= q.end {
			break
		}
		entry := listed{name: name, object: b.objects[name]}
		i++
		if q.delimiter != "" {
			if head, _, found := strings.Cut(name[len(q.prefix):], q.delimiter); found {
				entry = listed{name: q.prefix + head + q.delimiter}
				i += b.skip(i, entry.name)
			}
		}
		if len(entries) == q.limit {
			return entries, entry.name
		}
		entries = append(entries, entry)
	}
	return entries, ""
}

// skip counts the names from i on that begin with prefix.
func (b *contents) skip(i int, prefix string) int {
	n, _ := slices.BinarySearchFunc(b.names[i:], prefix, func(name, prefix string) int {
		if strings.HasPrefix(name, prefix) {
			return -1
		}
		return 1
	})
	return n
}

// summary is an object in a listing: its name and the fields that were asked for. Others are absent, not zero.
func (s *Server) summary(o *object, fields []string) map[string]any {
	v := map[string]any{"name": o.Name}
	for _, f := range fields {
		switch f {
		case "size":
			v[f] = o.Size
		case "etag":
			v[f] = o.ETag
		case "md5":
			v[f] = o.MD5 + o.MultipartMD5 // one of them is empty
		case "timeCreated":
			v[f] = jsonTime(o.Created)
		case "timeModified":
			v[f] = jsonTime(o.Modified)
		case "storageTier":
			v[f] = o.Tier
		case "archivalState":
			if state := s.archivalState(o); state != "" {
				v[f] = state
			} else {
				v[f] = nil
			}
		}
	}
	return v
}
