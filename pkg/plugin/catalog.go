package plugin

import (
	"context"
	"iter"
	"strings"
	"time"

	"google.golang.org/grpc"

	"github.com/hyperexport/hyperexport/pkg/backend"
	pb "github.com/hyperexport/hyperexport/pkg/plugin/proto/v1"
)

// checkGeneration keeps a version from a guest that knows of none: it would take the current object for it.
func (s *storage) checkGeneration(op string, obj backend.Object) error {
	if obj.Generation == "" || s.info.Can.Versions {
		return nil
	}
	return &backend.Error{Op: op, Key: obj.Key, Kind: backend.Unsupported}
}

// List yields what the guest lists, as long as it is in order and under prefix.
func (s *storage) List(ctx context.Context, prefix string) iter.Seq2[backend.Object, error] {
	begin := func(ctx context.Context, g *guest) (grpc.ServerStreamingClient[pb.ListResponse], error) {
		return g.storage.List(ctx, &pb.ListRequest{Container: s.at, Prefix: []byte(prefix)})
	}
	batch := func(r *pb.ListResponse) []backend.Object { return each(r.GetObjects(), objectFrom) }
	return values(ctx, s.h, call{op: "list", key: prefix}, begin, batch, func(o backend.Object, last *backend.Object) error {
		switch {
		case !strings.HasPrefix(o.Key, prefix):
			return lie("list", prefix, "it lists %q", o.Key)
		case last != nil && o.Key <= last.Key:
			return lie("list", prefix, "it lists %q after %q", o.Key, last.Key)
		case o.Size < 0:
			return lie("list", prefix, "%q has %d bytes", o.Key, o.Size)
		}
		return nil
	})
}

// Browse yields what the guest shows of one level, as long as it is in order and of that level.
func (s *storage) Browse(ctx context.Context, prefix string) iter.Seq2[backend.Entry, error] {
	const op = "browse"
	begin := func(ctx context.Context, g *guest) (grpc.ServerStreamingClient[pb.BrowseResponse], error) {
		return g.storage.Browse(ctx, &pb.BrowseRequest{Container: s.at, Prefix: []byte(prefix)})
	}
	batch := func(r *pb.BrowseResponse) []backend.Entry { return each(r.GetEntries(), entryFrom) }
	return values(ctx, s.h, call{op: op, key: prefix}, begin, batch, func(e backend.Entry, last *backend.Entry) error {
		below, under := strings.CutPrefix(e.Prefix+e.Key, prefix)
		slash := strings.IndexByte(below, '/')
		switch {
		case !under || e.Prefix != "" && e.Key != "":
			return lie(op, prefix, "it shows %q%q", e.Prefix, e.Key)
		case e.Prefix == "" && slash >= 0 || e.Prefix != "" && (below == "" || slash != len(below)-1):
			return lie(op, prefix, "it shows %q, which is of another level", e.Prefix+e.Key)
		case last != nil && e.Prefix+e.Key <= last.Prefix+last.Key:
			return lie(op, prefix, "it shows %q after %q", e.Prefix+e.Key, last.Prefix+last.Key)
		case e.Size < 0:
			return lie(op, prefix, "%q has %d bytes", e.Key, e.Size)
		}
		return nil
	})
}

// Versions yields the versions that the guest lists, as long as their keys are in order and under prefix, and the first of
// each key is the latest.
func (s *storage) Versions(ctx context.Context, prefix string) iter.Seq2[backend.ObjectVersion, error] {
	const op = "list versions"
	begin := func(ctx context.Context, g *guest) (grpc.ServerStreamingClient[pb.VersionsResponse], error) {
		return g.storage.Versions(ctx, &pb.VersionsRequest{Container: s.at, Prefix: []byte(prefix)})
	}
	batch := func(r *pb.VersionsResponse) []backend.ObjectVersion { return each(r.GetVersions(), versionFrom) }
	return values(ctx, s.h, call{op: op, key: prefix}, begin, batch, func(v backend.ObjectVersion, last *backend.ObjectVersion) error {
		switch {
		case !strings.HasPrefix(v.Key, prefix):
			return lie(op, prefix, "it lists %q", v.Key)
		case last != nil && v.Key < last.Key:
			return lie(op, prefix, "it lists %q after %q", v.Key, last.Key)
		case last != nil && v.Key == last.Key && v.Latest:
			return lie(op, prefix, "it lists two latest versions of %q", v.Key)
		case v.Generation == "":
			return lie(op, prefix, "a version of %q has no name", v.Key)
		case v.Size < 0:
			return lie(op, prefix, "%q has %d bytes", v.Key, v.Size)
		}
		return nil
	})
}

