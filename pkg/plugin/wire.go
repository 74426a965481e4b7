package plugin

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	pb "github.com/hyperexport/hyperexport/pkg/plugin/proto/v1"
)

// The functions of this file translate between the values of package backend and the messages of the protocol. None of
// them fails: what a message lacks is the zero value, and text that is not UTF-8 is made so where the protocol wants text.

func text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

func texts(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = text(s)
	}
	return out
}

// each translates a list; nothing stays nil.
func each[A, B any](list []A, f func(A) B) []B {
	if len(list) == 0 {
		return nil
	}
	out := make([]B, len(list))
	for i, v := range list {
		out[i] = f(v)
	}
	return out
}

func timeTo(t time.Time) *pb.Time {
	if t.IsZero() {
		return nil
	}
	return &pb.Time{Seconds: t.Unix(), Nanos: int32(t.Nanosecond())}
}

func timeFrom(t *pb.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return time.Unix(t.GetSeconds(), int64(t.GetNanos()))
}

func pairsTo(m map[string]string) []*pb.Pair {
	pairs := make([]*pb.Pair, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		pairs = append(pairs, &pb.Pair{Name: []byte(name), Value: []byte(m[name])})
	}
	return pairs
}

// pairsFrom returns nil for no pairs unless there is said to be an empty map.
func pairsFrom(pairs []*pb.Pair, there bool) map[string]string {
	if len(pairs) == 0 && !there {
		return nil
	}
	m := make(map[string]string, len(pairs))
	for _, p := range pairs {
		m[string(p.GetName())] = string(p.GetValue())
	}
	return m
}

func locationTo(l backend.Location) *pb.Location {
	return &pb.Location{Scheme: text(l.Scheme), Path: []byte(l.Path)}
}

func locationFrom(l *pb.Location) backend.Location {
	return backend.Location{Scheme: l.GetScheme(), Path: string(l.GetPath())}
}

func infoTo(i backend.Info) *pb.Info {
	c, l := i.Can, i.Limits
	return &pb.Info{
		Can: &pb.Capabilities{Write: c.Write, List: c.List, ListParts: c.ListParts, ListUploads: c.ListUploads,
			Delete: c.Delete, Sequential: c.Sequential, PutIfAbsent: c.PutIfAbsent, CompleteIfAbsent: c.CompleteIfAbsent,
			IfVersion: c.IfVersion, Holes: c.Holes, Strays: c.Strays, ModTime: c.ModTime,
			MakesContainer: c.MakesContainer, Browse: c.Browse, Versions: c.Versions, Restore: c.Restore,
			CreateContainer: c.CreateContainer, Space: c.Space, DeleteAll: c.DeleteAll,
			Lifecycle: c.Lifecycle},
		Checksums: each(i.Checksums, func(a backend.Algorithm) string { return text(string(a)) }),
		CopyFrom:  texts(i.CopyFrom),
		Limits: &pb.Limits{MinPart: l.MinPart, MaxPart: l.MaxPart, MaxParts: int64(l.MaxParts), MaxPut: l.MaxPut,
			MaxObject: l.MaxObject, MinCopy: l.MinCopy, DeleteAll: int64(l.DeleteAll), Connections: int64(l.Connections)},
	}
}

func infoFrom(i *pb.Info) backend.Info {
	c, l := i.GetCan(), i.GetLimits()
	return backend.Info{
		Can: backend.Capabilities{Write: c.GetWrite(), List: c.GetList(), ListParts: c.GetListParts(),
			ListUploads: c.GetListUploads(), Delete: c.GetDelete(), Sequential: c.GetSequential(),
			PutIfAbsent: c.GetPutIfAbsent(), CompleteIfAbsent: c.GetCompleteIfAbsent(), IfVersion: c.GetIfVersion(),
			Holes: c.GetHoles(), Strays: c.GetStrays(), ModTime: c.GetModTime(), MakesContainer: c.GetMakesContainer(),
			Browse: c.GetBrowse(), Versions: c.GetVersions(), Restore: c.GetRestore(), CreateContainer: c.GetCreateContainer(),
			Space: c.GetSpace(), DeleteAll: c.GetDeleteAll(),
			Lifecycle: c.GetLifecycle()},
		Checksums: each(i.GetChecksums(), func(s string) backend.Algorithm { return backend.Algorithm(s) }),
		CopyFrom:  slices.Clone(i.GetCopyFrom()),
		Limits: backend.Limits{MinPart: l.GetMinPart(), MaxPart: l.GetMaxPart(), MaxParts: int(l.GetMaxParts()),
			MaxPut: l.GetMaxPut(), MaxObject: l.GetMaxObject(), MinCopy: l.GetMinCopy(), DeleteAll: int(l.GetDeleteAll()), Connections: int(l.GetConnections())},
	}
}

