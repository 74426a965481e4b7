package main

import (
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"strings"

	"github.com/hyperexport/hyperexport/internal/human"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/transfer"
)

// copyJob is what one FROM of a cp asks for: everything under a prefix, or single objects.
type copyJob struct {
	tree     bool
	from, to transfer.Ref // prefixes; of a single object with a name of its own, the object

	pairs iter.Seq2[transfer.Pair, error] // unless it is a tree
	named bool                            // to is the object itself
	bytes int64                           // to copy; -1 if that is not known before
}

// source and destination give the locations of an object by its name below the prefixes.
func (j copyJob) source(name string) backend.Location {
	if j.named {
		return j.from.At
	}
	return j.from.Join(name).At
}

func (j copyJob) destination(name string) backend.Location {
	if j.named {
		return j.to.At
	}
	return j.to.Join(name).At
}

// sizeOf is the size of all jobs, -1 if it is not known.
func sizeOf(jobs []copyJob) (sum int64) {
	for _, j := range jobs {
		if j.bytes < 0 {
			return -1
		}
		sum += j.bytes
	}
	return sum
}

// jobs reads the paths of the command line.
func (k *copier) jobs() ([]copyJob, error) {
	words := k.c.Paths
	to, err := k.destination(words[len(words)-1])
	if err != nil {
		return nil, err
	}
	if len(words) > 2 && !to.isPrefix() {
		return nil, notFolder(to.word, "several sources")
	}
	var jobs []copyJob
	taken := map[backend.Location]string{}
	for _, word := range words[:len(words)-1] {
		from, err := k.p.target(word)
		if err != nil {
			return nil, err
		}
		more, err := k.job(from, to)
		if err != nil {
			return nil, err
		}
		if other, there := taken[more.to.At]; more.named && there {
			return nil, &codeError{exitUsage, fmt.Errorf("%s and %s would both be %s", other, word, more.to.At), "copy one of them to another name"}
		}
		if more.named {
			taken[more.to.At] = word
		}
		jobs = append(jobs, more)
	}
	return jobs, nil
}

// destination opens where things go. A folder of this machine that exists gets the slash, as with cp(1).
func (k *copier) destination(word string) (target, error) {
	at, err := k.p.locate(word)
	if err != nil {
		return target{}, err
	}
	if isFolder(at) && !at.IsPrefix() {
		at.Path += "/"
	}
	ref, err := k.p.open(at)
	if err != nil {
		return target{}, fmt.Errorf("%s: %w", word, err)
	}
	if !ref.Storage.Info().Can.Write {
		return target{}, fmt.Errorf("%s: %w", word, &backend.Error{Op: "copy", Kind: backend.Unsupported, Err: errors.New("nothing can be written there")})
	}
	return target{Ref: ref, word: word}, nil
}

func notFolder(word, what string) error {
	return &codeError{exitUsage, fmt.Errorf("%s is the name of one object, and there are %s", word, what), "write " + shellWord(word+"/") + " to copy into it"}
}

// job decides what a FROM means.
func (k *copier) job(from, to target) (copyJob, error) {
	switch {
	case from.pattern != "":
		if !to.isPrefix() {
			return copyJob{}, notFolder(to.word, "what a pattern finds")
		}
		return k.each(from, to), nil
	case from.isPrefix():
		return k.tree(from, to)
	}
	obj, err := from.Storage.Stat(k.a.ctx, from.Key)
	if err == nil {
		return k.single(from, to, obj)
	}
	if !errors.Is(err, backend.NotFound) || !k.p.hasBelow(from) {
		return copyJob{}, fmt.Errorf("%s: %w", from.word, err)
	}
	folder, openErr := k.p.folder(from)
	if openErr != nil {
		return copyJob{}, openErr
	}
	if to.isPrefix() { // it keeps its name
		to.Ref = to.Join(from.At.Base() + "/")
	}
	return k.tree(folder, to)
}

// tree copies what is below a prefix.
func (k *copier) tree(from, to target) (copyJob, error) {
	switch {
	case !k.c.Recursive:
		return copyJob{}, isPrefixError(from.word)
	case !to.isPrefix():
		return copyJob{}, notFolder(to.word, "all those below "+from.word)
	case from.At.Scheme == to.At.Scheme && strings.HasPrefix(to.At.Path, withSlash(from.At.Path)):
		return copyJob{}, &codeError{exitUsage, fmt.Errorf("%s is %s or below it", to.At, from.At), "copy it to another place"}
	}
	if err := k.holdsSomething(from); err != nil {
		return copyJob{}, err
	}
	if to.At.Scheme == "file" { // what else is in the folder is not looked at
		return k.each(from, to), nil
	}
	return copyJob{tree: true, from: from.Ref, to: to.Ref, bytes: -1}, nil
}

// holdsSomething asks for the first object below a prefix. A folder of this machine may be empty.
func (k *copier) holdsSomething(from target) error {
	for _, err := range from.Storage.List(k.a.ctx, from.Key) {
		if err != nil {
			return fmt.Errorf("%s: %w", from.word, err)
		}
		return nil
	}
	if isFolder(from.At) {
		return nil
	}
	return notThere(from.word, nil)
}