func (s *storage) Restore(ctx context.Context, obj backend.Object, period time.Duration) error {
	if err := s.checkGeneration("restore", obj); err != nil {
		return err
	}
	return s.h.do(ctx, call{op: "restore", key: obj.Key}, func(ctx context.Context, g *guest) error {
		_, err := g.storage.Restore(ctx, &pb.RestoreRequest{Container: s.at, Object: objectTo(obj), Period: int64(period)})
		return err
	})
}

func (s *storage) CreateContainer(ctx context.Context) error {
	return s.h.do(ctx, call{op: "create container"}, func(ctx context.Context, g *guest) error {
		_, err := g.storage.CreateContainer(ctx, &pb.CreateContainerRequest{Container: s.at})
		return err
	})
}

func (s *storage) Space(ctx context.Context, prefix string) (space backend.Space, err error) {
	err = s.h.do(ctx, call{op: "look for space", key: prefix}, func(ctx context.Context, g *guest) error {
		r, err := g.storage.Space(ctx, &pb.SpaceRequest{Container: s.at, Prefix: []byte(prefix)})
		space = spaceFrom(r.GetSpace())
		return err
	})
	return space, err
}

// DeleteAll takes what the guest says of each object.
func (s *storage) DeleteAll(ctx context.Context, objs []backend.Object) []error {
	const op = "delete"
	errs := make([]error, len(objs))
	if len(objs) == 0 {
		return errs
	}
	request := &pb.DeleteAllRequest{Container: s.at, Objects: each(objs, objectTo)}
	err := s.h.do(ctx, call{op: op, key: objs[0].Key, long: true}, func(ctx context.Context, g *guest) error {
		r, err := g.storage.DeleteAll(ctx, request)
		if err == nil && len(r.GetDeleted()) != len(objs) {
			err = lie(op, objs[0].Key, "%d answers for %d objects", len(r.GetDeleted()), len(objs))
		}
		for i, d := range r.GetDeleted() {
			if w := d.GetError(); err == nil && w != nil {
				errs[i] = errorFrom(w, s.h.mask)
			}
		}
		return err
	})
	if err != nil {
		for i := range errs {
			errs[i] = err
		}
	}
	return errs
}

// Lifecycle returns the rules that the guest tells, as long as they have names and are in their order.
func (s *storage) Lifecycle(ctx context.Context) (rules []backend.LifecycleRule, err error) {
	const op = "read lifecycle"
	err = s.h.do(ctx, call{op: op}, func(ctx context.Context, g *guest) error {
		r, err := g.storage.Lifecycle(ctx, &pb.LifecycleRequest{Container: s.at})
		rules = each(r.GetRules(), ruleFrom)
		return err
	})
	if err != nil {
		return nil, err
	}
	for i, r := range rules {
		switch {
		case r.Name == "" || r.Action == "":
			return nil, lie(op, "", "a rule is %+v", r)
		case i > 0 && r.Name <= rules[i-1].Name:
			return nil, lie(op, "", "it tells of rule %q after %q", r.Name, rules[i-1].Name)
		}
	}
	return rules, nil
}

func (s *storage) SetLifecycle(ctx context.Context, rules []backend.LifecycleRule) (changed bool, err error) {
	err = s.h.do(ctx, call{op: "set lifecycle"}, func(ctx context.Context, g *guest) error {
		r, err := g.storage.SetLifecycle(ctx, &pb.SetLifecycleRequest{Container: s.at, Rules: each(rules, ruleTo)})
		changed = r.GetChanged()
		return err
	})
	return changed && err == nil, err
}