func objectTo(o backend.Object) *pb.Object {
	return &pb.Object{Key: []byte(o.Key), Size: o.Size, ModTime: timeTo(o.ModTime), Version: []byte(o.Version),
		Checksum: text(string(o.Checksum)), Meta: pairsTo(o.Meta), HasMeta: o.Meta != nil,
		Tier: text(o.Tier), Archived: o.Archived, Generation: []byte(o.Generation)}
}

func objectFrom(o *pb.Object) backend.Object {
	return backend.Object{Key: string(o.GetKey()), Size: o.GetSize(), ModTime: timeFrom(o.GetModTime()),
		Version: string(o.GetVersion()), Checksum: backend.Checksum(o.GetChecksum()),
		Meta: pairsFrom(o.GetMeta(), o.GetHasMeta()),
		Tier: o.GetTier(), Archived: o.GetArchived(), Generation: string(o.GetGeneration())}
}

func entryTo(e backend.Entry) *pb.Entry {
	return &pb.Entry{Prefix: []byte(e.Prefix), Object: objectTo(e.Object)}
}

func entryFrom(e *pb.Entry) backend.Entry {
	return backend.Entry{Object: objectFrom(e.GetObject()), Prefix: string(e.GetPrefix())}
}

func versionTo(v backend.ObjectVersion) *pb.ObjectVersion {
	return &pb.ObjectVersion{Object: objectTo(v.Object), Latest: v.Latest, DeleteMarker: v.DeleteMarker}
}

func versionFrom(v *pb.ObjectVersion) backend.ObjectVersion {
	return backend.ObjectVersion{Object: objectFrom(v.GetObject()), Latest: v.GetLatest(), DeleteMarker: v.GetDeleteMarker()}
}

func ruleTo(r backend.LifecycleRule) *pb.LifecycleRule {
	return &pb.LifecycleRule{Name: text(r.Name), Action: text(r.Action), Days: int64(r.Days), Prefix: []byte(r.Prefix),
		Previous: r.Previous, Disabled: r.Disabled}
}

func ruleFrom(r *pb.LifecycleRule) backend.LifecycleRule {
	return backend.LifecycleRule{Name: r.GetName(), Action: r.GetAction(), Days: int(r.GetDays()), Prefix: string(r.GetPrefix()),
		Previous: r.GetPrevious(), Disabled: r.GetDisabled()}
}

func uploadTo(u backend.Upload) *pb.Upload {
	return &pb.Upload{Key: []byte(u.Key), Id: []byte(u.ID), Size: u.Size, PartSize: u.PartSize,
		Created: timeTo(u.Created), Stray: u.Stray}
}

func uploadFrom(u *pb.Upload) backend.Upload {
	return backend.Upload{Key: string(u.GetKey()), ID: string(u.GetId()), Size: u.GetSize(), PartSize: u.GetPartSize(),
		Created: timeFrom(u.GetCreated()), Stray: u.GetStray()}
}

func partTo(p backend.Part) *pb.Part {
	return &pb.Part{Number: int64(p.Number), Size: p.Size, Tag: []byte(p.Tag), Checksum: text(string(p.Checksum))}
}

func partFrom(p *pb.Part) backend.Part {
	return backend.Part{Number: int(p.GetNumber()), Size: p.GetSize(), Tag: string(p.GetTag()),
		Checksum: backend.Checksum(p.GetChecksum())}
}

func conditionTo(c backend.Condition) *pb.Condition {
	return &pb.Condition{Absent: c.Absent, Version: []byte(c.Version)}
}

func conditionFrom(c *pb.Condition) backend.Condition {
	return backend.Condition{Absent: c.GetAbsent(), Version: string(c.GetVersion())}
}

func exportTo(r backend.ExportRequest) *pb.ExportRequest {
	return &pb.ExportRequest{Token: text(r.Token), Instance: []byte(r.Instance), Name: []byte(r.Name),
		Formats: texts(r.Formats), Staging: locationTo(r.Staging), Tags: pairsTo(r.Tags), Image: []byte(r.Image)}
}

func exportFrom(r *pb.ExportRequest) backend.ExportRequest {
	return backend.ExportRequest{Token: r.GetToken(), Instance: string(r.GetInstance()), Name: string(r.GetName()),
		Formats: r.GetFormats(), Staging: locationFrom(r.GetStaging()), Tags: pairsFrom(r.GetTags(), false),
		Image: string(r.GetImage())}
}

func spaceTo(s backend.Space) *pb.Space {
	return &pb.Space{Place: []byte(s.Place), Free: s.Free, Largest: s.Largest, ReadOnly: text(s.ReadOnly)}
}

func spaceFrom(s *pb.Space) backend.Space {
	return backend.Space{Place: string(s.GetPlace()), Free: s.GetFree(), Largest: s.GetLargest(), ReadOnly: s.GetReadOnly()}
}

