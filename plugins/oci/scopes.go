package oci

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/oracle/oci-go-sdk/v65/identity"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// Scopes yields the tenancy, or Config.Compartment, as the root and every active compartment below it that the user may
// see, each after its parent and siblings by name. A compartment whose parent may not be seen counts as a child of the root.
func (v inventory) Scopes(ctx context.Context) iter.Seq2[backend.Scope, error] {
	const op = "list compartments"
	return func(yield func(backend.Scope, error) bool) {
		root, err := v.root(ctx, op)
		if err != nil {
			yield(backend.Scope{}, err)
			return
		}
		below, err := v.below(ctx, op, root.ID)
		if err != nil {
			yield(backend.Scope{}, err)
			return
		}
		for _, scope := range arrange(root, below) {
			if !yield(scope, nil) {
				return
			}
		}
	}
}

// root is where the inventory begins. A tenancy whose name may not be read is named by its OCID.
func (v inventory) root(ctx context.Context, op string) (backend.Scope, error) {
	tenancy, err := v.p.tenancy(ctx, op)
	if err != nil {
		return backend.Scope{}, err
	}
	id := v.p.compartment
	if id == "" || id == tenancy {
		id = tenancy
		resp, err := v.p.identity.GetTenancy(quick(ctx), identity.GetTenancyRequest{TenancyId: &id, RequestMetadata: v.p.once})
		if err == nil {
			return backend.Scope{ID: id, Name: value(resp.Name)}, nil
		}
		if e := failure(ctx, op, id, resp, err); e.Kind != backend.NotFound && e.Kind != backend.Forbidden {
			return backend.Scope{}, e
		}
		return backend.Scope{ID: id, Name: id}, nil
	}
	resp, err := v.p.identity.GetCompartment(quick(ctx), identity.GetCompartmentRequest{CompartmentId: &id, RequestMetadata: v.p.once})
	if err != nil {
		return backend.Scope{}, failure(ctx, op, id, resp, err)
	}
	return backend.Scope{ID: id, Name: value(resp.Name)}, nil
}

// below returns all compartments below root. Only a tenancy can be asked for all levels at once.
func (v inventory) below(ctx context.Context, op, root string) ([]backend.Scope, error) {
	tenancy, err := v.p.tenancy(ctx, op)
	if err != nil {
		return nil, err
	}
	subtree := root == tenancy
	var all []backend.Scope
	for parents := []string{root}; len(parents) > 0; {
		parent := parents[0]
		parents = parents[1:]
		for c, err := range v.compartments(ctx, op, parent, subtree) {
			if err != nil {
				return nil, err
			}
			all = append(all, backend.Scope{ID: value(c.Id), Parent: value(c.CompartmentId), Name: value(c.Name)})
			if !subtree {
				parents = append(parents, value(c.Id))
			}
		}
	}
	return all, nil
}

func (v inventory) compartments(ctx context.Context, op, parent string, subtree bool) iter.Seq2[identity.Compartment, error] {
	limit := pageSize
	request := identity.ListCompartmentsRequest{
		CompartmentId: &parent, Limit: &limit, LifecycleState: identity.CompartmentLifecycleStateActive, RequestMetadata: v.p.once,
	}
	if subtree {
		request.CompartmentIdInSubtree = &subtree
		request.AccessLevel = identity.ListCompartmentsAccessLevelAccessible
	}
	return pages(op, parent, func(page *string) ([]identity.Compartment, *string, error) {
		request.Page = page
		resp, err := v.p.identity.ListCompartments(quick(ctx), request)
		if err != nil {
			return nil, nil, failure(ctx, op, parent, resp, err)
		}
		return resp.Items, resp.OpcNextPage, nil
	})
}

// arrange puts parents before children and fills in the paths.
func arrange(root backend.Scope, below []backend.Scope) []backend.Scope {
	known := map[string]bool{root.ID: true}
	for _, s := range below {
		known[s.ID] = true
	}
	children := map[string][]backend.Scope{}
	for _, s := range below {
		if !known[s.Parent] {
			s.Parent = root.ID
		}
		children[s.Parent] = append(children[s.Parent], s)
	}
	ordered := []backend.Scope{root}
	for i := 0; i < len(ordered); i++ { // each is followed by its children, which is why the slice grows
		parent := ordered[i]
		list := children[parent.ID]
		slices.SortFunc(list, func(a, b backend.Scope) int { return cmp.Compare(a.Name, b.Name) })
		for n := range list {
			list[n].Path = strings.TrimPrefix(parent.Path+"/"+list[n].Name, "/")
		}
		ordered = slices.Insert(ordered, i+1, list...)
	}
	return ordered
}

// scopes returns those that q selects.
func (v inventory) scopes(ctx context.Context, op string, q backend.Query) ([]backend.Scope, error) {
	var all []backend.Scope
	for s, err := range v.Scopes(ctx) {
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	if q.Scope == "" {
		return all, nil
	}
	wanted := strings.Trim(q.Scope, "/")
	at := slices.IndexFunc(all, func(s backend.Scope) bool { return s.ID == q.Scope || s.Path == wanted })
	if at < 0 {
		var paths []string
		for _, s := range all[1:] {
			paths = append(paths, s.Path)
		}
		return nil, notFound(op, clip(q.Scope), fmt.Errorf("no such compartment%s", suggest(wanted, paths)))
	}
	selected := all[at : at+1 : at+1]
	if !q.Recursive {
		return selected, nil
	}
	inside := map[string]bool{all[at].ID: true}
	for _, s := range all[at+1:] {
		if inside[s.Parent] {
			inside[s.ID] = true
			selected = append(selected, s)
		}
	}
	return selected, nil
}
