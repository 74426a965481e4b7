package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hyperexport/hyperexport/internal/human"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/transfer"
)

type lsCmd struct {
	objectFlags
	Locations []string `arg:"" name:"location" help:"Prefixes, objects and patterns; scheme:// alone lists buckets."`
	Long      bool     `short:"l" help:"Show size, time and tier too."`
	Recursive bool     `short:"r" help:"Show the objects of all levels."`
	Versions  bool     `help:"Show every version of the objects, also of deleted ones."`
	Human     bool     `help:"Show sizes as 12.4 GiB instead of in bytes."`
}

func (c *lsCmd) Help() string {
	return `One level is shown, sorted: objects, and prefixes with a slash at their end. Patterns are * ? [a-z] and ** in the part after
the bucket; put them into quotes. An object of exactly that name goes before the pattern.

Examples:
  hyperexport ls s3://bucket/logs/
  hyperexport ls -l --human oci://axsim/archive/
  hyperexport ls -r ./exports/
  hyperexport ls 'oci://axsim/logs/2024-*/*.gz'
  hyperexport ls --versions -o json s3://bucket/logs/a.txt
  hyperexport ls oci://axsim/`
}

// listed is an entry in the JSON document.
type listedEntry struct {
	Type     string `json:"type"` // object, prefix, bucket or delete_marker
	Location string `json:"location"`
	Name     string `json:"name"` // below what was asked for
	Size     *int64 `json:"size,omitempty"`
	objectDocument
	Latest *bool `json:"latest,omitempty"`
}

// objectDocument is what is known of an object beside its name and size.
type objectDocument struct {
	ModTime    time.Time         `json:"mod_time,omitzero"`
	Version    string            `json:"version,omitempty"`
	Checksum   backend.Checksum  `json:"checksum,omitempty"`
	Tier       string            `json:"tier,omitempty"`
	Archived   bool              `json:"archived,omitempty"`
	Generation string            `json:"generation,omitempty"`
	Meta       map[string]string `json:"meta,omitempty"`
}

func describe(o backend.Object) objectDocument {
	return objectDocument{o.ModTime, o.Version, o.Checksum, o.Tier, o.Archived, o.Generation, o.Meta}
}

func (c *lsCmd) Run(a *app) error {
	p, err := c.openPlaces(a, transfer.DefaultMemory)
	if err != nil {
		return err
	}
	defer p.close()
	l := &lister{c: c, p: p, doc: newDocument(a, "entries")}
	for i, word := range c.Locations {
		if len(c.Locations) > 1 && !a.json {
			l.doc.write(strings.Repeat("\n", min(i, 1)) + human.Plain(word) + ":\n")
		}
		if err := l.list(word); err != nil {
			if !strings.Contains(err.Error(), word) {
				err = fmt.Errorf("%s: %w", word, err)
			}
			l.failed.add(a, err)
		}
		l.doc.flush()
	}
	return l.doc.end(&l.failed, "", nil)
}

type lister struct {
	c      *lsCmd
	p      *places
	doc    *document
	failed failures
}

// list shows what one word of the command line names.
func (l *lister) list(word string) error {
	at, err := l.p.locate(word)
	if err != nil {
		return err
	}
	if at.Path == "" || !strings.Contains(strings.TrimSuffix(at.Path, "/"), "/") && at.Scheme != "file" {
		if done, err := l.buckets(at); done {
			return err
		}
	}
	t, err := l.p.target(word)
	if err != nil {
		return err
	}
	if t.pattern != "" {
		return l.matches(t)
	}
	if !t.isPrefix() {
		if shown, err := l.object(t); shown || err != nil {
			return err
		}
		if t, err = l.p.folder(t); err != nil {
			return err
		}
	}
	return l.below(t)
}

// buckets lists the containers of an account where at names none of them.
func (l *lister) buckets(at backend.Location) (done bool, err error) {
	provider, err := l.p.provider(at.Scheme)
	if err != nil {
		return true, err
	}
	if at.Path != "" {
		if _, _, err := provider.Open(at); backend.KindOf(err) != backend.Invalid {
			return false, nil //nolint:nilerr // it is a container, and what is wrong with it shows when it is listed
		}
	}
	found, err := bucketsBelow(l.p.a.ctx, provider, at)
	for _, r := range found {
		entry := listedEntry{Type: "bucket", Location: at.Scheme + "://" + r.ID + "/", Name: r.Name + "/"}
		entry.ModTime = r.Created
		if err := l.show(entry); err != nil {
			return true, err
		}
		l.failed.done++
	}
	switch {
	case err == nil && len(found) == 0 && at.Path != "":
		err = notThere(at.String(), nil)
	case backend.KindOf(err) == backend.Unsupported:
		err = fmt.Errorf("%s://%s: this backend cannot list buckets; name one, as in %s://%sBUCKET/: %w", at.Scheme, at.Path, at.Scheme, at.Path, err)
	}
	return true, err
}

// bucketsBelow returns the containers whose locations begin with at, by their names.
func bucketsBelow(ctx context.Context, provider backend.Provider, at backend.Location) ([]backend.Resource, error) {
	inventory, err := provider.Inventory()
	if err != nil {
		return nil, err
	}
	var found []backend.Resource
	for r, err := range inventory.Resources(ctx, backend.Query{Type: "bucket", Recursive: true}) {
		if err != nil {
			return found, err
		}
		if at.Path == "" || strings.HasPrefix(r.ID, withSlash(at.Path)) {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b backend.Resource) int { return cmp.Compare(a.ID, b.ID) })
	return found, nil
}