func withSlash(path string) string { return strings.TrimSuffix(path, "/") + "/" }

// single copies one object, to a name or into a prefix.
func (k *copier) single(from, to target, obj backend.Object) (copyJob, error) {
	if to.isPrefix() {
		to.Ref = to.Join(from.At.Base())
	}
	if from.At == to.At {
		return copyJob{}, sameObject(from.At)
	}
	if err := readable(from.At, obj); err != nil {
		return copyJob{}, err
	}
	pair := transfer.Pair{Name: from.At.Base(), From: from.Ref, To: to.Ref, Source: obj}
	return copyJob{named: true, from: from.Ref, to: to.Ref, bytes: obj.Size, pairs: func(yield func(transfer.Pair, error) bool) { yield(pair, nil) }}, nil
}

func sameObject(at backend.Location) error {
	return &codeError{exitUsage, fmt.Errorf("from and to are the same object, %s", at), "copy it to another name"}
}

// readable refuses an object that has to be restored first.
func readable(at backend.Location, obj backend.Object) error {
	if !obj.Archived {
		return nil
	}
	return &codeError{exitFailed, fmt.Errorf("%s is archived and cannot be read", at), "hyperexport restore " + shellWord(at.String()) + " --for 48h --wait"}
}

// each copies what a pattern finds, or what is below a prefix, under the names below the prefix.
func (k *copier) each(from, to target) copyJob {
	return copyJob{from: from.Ref, to: to.Ref, bytes: -1, pairs: func(yield func(transfer.Pair, error) bool) {
		found := false
		for obj, err := range k.p.objects(from, k.c.Recursive) {
			if err != nil {
				yield(transfer.Pair{}, err)
				return
			}
			found = true
			name := obj.Key[len(from.Key):]
			if name == "" || !k.selection().Match(name) {
				continue
			}
			p := transfer.Pair{Name: name, From: from.below(obj.Key), To: to.Join(name), Source: obj}
			if err := readable(p.From.At, obj); err != nil {
				k.failed.add(k.a, err)
				continue
			}
			if p.From.At == p.To.At {
				err = sameObject(p.To.At)
			}
			if !yield(p, err) {
				return
			}
		}
		if !found && from.pattern != "" {
			yield(transfer.Pair{}, notThere(from.word, nil))
		}
	}}
}

// plannedDocument is one object of a dry run in the JSON document.
type plannedDocument struct {
	Action transfer.Action `json:"action"`
	From   string          `json:"from"`
	To     string          `json:"to"`
	Size   int64           `json:"size"`
}

// dryRun shows what the jobs would do.
func (k *copier) dryRun(jobs []copyJob) error {
	k.doc = newDocument(k.a, "objects")
	var bytes int64
	for _, j := range jobs {
		for d, err := range k.differences(j) {
			if err == nil {
				err = k.planned(j, d)
			}
			if err != nil {
				k.failed.add(k.a, err)
				continue
			}
			k.failed.done++
			if d.Action == transfer.ActionCopy {
				k.total.Copied++
				bytes += d.Source.Size
			}
		}
	}
	text := fmt.Sprintf("%s, %s would be copied; nothing was changed\n", human.Plural(k.total.Copied, "object"), human.Bytes(bytes))
	return k.doc.end(&k.failed, text, map[string]any{"dry_run": true, "copied": k.total.Copied, "bytes": bytes})
}

func (k *copier) differences(j copyJob) iter.Seq2[transfer.Difference, error] {
	if j.tree {
		return transfer.Compare(k.a.ctx, j.from, j.to, k.selection())
	}
	return func(yield func(transfer.Difference, error) bool) {
		for p, err := range j.pairs {
			d := transfer.Difference{}
			if err == nil {
				d, err = k.selection().Decide(k.a.ctx, p)
			}
			if !yield(d, err) {
				return
			}
		}
	}
}

func (k *copier) planned(j copyJob, d transfer.Difference) error {
	if d.Action == transfer.ActionRefuse {
		return fmt.Errorf("%s: %w", j.destination(d.Name), &backend.Error{Op: "copy", Kind: backend.Exists, Err: errors.New("it exists and --existing fail is set")})
	}
	doc := plannedDocument{d.Action, j.source(d.Name).String(), j.destination(d.Name).String(), d.Source.Size}
	return k.doc.item(fmt.Sprintf("%s  %s -> %s  %s\n", doc.Action, human.Plain(doc.From), human.Plain(doc.To), human.Bytes(doc.Size)), doc)
}

// nearestFolder is the folder of this machine that exists and that path is in.
func nearestFolder(path string) string {
	dir := filepath.Dir(path)
	for !isFolder(backend.Location{Scheme: "file", Path: filepath.ToSlash(dir)}) && filepath.Dir(dir) != dir {
		dir = filepath.Dir(dir)
	}
	return dir
}