func concernTo(c backend.Concern) *pb.Concern {
	return &pb.Concern{Text: text(c.Text), Help: text(c.Help), Blocks: c.Blocks}
}

func concernFrom(c *pb.Concern) backend.Concern {
	return backend.Concern{Text: c.GetText(), Help: c.GetHelp(), Blocks: c.GetBlocks()}
}

func jobTo(j backend.Job) *pb.Job {
	return &pb.Job{Id: []byte(j.ID), Phase: text(j.Phase), Done: j.Done, Total: j.Total, Ready: j.Ready, Captured: j.Captured,
		Artifacts: each(j.Artifacts, func(a backend.Artifact) *pb.Artifact {
			return &pb.Artifact{Name: []byte(a.Name), At: locationTo(a.At), Size: a.Size, Format: text(a.Format),
				Checksum: text(string(a.Checksum))}
		})}
}

func jobFrom(j *pb.Job) backend.Job {
	return backend.Job{ID: string(j.GetId()), Phase: j.GetPhase(), Done: j.GetDone(), Total: j.GetTotal(), Ready: j.GetReady(),
		Captured: j.GetCaptured(),
		Artifacts: each(j.GetArtifacts(), func(a *pb.Artifact) backend.Artifact {
			return backend.Artifact{Name: string(a.GetName()), At: locationFrom(a.GetAt()), Size: a.GetSize(),
				Format: a.GetFormat(), Checksum: backend.Checksum(a.GetChecksum())}
		})}
}

func scopeTo(s backend.Scope) *pb.Scope {
	return &pb.Scope{Id: []byte(s.ID), Parent: []byte(s.Parent), Name: []byte(s.Name), Path: []byte(s.Path)}
}

func scopeFrom(s *pb.Scope) backend.Scope {
	return backend.Scope{ID: string(s.GetId()), Parent: string(s.GetParent()), Name: string(s.GetName()),
		Path: string(s.GetPath())}
}

func resourceTo(r backend.Resource) *pb.Resource {
	return &pb.Resource{Id: []byte(r.ID), Type: text(r.Type), Name: []byte(r.Name), Scope: []byte(r.Scope),
		ScopePath: []byte(r.ScopePath), Region: text(r.Region), State: text(r.State), Created: timeTo(r.Created),
		Tags: pairsTo(r.Tags), Attributes: pairsTo(r.Attributes)}
}

func resourceFrom(r *pb.Resource) backend.Resource {
	return backend.Resource{ID: string(r.GetId()), Type: r.GetType(), Name: string(r.GetName()), Scope: string(r.GetScope()),
		ScopePath: string(r.GetScopePath()), Region: r.GetRegion(), State: r.GetState(), Created: timeFrom(r.GetCreated()),
		Tags: pairsFrom(r.GetTags(), false), Attributes: pairsFrom(r.GetAttributes(), false)}
}

func queryTo(q backend.Query) *pb.ResourcesRequest {
	return &pb.ResourcesRequest{Type: text(q.Type), Id: []byte(q.ID), Scope: []byte(q.Scope), Recursive: q.Recursive,
		Name: []byte(q.Name), State: texts(q.State), Tags: pairsTo(q.Tags)}
}

func queryFrom(q *pb.ResourcesRequest) backend.Query {
	return backend.Query{Type: q.GetType(), ID: string(q.GetId()), Scope: string(q.GetScope()), Recursive: q.GetRecursive(),
		Name: string(q.GetName()), State: q.GetState(), Tags: pairsFrom(q.GetTags(), false)}
}

func metricsTo(id string, q backend.MetricQuery) *pb.MetricsRequest {
	return &pb.MetricsRequest{Id: []byte(id), Names: texts(q.Names), Start: timeTo(q.Start), End: timeTo(q.End),
		Resolution: int64(q.Resolution)}
}

func metricsFrom(r *pb.MetricsRequest) backend.MetricQuery {
	return backend.MetricQuery{Names: r.GetNames(), Start: timeFrom(r.GetStart()), End: timeFrom(r.GetEnd()),
		Resolution: time.Duration(r.GetResolution())}
}

func seriesTo(s backend.Series) *pb.Series {
	return &pb.Series{Name: text(s.Name), Unit: text(s.Unit), Points: each(s.Points, func(p backend.Point) *pb.Point {
		return &pb.Point{At: timeTo(p.At), Value: p.Value}
	})}
}

func seriesFrom(s *pb.Series) backend.Series {
	return backend.Series{Name: s.GetName(), Unit: s.GetUnit(), Points: each(s.GetPoints(), func(p *pb.Point) backend.Point {
		return backend.Point{At: timeFrom(p.GetAt()), Value: p.GetValue()}
	})}
}
