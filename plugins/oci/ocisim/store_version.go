package ocisim

import "slices"

// versionName names one version of an object.
type versionName struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// find returns a version of an object: the current one for "", nil if there is none. A delete marker is found by its version only.
func (b *contents) find(name, version string) *object {
	o := b.objects[name]
	if version == "" || o != nil && o.Version == version {
		return o
	}
	for _, o := range b.past[name] {
		if o.Version == version {
			return o
		}
	}
	return nil
}

// versions are all versions of an object and its delete markers, the latest first.
func (b *contents) versions(name string) []*object {
	all := b.past[name]
	if o := b.objects[name]; o != nil {
		all = append([]*object{o}, all...)
	}
	return all
}

// allNames are the names that have versions, sorted.
func (b *contents) allNames() []string {
	all := slices.Clone(b.names)
	for name := range b.past {
		if b.objects[name] == nil {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

// retire makes the current version, if there is one, a former one.
func (st *store) retire(b *contents, name string) {
	o := b.objects[name]
	if o == nil {
		return
	}
	b.unlist(name)
	b.past[name] = slices.Insert(b.past[name], 0, o)
}

// mark puts a delete marker in front of all versions.
func (st *store) mark(b *contents, marker *object) {
	st.retire(b, marker.Name)
	b.past[marker.Name] = slices.Insert(b.past[marker.Name], 0, marker)
}

// forget removes one version for good. The latest that remains is the current one, unless it is a delete marker.
func (st *store) forget(b *contents, v versionName) {
	if o := b.objects[v.Name]; o != nil && o.Version == v.Version {
		st.remove(b, v.Name)
	}
	past := b.past[v.Name]
	if i := slices.IndexFunc(past, func(o *object) bool { return o.Version == v.Version }); i >= 0 {
		b.size -= past[i].Size
		st.releaseAll(past[i].Files)
		past = slices.Delete(past, i, i+1)
	}
	if len(past) > 0 && b.objects[v.Name] == nil && !past[0].Marker {
		b.enlist(past[0])
		past = past[1:]
	}
	b.past[v.Name] = past
	if len(past) == 0 {
		delete(b.past, v.Name)
	}
}

// amend replaces what is known of a version; its bytes stay.
func (st *store) amend(b *contents, o *object) {
	if current := b.objects[o.Name]; current != nil && current.Version == o.Version {
		b.objects[o.Name] = o
		return
	}
	for i, former := range b.past[o.Name] {
		if former.Version == o.Version {
			b.past[o.Name][i] = o
		}
	}
}

// enlist makes the version the current one of its name, which must have none.
func (b *contents) enlist(o *object) {
	i, _ := slices.BinarySearch(b.names, o.Name)
	b.names = slices.Insert(b.names, i, o.Name)
	b.objects[o.Name] = o
}

// unlist takes the current version of a name away.
func (b *contents) unlist(name string) {
	i, _ := slices.BinarySearch(b.names, name)
	b.names = slices.Delete(b.names, i, i+1)
	delete(b.objects, name)
}

// record are the changes that make the contents of a bucket, in order.
func (b *contents) record(id string) []change {
	var all []change
	for _, name := range b.allNames() {
		versions := b.versions(name)
		for _, o := range slices.Backward(versions) {
			if o.Marker {
				all = append(all, change{Bucket: id, Mark: []*object{o}})
			} else {
				all = append(all, change{Bucket: id, Put: o, Keep: true})
			}
		}
	}
	for _, u := range b.uploads {
		all = append(all, change{Bucket: id, Begin: u})
		for _, p := range u.sortedParts() {
			all = append(all, change{Bucket: id, Upload: u.ID, Part: p})
		}
	}
	return all
}
