package manifests

import (
	"fmt"
	"maps"
	"regexp"
	"strings"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// This file is the description of version 1: every key once, with its meaning, its value and its default.

const (
	version = 1
)

func manifestForm() form[Manifest] {
	fields := []field[Manifest]{
		at("version", "Version of this format: 1.", func(m *Manifest) *int { return &m.Version }, versionForm()).must(),
		at("name", "Identity of the run: lock, journal and reports carry it.", func(m *Manifest) *string { return &m.Name }, id("name")).must(),
		at("vars", "Variables for ${NAME} in values. --var wins over the environment, the environment over the default; without a default one of them is required.",
			func(m *Manifest) *map[string]string { return &m.Vars }, knownVars()),
		backendsField(func(m *Manifest) *map[string]Backend { return &m.Backends }),
		at("limits", "What the run may use at once.", func(m *Manifest) *Limits { return &m.Limits }, limitsForm()).filled(),
		at("retry", "How a failed request is repeated: with full jitter; the server's Retry-After wins; time offline does not count.",
			func(m *Manifest) *Retry { return &m.Retry }, retryForm()).filled(),
		at("exports", "Virtual machines to turn into disk images, by id.", func(m *Manifest) *[]Export { return &m.Exports }, sorted(mapOf("exports", idRule("an export"), exportForm()))),
		at("transfers", "Objects to move, by id.", func(m *Manifest) *[]Transfer { return &m.Transfers }, sorted(mapOf("transfers", idRule("a transfer"), transferForm()))),
		at("buckets", "What to set of buckets, by id.", func(m *Manifest) *[]Bucket { return &m.Buckets }, sorted(mapOf("buckets", idRule("a bucket"), bucketForm()))),
	}
	fields = append(fields, later[Manifest]("prune", "retention", "schedule", "notify", "state")...)
	return object("the manifest", fields...).
		checked(func(b *binder, v value, m *Manifest) {
			if m.Version != version {
				b.onlyVersion()
				return
			}
			has := map[string]bool{}
			for _, p := range b.quietly().pairs(v) {
				has[p.key.Value] = true
			}
			if !has["exports"] && !has["transfers"] && !has["buckets"] {
				b.failAt(v.node, "", "the manifest has neither exports nor transfers nor buckets: there is nothing to do")
			}
		}).
		says(func(s *schema) {
			s.AnyOf = []*schema{{Required: []string{"exports"}}, {Required: []string{"transfers"}}, {Required: []string{"buckets"}}}
		})
}

func versionForm() form[int] {
	f := scalar("the number 1", "!!int", &schema{Type: "integer"}, func(_ *binder, s string) (int, string, error) {
		if s != "1" {
			return 0, "this hyperexport reads version 1", fmt.Errorf("%s is not supported", s)
		}
		return version, "", nil
	})
	f.schema = &schema{Const: version}
	return f
}

// onlyVersion drops the errors of a manifest of another version, but for the one that says so: its other keys are not ours
// to judge.
func (b *binder) onlyVersion() {
	for _, e := range b.errs {
		if strings.HasPrefix(e.Msg, "version: ") {
			b.errs = []*Error{e}
			return
		}
	}
}

func knownVars() form[map[string]string] {
	return form[map[string]string]{schema: varsForm().schema, bind: func(b *binder, _ value, to *map[string]string) {
		*to = maps.Clone(b.vars) // prepare has read them: values before them need them too
	}}
}

func limitsForm() form[Limits] {
	return object("limits",
		at("parallel", "Steps at once.", func(l *Limits) *int { return &l.Parallel }, integer(1)).or("8"),
		at("memory", "Transfer buffers of all transfers together: bounds part size times parts in flight.",
			func(l *Limits) *int64 { return &l.Memory }, bytesSize()).or("256MiB"),
		at("bandwidth", "Of all transfers together; unlimited if left out.", func(l *Limits) *int64 { return &l.Bandwidth }, rate()),
		at("max_pause", "Give up when the network stays down longer than this.",
			func(l *Limits) *time.Duration { return &l.MaxPause }, duration()).or("12h"),
	)
}

func retryForm() form[Retry] {
	return object("retry",
		at("attempts", "Of one request, the first included.", func(r *Retry) *int { return &r.Attempts }, integer(1)).or("5"),
		at("first", "Longest wait before the second attempt; it doubles each time.", func(r *Retry) *time.Duration { return &r.First }, duration()).or("2s"),
		at("max", "Longest wait.", func(r *Retry) *time.Duration { return &r.Max }, duration()).or("30s"),
	).checked(func(b *binder, v value, r *Retry) {
		if r.First > r.Max && r.Max > 0 {
			b.failAt(v.mark(), "", "retry: first (%v) is longer than max (%v)", r.First, r.Max)
		}
	})
}

func exportForm() form[Export] {
	return object("export",
		at("backend", "Backend that runs the instance.", func(e *Export) *string { return &e.Backend }, backendName()).or("oci"),
		at("instance", "Id of the instance.", func(e *Export) *string { return &e.Instance }, str()),
		at("image", "Id of a custom image to export instead of an instance; it stays as it is.", func(e *Export) *string { return &e.Image }, str()),
		at("select", "Instances from the inventory, instead of instance.", func(e *Export) **Select { return &e.Select }, pointer(selectForm())),
		at("formats", "Formats of the images; one image is made, however many formats.",
			func(e *Export) *[]string { return &e.Formats }, oneOrMore(enum("qcow2", "vmdk", "vhd", "vdi", "oci"))).must(),
		at("staging", "Where the provider writes the images.", func(e *Export) *Text { return &e.Staging }, location(instanceScope)).must(),
		at("keep_staging", "Leave the images at staging also when they were copied on.", func(e *Export) *bool { return &e.KeepStaging }, boolean()).or("false"),
		at("to", "Where the images go, one place or several; leave it out to keep them at staging.",
			func(e *Export) *[]Text { return &e.To }, oneOrMore(location(instanceScope))),
		at("stop", "How to stop the instance while its image is made. The power state found is restored whatever happens.",
			func(e *Export) *string { return &e.Stop }, enum("never", "soft", "hard")).or("never"),
		at("stop_timeout", "How long a stop may take; then the export is given up and the instance started again.",
			func(e *Export) *time.Duration { return &e.StopTimeout }, duration()).or("20m"),
		at("verify", "What is compared at the destination.", func(e *Export) *string { return &e.Verify }, enum("size", "checksum", "structure")).or("checksum"),
		at("tags", "Put on everything that is created.", func(e *Export) *map[string]Text { return &e.Tags }, mapOf("tags", tagRule(), free(instanceScope))),
		at("kms_key", "Key that encrypts what is created.", func(e *Export) *string { return &e.KMSKey }, str()),
		at("timeout", "For each instance; none if left out.", func(e *Export) *time.Duration { return &e.Timeout }, duration()),
	).checked(func(b *binder, v value, e *Export) {
		e.ID, e.Pos = v.key.Value, v.pos()
		given := map[string]bool{}
		for _, p := range b.quietly().pairs(v) {
			given[p.key.Value] = true
		}
		var sources []string
		for _, key := range []string{"instance", "select", "image"} {
			if given[key] {
				sources = append(sources, key)
			}
		}
		switch {
		case len(sources) > 1:
			b.failAt(v.key, "keep one", "export %q has both %s", e.ID, strings.Join(sources, " and "))
		case len(sources) == 0:
			b.failAt(v.key, "", "export %q has neither instance nor select nor image", e.ID)
		case given["image"] && e.Stop != "never" && e.Stop != "":
			b.failAt(v.key, "leave out stop", "export %q has image and stop: no instance is touched", e.ID)
		}
	}).says(func(s *schema) {
		s.OneOf = []*schema{{Required: []string{"instance"}}, {Required: []string{"select"}}, {Required: []string{"image"}}}
	})
}

func selectForm() form[Select] {
	return object("select",
		at("compartment", "Where to look: a path or an id.", func(s *Select) *string { return &s.Compartment }, str()),
		at("recursive", "Also in the compartments below.", func(s *Select) *bool { return &s.Recursive }, boolean()).or("false"),
		at("name", "Pattern with * and ?.", func(s *Select) *string { return &s.Name }, str()),
		at("state", "Power states, such as RUNNING and STOPPED.", func(s *Select) *[]string { return &s.State }, oneOrMore(str())),
		at("tags", "Tags and their values, all of them.", func(s *Select) *map[string]string { return &s.Tags }, mapOf("tags", tagRule(), plainText())),
		at("expect", "How many instances there must be; otherwise the plan is blocked.", func(s *Select) *Expect { return &s.Expect }, expectForm()).filled(),
	).checked(func(_ *binder, v value, s *Select) { s.Pos = v.pos() })
}

func expectForm() form[Expect] {
	return object("expect",
		at("min", "At least.", func(e *Expect) *int { return &e.Min }, integer(0)).or("1"),
		at("max", "At most; no limit if left out.", func(e *Expect) *int { return &e.Max }, integer(1)),
	).checked(func(b *binder, v value, e *Expect) {
		if e.Max > 0 && e.Min > e.Max {
			b.failAt(v.mark(), "", "expect: min (%d) is more than max (%d)", e.Min, e.Max)
		}
	})
}

func transferForm() form[Transfer] {
	return object("transfer",
		at("from", "What to move; a trailing slash means everything under it.", func(t *Transfer) *Text { return &t.From }, location(runScope)).must(),
		at("to", "Where it goes.", func(t *Transfer) *Text { return &t.To }, location(runScope)).must(),
		at("include", "Patterns below from, with *, ** and ?; only these.", func(t *Transfer) *[]string { return &t.Include }, oneOrMore(str())),
		at("exclude", "Patterns below from; not these.", func(t *Transfer) *[]string { return &t.Exclude }, oneOrMore(str())),
		at("existing", "What to do with an object that is there already; newer skips it if size and checksum, ETag or time are the same.",
			func(t *Transfer) *string { return &t.Existing }, enum("newer", "overwrite", "skip", "fail")).or("newer"),
		at("delete", "Delete at the destination what is not at the source.", func(t *Transfer) *bool { return &t.Delete }, boolean()).or("false"),
		at("max_deletes", "More deletes than this block the plan.", func(t *Transfer) *int { return &t.MaxDeletes }, integer(0)).or("100"),
		at("after", "Exports and transfers that must be done before. Others run in parallel.", func(t *Transfer) *[]reference { return &t.after }, oneOrMore(referenceForm())),
		at("checksum", "Also record this checksum at the destination; CRC32C is always on.", func(t *Transfer) *string { return &t.Checksum }, enum("sha256")),
	).checked(func(_ *binder, v value, t *Transfer) { t.ID, t.Pos = v.key.Value, v.pos() })
}

func idRule(what string) keyRule {
	return keyRule{"id of " + what, idRegexp, "use small letters, digits and -, at most 63"}
}

func tagRule() keyRule {
	return keyRule{"name of a tag", tagRegexp, ""}
}

func id(what string) form[string] {
	return matching(idRegexp, "%q is no "+what, "use small letters, digits and -, at most 63")
}

// backendName names a backend that is listed or built in.
func backendName() form[string] {
	return scalar("text", "!!str", &schema{Type: "string", MinLength: 1}, func(b *binder, s string) (string, string, error) {
		for _, known := range b.schemes {
			if s == known {
				return s, "", nil
			}
		}
		return "", b.suggest(s, b.schemes), fmt.Errorf("there is no backend %q", s)
	})
}

var almostLocation = regexp.MustCompile(`^([a-z][a-z0-9-]+):/?[^/\\]`)

// location is text that names a place, once its late variables are known.
func location(allowed scope) form[Text] {
	f := late(allowed)
	bind := f.bind
	f.bind = func(b *binder, v value, to *Text) {
		bind(b, v, to)
		var s strings.Builder
		for _, p := range to.parts {
			if p.late {
				s.WriteString("x")
			} else {
				s.WriteString(p.text)
			}
		}
		if s.Len() > 0 {
			b.checkLocation(v, s.String(), to)
		}
	}
	return f
}

func (b *binder) checkLocation(v value, s string, t *Text) {
	scheme, _, ok := strings.Cut(s, "://")
	switch {
	case ok && t.parts[0].late:
		b.failAt(v.node, "", "%s: the scheme of a location cannot be a variable that is known later", v.name)
		return
	case ok:
		known := false
		for _, s := range b.schemes {
			known = known || s == scheme
		}
		if !known {
			b.failAt(v.node, b.suggest(scheme, b.schemes), "%s: there is no backend %q", v.name, scheme)
			return
		}
	default:
		if m := almostLocation.FindStringSubmatch(s); m != nil {
			for _, known := range b.schemes {
				if m[1] == known {
					b.failAt(v.node, "write "+known+"://...", "%s: a location has two slashes after its scheme", v.name)
					return
				}
			}
		}
	}
	if _, err := backend.ParseLocation(s); err != nil {
		b.failAt(v.node, "", "%s: %v", v.name, err)
	}
}