// object shows the object that t names, if there is one.
func (l *lister) object(t target) (shown bool, err error) {
	if l.c.Versions {
		for v, err := range l.versions(t, func(key string) bool { return key == t.Key }) {
			if err != nil {
				return shown, err
			}
			if err := l.version(t, t.parent(), v); err != nil {
				return true, err
			}
			shown = true
		}
		return shown, nil
	}
	obj, err := t.Storage.Stat(l.p.a.ctx, t.Key)
	if errors.Is(err, backend.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, l.entry(t, t.parent(), backend.Entry{Object: obj})
}

// parent is what the names below t's prefix are shown without.
func (t target) parent() string { return t.Key[:strings.LastIndexByte(t.Key, '/')+1] }

// matches shows what a pattern finds, and with -r what is below the prefixes that it finds.
func (l *lister) matches(t target) error {
	found := false
	for entry, err := range transfer.Find(l.p.a.ctx, t.Ref, t.pattern) {
		if err == nil {
			found = true
			err = l.matched(t, entry)
		}
		if err != nil {
			return err
		}
	}
	if !found {
		return notThere(t.word, nil)
	}
	return nil
}

func (l *lister) matched(t target, entry backend.Entry) error {
	switch {
	case l.c.Versions:
		for v, err := range l.versions(target{Ref: t.below(entry.Prefix + entry.Key)}, func(key string) bool {
			return entry.Prefix != "" || key == entry.Key
		}) {
			if err == nil {
				err = l.version(t, t.Key, v)
			}
			if err != nil {
				return err
			}
		}
		return nil
	case entry.Prefix != "" && l.c.Recursive:
		for obj, err := range t.Storage.List(l.p.a.ctx, entry.Prefix) {
			if err == nil {
				err = l.entry(t, t.Key, backend.Entry{Object: obj})
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	return l.entry(t, t.Key, entry)
}

// below shows what is under a prefix. An empty container is no mistake, an empty prefix is.
func (l *lister) below(t target) error {
	found := false
	show := func(entry backend.Entry, err error) error {
		found = true
		if err == nil {
			err = l.entry(t, t.Key, entry)
		}
		return err
	}
	var err error
	switch {
	case l.c.Versions:
		for v, e := range l.versions(t, func(string) bool { return true }) {
			if err = e; err == nil {
				err = l.version(t, t.Key, v)
			}
			if found = true; err != nil {
				break
			}
		}
	case l.c.Recursive:
		for obj, e := range t.Storage.List(l.p.a.ctx, t.Key) {
			if err = show(backend.Entry{Object: obj}, e); err != nil {
				break
			}
		}
	default:
		for entry, e := range backend.Browse(l.p.a.ctx, t.Storage, t.Storage.Info().Can, t.Key) {
			if err = show(entry, e); err != nil {
				break
			}
		}
	}
	if err == nil && !found && t.Key != "" {
		return notThere(t.word, nil)
	}
	return err
}

// versions lists those under the key of t that are wanted.
func (l *lister) versions(t target, wanted func(key string) bool) iter.Seq2[backend.ObjectVersion, error] {
	return func(yield func(backend.ObjectVersion, error) bool) {
		if !t.Storage.Info().Can.Versions {
			yield(backend.ObjectVersion{}, fmt.Errorf("%s: %w", t.At, &backend.Error{Op: "list versions", Kind: backend.Unsupported, Err: errors.New("this backend shows no versions")}))
			return
		}
		for v, err := range t.Storage.Versions(l.p.a.ctx, t.Key) {
			if (err != nil || wanted(v.Key)) && !yield(v, err) {
				return
			}
		}
	}
}

func (l *lister) entry(t target, below string, entry backend.Entry) error {
	l.failed.done++
	if entry.Prefix != "" {
		return l.show(listedEntry{Type: "prefix", Location: t.below(entry.Prefix).At.String(), Name: entry.Prefix[len(below):]})
	}
	return l.show(listedEntry{Type: "object", Location: t.below(entry.Key).At.String(), Name: entry.Key[len(below):], Size: &entry.Size,
		objectDocument: describe(entry.Object)})
}

func (l *lister) version(t target, below string, v backend.ObjectVersion) error {
	l.failed.done++
	entry := listedEntry{Type: "object", Location: t.below(v.Key).At.String(), Name: v.Key[len(below):], Size: &v.Size,
		objectDocument: describe(v.Object), Latest: &v.Latest}
	if v.DeleteMarker {
		entry.Type, entry.Size = "delete_marker", nil
	}
	return l.show(entry)
}

// timeForm is the form of times in columns. They are in UTC, as those of the services.
const timeForm = "2006-01-02 15:04:05"

func (l *lister) show(e listedEntry) error {
	if l.p.a.json {
		return l.doc.item("", e)
	}
	text := human.Plain(e.Name)
	if e.Latest != nil {
		note := map[bool]string{true: "latest", false: "old"}[*e.Latest]
		if e.Type == "delete_marker" {
			note = "deleted"
		}
		text = fmt.Sprintf("%-7s  %-32s  %s", note, human.Plain(e.Generation), text)
	}
	if l.c.Long {
		text = fmt.Sprintf("%12s  %-19s  %-10s  %s", l.size(e.Size), stamp(e.ModTime), tier(e.objectDocument), text)
	}
	return l.doc.item(text+"\n", nil)
}

func (l *lister) size(n *int64) string {
	switch {
	case n == nil:
		return "-"
	case l.c.Human:
		return human.Bytes(*n)
	}
	return strconv.FormatInt(*n, 10)
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(timeForm)
}

// tier names the storage tier where it is not the usual one.
func tier(o objectDocument) string {
	switch {
	case o.Tier != "":
		return o.Tier
	case o.Archived:
		return "archived"
	}
	return "-"
}
